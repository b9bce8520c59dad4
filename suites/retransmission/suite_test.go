package retransmission

import (
	"testing"

	"github.com/halfopen/halfopen/harness/stage"
)

func TestMain(m *testing.M)           { stage.Main(m) }
func TestRetransmission(t *testing.T) { stage.RunStory(t, "retransmission") }
