package cable

import (
	"testing"

	"github.com/halfopen/halfopen/harness/stage"
)

func TestMain(m *testing.M)  { stage.Main(m) }
func TestCable(t *testing.T) { stage.RunStory(t, "cable") }
