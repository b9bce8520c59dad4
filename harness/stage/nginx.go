package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"

	"github.com/halfopen/halfopen/fixtures"
	"github.com/halfopen/halfopen/harness/process"
)

// Nginx are the timeouts of a real nginx; 0 leaves the one that is compiled in.
type Nginx struct {
	Keepalive time.Duration // keepalive_timeout, by default 75 s
	Header    time.Duration // client_header_timeout, by default 60 s
}

// Nginx's compiled-in defaults (ngx_http_core_module.c).
const (
	NginxKeepalive = 75 * time.Second
	NginxHeader    = 60 * time.Second
)

// Nginx starts the machine's own nginx on the host, with the configuration in fixtures/nginx and a
// prefix of its own. The spec is unsupported where none is installed.
func (h *Host) Nginx(ctx context.Context, timeouts Nginx) *Program {
	path, err := process.FindProgram("nginx")
	if errors.Is(err, process.ErrNotInstalled) {
		unsupported("nginx is not installed on this machine: `apt-get install nginx-light`")
	}
	mustStage(err)
	if h.scene.sabotaged("application-timeout-off") {
		timeouts = Nginx{Keepalive: 24 * time.Hour, Header: 24 * time.Hour}
	}
	prefix, err := h.nginxPrefix(timeouts)
	mustStage(err)
	started := h.startProgram("nginx", serverPort, func() (*process.Program, error) {
		// Nothing of the caller's environment: nginx inherits sockets by a variable.
		return process.StartProgram(process.ProgramOptions{
			Name: "nginx", Path: path, Args: []string{"-p", prefix, "-c", "nginx.conf", "-e", "stderr"}, Dir: prefix,
		})
	})
	// It says so when it has opened its listening sockets (ngx_init_cycle, ngx_event_module_init).
	started.awaits(ctx, Soon, "that it is up", saidText("event method"))
	return started
}

// nginxPrefix makes a folder with nginx's configuration, which goes when the spec ends.
func (h *Host) nginxPrefix(timeouts Nginx) (prefix string, err error) {
	// A guest has no folder for temporary files until somebody makes it.
	if err := os.MkdirAll(os.TempDir(), 0o777); err != nil {
		return "", fmt.Errorf("cannot make nginx's folder: %w", err)
	}
	if prefix, err = os.MkdirTemp("", "halfopen-nginx-"); err != nil {
		return "", fmt.Errorf("cannot make nginx's folder: %w", err)
	}
	DeferCleanup(func() { mustStage(os.RemoveAll(prefix)) })
	files := map[string]string{
		"listen.conf":   fmt.Sprintf("listen %s;\n", netip.AddrPortFrom(h.Address(), serverPort)),
		"timeouts.conf": timeouts.directives(),
	}
	configuration, err := fs.Sub(fixtures.Nginx, "nginx")
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(prefix, configuration); err != nil {
		return "", fmt.Errorf("cannot write nginx's configuration: %w", err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(prefix, name), []byte(content), 0o644); err != nil {
			return "", fmt.Errorf("cannot write nginx's configuration: %w", err)
		}
	}
	return prefix, nil
}

func (t Nginx) directives() (text string) {
	if t.Keepalive != 0 {
		text += fmt.Sprintf("keepalive_timeout %dms;\n", t.Keepalive.Milliseconds())
	}
	if t.Header != 0 {
		text += fmt.Sprintf("client_header_timeout %dms;\n", t.Header.Milliseconds())
	}
	return text
}
