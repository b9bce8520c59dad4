package processcrash

import (
	"testing"

	"github.com/halfopen/halfopen/harness/stage"
)

func TestMain(m *testing.M)         { stage.Main(m) }
func TestProcessCrash(t *testing.T) { stage.RunStory(t, "process-crash") }
