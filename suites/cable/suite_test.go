package cable

import (
	"testing"

	"github.com/halfopen/halfopen/harness/suite"
)

func TestMain(m *testing.M)  { suite.Main(m) }
func TestCable(t *testing.T) { suite.RunStory(t, "cable") }
