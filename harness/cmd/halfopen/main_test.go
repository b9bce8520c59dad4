package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/vm/guest"
)

// TestMain makes the test binary the command too: under the name halfopen, as a spec's process, as
// a process of a lab and as PID 1 of a guest.
func TestMain(m *testing.M) {
	if guest.Here() {
		guest.Main(inGuest)
	}
	if stage.IsSpec() {
		os.Exit(stage.RunSpec())
	}
	if limits := os.Getenv(limitsEnv); limits != "" {
		fmt.Fprintln(os.Stderr, becomeLimited(limits))
		os.Exit(2)
	}
	testscript.Main(m, map[string]func(){"halfopen": main})
}

// The scripts are the end-to-end tests and the manual at once.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: true})
}

// command is halfopen as an executable of its own that anybody may run.
func command(t testing.TB) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "halfopen-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	path := filepath.Join(folder, "halfopen")
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	copied, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(copied, self); err != nil {
		t.Fatal(err)
	}
	if err := copied.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	return path
}

// nobody is a user without any right.
const nobody = 65534

// asOrdinaryUser makes a command run without root, whoever runs the tests.
func asOrdinaryUser(run *exec.Cmd) *exec.Cmd {
	if os.Geteuid() == 0 {
		run.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return run
}

func TestAnOrdinaryUserNeedsNoRoot(t *testing.T) {
	halfopen := command(t)
	out := filepath.Join(filepath.Dir(halfopen), "results")
	output, err := asOrdinaryUser(exec.Command(halfopen, "run", "host-crash/reboot-rst", "--out", out)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if !strings.Contains(string(output), "every claim holds") {
		t.Errorf("the run says\n%s", output)
	}
}

// limitsEnv makes the test binary limit the namespaces of a user namespace of its own, become an
// ordinary user in it and run halfopen there: "SYSCTL=VALUE".
const limitsEnv = "HALFOPEN_TEST_LIMITS"

func becomeLimited(limits string) error {
	name, value, _ := strings.Cut(limits, "=")
	if err := os.WriteFile("/proc/sys/user/"+name, []byte(value), 0); err != nil {
		return err
	}
	if err := syscall.Setuid(insideUser); err != nil {
		return err
	}
	if err := os.Unsetenv(limitsEnv); err != nil {
		return err
	}
	return unix.Exec(os.Args[0], os.Args, os.Environ())
}

const insideUser = 1000

// limited runs halfopen as an ordinary user of a system that allows only so many namespaces.
func limited(t *testing.T, halfopen, sysctl string, limit int, args ...string) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can map two users into a namespace, as this test needs")
	}
	run := exec.Command(halfopen, args...)
	run.Env = append(os.Environ(), limitsEnv+"="+sysctl+"="+strconv.Itoa(limit))
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}, {ContainerID: insideUser, HostID: nobody, Size: 1}}
	run.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids}
	return run
}

func TestForbiddenNamespacesAreNamedWithTheCure(t *testing.T) {
	halfopen := command(t)
	out := filepath.Join(filepath.Dir(halfopen), "results")
	output, err := limited(t, halfopen, "max_user_namespaces", 0, "run", "--out", out).CombinedOutput()
	if err == nil {
		t.Fatalf("the run succeeds:\n%s", output)
	}
	for _, said := range []string{"user.max_user_namespaces is 0", "sudo sysctl user.max_user_namespaces=10000"} {
		if !strings.Contains(string(output), said) {
			t.Errorf("the run does not say %q but\n%s", said, output)
		}
	}
	if lines := strings.Count(strings.TrimSpace(string(output)), "\n"); lines > 0 {
		t.Errorf("the run says more than one line:\n%s", output)
	}
}
