package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func fakeQEMU(t *testing.T, script string) string {
	path := filepath.Join(t.TempDir(), emulator)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWithoutQEMUTheCureIsNamed(t *testing.T) {
	g := NewWithT(t)
	for name, path := range map[string]string{
		"missing":  filepath.Join(t.TempDir(), "nothing"),
		"too old":  fakeQEMU(t, "echo QEMU emulator version 4.2.1 '(Debian 1:4.2-3ubuntu6)'"),
		"stranger": fakeQEMU(t, "echo hello"),
		"broken":   fakeQEMU(t, "exit 127"),
	} {
		_, err := Run(t.Context(), Config{QEMU: path}, Watch{})
		g.Expect(err).To(MatchError(ErrNoQEMU), name)
		g.Expect(err.Error()).To(And(ContainSubstring("qemu-system-x86"), Not(ContainSubstring("\n"))), name)
	}
}

func TestADynamicProgramBringsItsLoaderAndLibraries(t *testing.T) {
	g := NewWithT(t)
	files, err := libraries("/bin/sh")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(files).To(ContainElements(HaveSuffix("ld-linux-x86-64.so.2"), HaveSuffix("/libc.so.6")))
	g.Expect(libraries(builtStatic(t))).To(BeEmpty())
}

func TestAnEmulatorThatFailsIsNoBoot(t *testing.T) {
	g := NewWithT(t)
	qemu := fakeQEMU(t, `[ "$1" = --version ] && { echo QEMU emulator version 7.2.22; exit; }
echo 'qemu: could not load kernel' >&2; exit 1`)
	program := builtStatic(t)
	outcome, err := Run(t.Context(), Config{QEMU: qemu, Binary: program, Kernel: Kernel{Path: "/nothing", PVH: true}}, Watch{})
	g.Expect(err).To(MatchError(ErrNoBoot))
	g.Expect(err.Error()).To(Equal("the guest did not boot (QEMU: qemu: could not load kernel)"))
	g.Expect(outcome.Attempts).To(Equal(attempts))
}

func TestTheCommandLineEndsWithWhatTheCallerAppends(t *testing.T) {
	g := NewWithT(t)
	config := Config{Append: "loglevel=7"}.withDefaults()
	g.Expect(config.commandLine()).To(HaveSuffix(" loglevel=7"))
	config.Kernel = Kernel{Path: "vmlinux", PVH: true}
	args, err := config.arguments(1<<32+5, emulation)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.Join(args, " ")).To(And(
		ContainSubstring("-seed 5 "), ContainSubstring("hpet=on"), ContainSubstring("nolapic_timer"), ContainSubstring("-icount shift="),
		ContainSubstring("-kernel vmlinux")))
	config.Kernel = Kernel{Path: "vmlinux", BzImage: "vmlinuz"}
	args, err = config.arguments(1, emulation)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.Join(args, " ")).To(And(ContainSubstring("-M q35"), ContainSubstring("virtio-serial-pci"), ContainSubstring("-kernel vmlinuz")))
	config.Kernel = Kernel{Path: "vmlinux"}
	_, err = config.arguments(1, emulation)
	g.Expect(err).To(MatchError(ErrNoBoot))
}

func TestOnlyTheRealClockMayUseTheMachinesOwnProcessor(t *testing.T) {
	g := NewWithT(t)
	device := filepath.Join(t.TempDir(), "kvm")
	processors := filepath.Join(t.TempDir(), "cpuinfo")
	processor := func(flags string) {
		t.Helper()
		g.Expect(os.WriteFile(processors, []byte("processor\t: 0\nflags\t\t: "+flags+"\nbugs\t\t:\n"), 0o600)).To(Succeed())
	}
	both := []accelerator{virtualization, emulation}
	processor("fpu vmx ssse3")
	g.Expect(Config{Clock: Real}.accelerators(device, processors)).To(Equal([]accelerator{emulation}), "there is no such device")
	g.Expect(os.WriteFile(device, nil, 0o600)).To(Succeed())
	g.Expect(Config{Clock: Real}.accelerators(device, processors)).To(Equal(both))
	g.Expect(Config{Clock: Virtual}.accelerators(device, processors)).To(Equal([]accelerator{emulation}))
	processor("fpu svm")
	g.Expect(Config{Clock: Real}.accelerators(device, processors)).To(Equal(both))
	processor("fpu hypervisor ssse3")
	g.Expect(Config{Clock: Real}.accelerators(device, processors)).To(Equal([]accelerator{emulation}), "a KVM without the processor's help")

	config := Config{Kernel: Kernel{Path: "vmlinux", PVH: true}, Clock: Real}
	args, err := config.arguments(1, virtualization)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.Join(args, " ")).To(And(ContainSubstring("-accel kvm -cpu host"), ContainSubstring("-M q35"), ContainSubstring("hpet=on"), ContainSubstring("-kernel vmlinux")))
}

func TestTheConsoleKnowsAKernelThatComplains(t *testing.T) {
	g := NewWithT(t)
	var words console
	var told, trouble []string
	words.read(strings.NewReader(strings.Join([]string{
		"[    1.0] virtio_console: loaded",
		"[    2.0] BUG: kernel NULL pointer dereference, address: 0000000000000008",
		"[    3.0] WARNING: CPU: 0 PID: 1 at net/ipv4/tcp_timer.c:470 tcp_retransmit_timer+0x1/0x2",
		"[    4.0] INFO: task halfopen:12 blocked for more than 120 seconds.",
		"[    5.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
		"[    6.0] Out of memory: Killed process 3139 (exe)",
		"[    7.0] Kernel panic - not syncing: Attempted to kill init!\r",
	}, "\n")), func(line string, complains bool) {
		told = append(told, line)
		if complains {
			trouble = append(trouble, line)
		}
	})
	last, panicked, memory := words.said()
	g.Expect(told).To(HaveLen(7))
	g.Expect(last).To(Equal(told))
	g.Expect(trouble).To(Equal(told[1:]))
	g.Expect(panicked).To(BeTrue())
	g.Expect(memory).To(BeTrue())
}
