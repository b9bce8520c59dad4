package keepalive

import (
	"testing"

	"github.com/halfopen/halfopen/harness/stage"
)

func TestMain(m *testing.M)      { stage.Main(m) }
func TestKeepalive(t *testing.T) { stage.RunStory(t, "keepalive") }
