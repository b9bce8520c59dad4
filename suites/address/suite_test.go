package address

import (
	"testing"

	_ "github.com/onsi/ginkgo/v2" // by this import the ginkgo command knows the suite

	"github.com/halfopen/halfopen/harness/suite"
)

func TestMain(m *testing.M)    { suite.Main(m) }
func TestAddress(t *testing.T) { suite.RunStory(t, "address") }
