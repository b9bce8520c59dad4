package retransmission

import (
	"testing"

	"github.com/halfopen/halfopen/harness/suite"
)

func TestMain(m *testing.M)           { suite.Main(m) }
func TestRetransmission(t *testing.T) { suite.RunStory(t, "retransmission") }
