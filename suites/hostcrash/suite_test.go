package hostcrash

import (
	"testing"

	"github.com/halfopen/halfopen/harness/stage"
)

func TestMain(m *testing.M)      { stage.Main(m) }
func TestHostCrash(t *testing.T) { stage.RunStory(t, "host-crash") }
