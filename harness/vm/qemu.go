package vm

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/vm/guest"
)

// emulator is the program that runs guests, and the Debian and Fedora packages it is in.
const emulator = "qemu-system-x86_64"

// oldestQEMU is the oldest release that this was written for: -icount's sleep=off, and PVH.
const oldestQEMU = 6

const cure = "install it (Debian, Ubuntu: qemu-system-x86; Fedora: qemu-system-x86-core; Arch: qemu-system-x86)"

// program is an emulator that can be used.
type program struct{ path, version string }

// findQEMU gives the emulator, or a sentence that says what is missing.
func findQEMU(wanted string) (program, error) {
	if wanted == "" {
		wanted = emulator
	}
	path, err := exec.LookPath(wanted)
	if err != nil {
		return program{}, because(ErrNoQEMU, nil, "%s, which runs the guest, is not there: %s", wanted, cure)
	}
	output, err := exec.Command(path, "--version").Output()
	if err != nil {
		return program{}, because(ErrNoQEMU, nil, "%s --version does not work (%v): %s", path, err, cure)
	}
	match := regexp.MustCompile(`version (\d+)\.(\d+)`).FindSubmatch(output)
	if match == nil {
		return program{}, because(ErrNoQEMU, nil, "%s is not QEMU: it says %q; %s", path, strings.TrimSpace(string(output)), cure)
	}
	if major, _ := strconv.Atoi(string(match[1])); major < oldestQEMU {
		return program{}, because(ErrNoQEMU, nil, "%s is QEMU %s.%s, and %d.0 is the oldest that can do this: %s", path, match[1], match[2], oldestQEMU, cure)
	}
	return program{path, string(output)}, nil
}

// The descriptors the emulator inherits.
const (
	consoleFD = 3 + iota
	messagesFD
	plainFD
	initramfsFD
	cableFD // these of a guest with a Card
	controlFD
	monitorFD
)

func inherited(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// date is the guest's clock at its start, for ever the same.
const date = "2026-01-01T00:00:00"

// processor is the guest's. It has no cmpxchg16b, over which the emulator makes guests crash early (9
// of 40 boots of a 6.12 kernel on QEMU 7.2, none of 40 without). It has ARAT: without it the kernel
// does not trust the local APIC's timer to run while it idles, and keeps a periodic tick of 250
// wake-ups a second. It has RDRAND, which the emulator answers from the seed: a kernel that has no random
// numbers at its start makes some of its timer's jitter for the first program that asks (getrandom(2), the Go
// runtime's start; try_to_generate_entropy), a second of the guest's clock and half of its boot.
const processor = "qemu64,-cx16,+arat,+rdrand"

// accelerator is what runs the guest's instructions.
type accelerator string

const (
	emulation      accelerator = "tcg"
	virtualization accelerator = "kvm"
)

const (
	kvmDevice  = "/dev/kvm"
	processors = "/proc/cpuinfo"
)

// accelerators are what to try, in this order: the next where a guest does not boot with one. The
// device may be there and of no use (a virtual machine without nested virtualization), and only a
// boot tells; where the processors have no virtualization (vmx, svm), a KVM does without their help and
// is slower than emulation, and stops guests at instructions that it does not know. The virtual clock
// counts instructions, which the machine's own processor does not.
func (c Config) accelerators(device, processors string) []accelerator {
	if c.Clock == Real && unix.Access(device, unix.R_OK|unix.W_OK) == nil {
		if about, err := os.ReadFile(processors); err == nil && assisted.Match(about) {
			return []accelerator{virtualization, emulation}
		}
	}
	return []accelerator{emulation}
}

var assisted = regexp.MustCompile(`(?m)^flags\s*:.* (vmx|svm)( |$)`)

// arguments is the emulator's command line for one attempt.
func (c Config) arguments(seed uint64, by accelerator) ([]string, error) {
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none",
		"-m", strconv.Itoa(c.Memory) + "M",
		"-smp", "1",
		"-seed", strconv.FormatUint(uint64(uint32(seed)), 10),
		// Not -add-fd: QEMU truncates what it opens there, which a pipe refuses.
		"-chardev", "file,id=console,path=" + inherited(consoleFD),
		"-chardev", "file,id=messages,path=" + inherited(messagesFD),
		"-chardev", "file,id=plain,path=" + inherited(plainFD),
		"-serial", "chardev:console",
		// For the messages of a kernel without virtio.
		"-device", "isa-serial,chardev=plain,index=1",
		"-initrd", inherited(initramfsFD),
	}
	boot := c.Kernel.Path
	if !c.Kernel.PVH {
		if boot = c.Kernel.BzImage; boot == "" {
			return nil, because(ErrNoBoot, nil, "the kernel %s cannot be booted: it has no entry for a direct boot (CONFIG_PVH) and there is no bzImage of it", c.Kernel.Path)
		}
	}
	args = append(args,
		// The HPET is there for both clocks. On the real one: a kernel that has only a PIT to calibrate its time
		// stamp counter by gives up where the emulator is slow (pit_calibrate_tsc wants 1000 readings in 10 ms), and
		// then has no clock: on a machine with both cores busy 7 boots of 11 hung. On the virtual one: see
		// commandLine.
		//
		// No disks: to look for them the firmware goes from real to protected mode and back 7,700 times, a seventh of
		// the processor time of a boot.
		"-M", "q35,usb=off,sata=off,smbus=off,smm=off,vmport=off,hpet=on",
		"-kernel", boot,
		"-device", "virtio-serial-pci",
		"-device", "virtserialport,chardev=messages,name="+guest.PortName)
	if c.Card == nil {
		args = append(args, "-no-reboot")
	} else {
		args = append(args,
			"-netdev", fmt.Sprintf("socket,id=cable,fd=%d", cableFD),
			"-device", "virtio-net-pci,netdev=cable,mac="+c.Card.String(),
			"-chardev", fmt.Sprintf("socket,id=control,fd=%d", controlFD),
			"-device", "virtserialport,chardev=control,name="+guest.ControlName,
			"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d", monitorFD),
			"-mon", "chardev=monitor,mode=control")
	}
	model := processor
	if by == virtualization {
		model = "host"
	}
	args = append(args, "-accel", string(by), "-cpu", model)
	switch c.Clock {
	case Virtual:
		// The record of a run is of no use here and goes to where nothing is kept. What is wanted is that the
		// emulator's two threads take turns while it records: without it one moved the clock on now and then
		// before the instructions that the other had just executed were counted (icount_start_warp_timer
		// while a CPU is halted and not yet in icount_process_data), which a busy machine made frequent: of
		// ten runs of the same 102 specs no two left the same bytes there, and with it four of four did.
		args = append(args, "-icount", "shift=1,sleep=off,rr=record,rrfile=/dev/null", "-rtc", "base="+date+",clock=vm")
	case Real:
		args = append(args, "-rtc", "base="+date)
	default:
		return nil, fmt.Errorf("there is no clock %q: it is %s or %s", c.Clock, Virtual, Real)
	}
	return append(args, "-append", c.commandLine()), nil
}

// needless are the kernel's initcalls that nothing here needs, with what they cost of a boot on the virtual clock, on
// 6.12 where nothing else is said. A kernel that has no such function says so and goes on.
var needless = []string{
	"jent_mod_init",                                        // 292 ms: the self-test of a source of randomness that RDRAND makes needless
	"init_kprobe_trace",                                    // 147 ms
	"trace_eval_init",                                      // 250 ms of the emulator's: names of numbers in every trace event's format
	"tracer_init_tracefs",                                  // 98 ms on 5.10, 52 ms on 6.1: a folder for each trace event
	"ftrace_check_for_weak_functions", "ftrace_check_sync", // 195 ms on 6.18: looks up the names of 45,000 functions
	"btf_module_init", "scx_init", "bpf_tcp_ca_kfunc_init", "bpf_dummy_struct_ops_init", "bpf_qdisc_kfunc_init", // 350 ms on 6.18: types for programs in BPF
	"load_system_certificate_list",                // 58 ms
	"kcompactd_init",                              // wakes twice a second whatever vm.compaction_proactiveness says (until 5.15): two thirds of what a 5.10 cost
	"slab_sysfs_init", "param_sysfs_builtin_init", // 44 ms on 6.18: folders in /sys of every cache and every parameter
	"ext4_init_fs", // 27 ms
	"journal_init", // 15 ms
}

// commandLine is the kernel's.
func (c Config) commandLine() string {
	parameters := []string{
		"console=ttyS0", "loglevel=4",
		// A restart, however it comes about, is the guest's way to end: by a triple fault, which
		// every machine type has.
		"panic=-1", "reboot=t",
		"nokaslr", "mitigations=off", "random.trust_cpu=on", "random.trust_bootloader=off",
		"nowatchdog", "tsc=reliable", "clocksource=tsc",
		// The kernel would turn 12,000 lock prefixes into something else, each by a change of the page tables (text_poke).
		"noreplace-smp",
		// Memory of programs comes in 64 KiB where the kernel can (since 6.8): half of the page faults.
		"thp_anon=64K:always",
		// The initramfs, most of it this program, is unpacked into large pages (since 6.14), and its archive is left where
		// it is: 80 of the 1130 ms of the guest's clock until PID 1 is up, on 6.18.
		"transparent_hugepage_tmpfs=within_size", "retain_initrd",
		"cryptomgr.notests", "audit=0", "lsm=", "init_on_alloc=0", "hardened_usercopy=off", "randomize_kstack_offset=off", "rodata=off",
		// REP_GOOD: the emulator takes an unrolled copy faster than one with a rep prefix.
		"clearcpuid=112",
		// The statistics of memory cgroups are flushed every two seconds, those of stalls more often.
		"cgroup_disable=memory", "psi=0",
		// Tables of a machine with less memory, which are walked from end to end: by each list of sockets, each end of
		// a namespace.
		"thash_entries=2048", "tcpmhash_entries=512",
		// The kernel samples which of its memory is in use (DAMON_STAT, since 6.17), many times a second.
		"damon_stat.enabled=0",
		"initcall_blacklist=" + strings.Join(needless, ","),
		guest.MarkEnv + "=1",
	}
	if c.Clock == Virtual {
		parameters = append(parameters,
			// The time stamp counter counts nanoseconds under -icount: nothing is left to calibrate.
			"tsc_early_khz=1000000",
			// Timers by the HPET, whose frequency the machine tells. That of the local APIC's timer the kernel measures:
			// it spins for 100 ms of the guest's clock (calibrate_APIC_clock), 5.4 million rounds, each with a PAUSE
			// that leaves the emulator's loop: 2 s of its processor time, and most of a boot's where the machine is busy.
			"nolapic_timer",
			// Whether the timer's interrupt comes is tried by spinning as well, for ten ticks (timer_irq_works).
			"no_timer_check",
		)
	}
	return strings.Join(append(parameters, c.Append), " ")
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
