package report_test

import (
	"testing"

	"github.com/halfopen/halfopen/harness/internal/jsonschema"
)

// validate returns what the schema refuses of a document.
func validate(t *testing.T, schema, document []byte) []string {
	t.Helper()
	refused, err := jsonschema.Refused(schema, document)
	if err != nil {
		t.Fatal(err)
	}
	return refused
}
