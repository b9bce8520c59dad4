package hostcrash

import (
	"testing"

	"github.com/halfopen/halfopen/harness/suite"
)

func TestMain(m *testing.M)      { suite.Main(m) }
func TestHostCrash(t *testing.T) { suite.RunStory(t, "host-crash") }
