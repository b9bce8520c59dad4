package keepalive

import (
	"testing"

	"github.com/halfopen/halfopen/harness/suite"
)

func TestMain(m *testing.M)      { suite.Main(m) }
func TestKeepalive(t *testing.T) { suite.RunStory(t, "keepalive") }
