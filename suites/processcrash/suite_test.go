package processcrash

import (
	"testing"

	"github.com/halfopen/halfopen/harness/suite"
)

func TestMain(m *testing.M)         { suite.Main(m) }
func TestProcessCrash(t *testing.T) { suite.RunStory(t, "process-crash") }
