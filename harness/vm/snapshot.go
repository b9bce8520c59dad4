package vm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/internal/filelock"
	"github.com/halfopen/halfopen/harness/internal/qmp"
	"github.com/halfopen/halfopen/harness/vm/guest"
)

// A guest on the virtual clock comes up at the same nanosecond with the same memory each time, so it need not boot each
// time: PID 1 stops the machine when all is ready but the job, and what is in its memory and its devices then is kept.
// A guest that goes on from there is up after a tenth of a second. It goes on from there even if it was just booted, so
// that what it does does not depend on what was kept.
//
// Not by a migration: its thread reads the clock without the lock of a recording, over which QEMU 7.2 stops itself
// (replay_save_clock). The guest's memory is a file of which every guest that goes on has a private copy, and the devices
// are saved as for Xen, where the memory is somebody else's as well.

// errNoSnapshot is a guest or an emulator that cannot be stopped and go on.
var errNoSnapshot = errors.New("no snapshot")

// bootsAlways has the keys of those that were: the next that is alike need not try. Others still do, whenever they
// come: how a guest came up must not depend on which others did.
var bootsAlways sync.Map

// keeps tells whether the guest is to go on from a snapshot.
func (c Config) keeps() bool { return c.Snapshots != "" && c.Clock == Virtual && c.Card == nil }

// The descriptors of an emulator whose guest stops and goes on.
const (
	memoryFD  = initramfsFD + 1 + iota
	jobFD     // what the guest finds its job in
	devicesFD // to there the devices are saved, or from there they are restored
	haltFD    // the monitor of one that is going to stop
)

// restorable are the arguments for an emulator whose guest's memory is a file.
func (c Config) restorable(share bool) []string {
	return []string{
		"-object", fmt.Sprintf("memory-backend-file,id=memory,size=%dM,share=%s,mem-path=%s", c.Memory, onOff(share), inherited(memoryFD)),
		"-machine", "memory-backend=memory,suppress-vmdesc=on",
		"-object", fmt.Sprintf("memory-backend-file,id=job,size=%d,share=on,mem-path=%s", guest.JobMemory, inherited(jobFD)),
		// Its own memory is not part of what is saved: no memory is.
		"-device", "ivshmem-plain,memdev=job,master=on",
		"-device", "pvpanic-pci",
	}
}

// goOn runs the guest from its snapshot, which is made if there is none.
func (a *attempt) goOn(ctx context.Context) (outcome Outcome, err error) {
	letter, err := guest.PutJob(a.config.Job)
	if err != nil { // the job's fault, and not that of guests that are alike
		return outcome, because(errNoSnapshot, nil, "%v", err)
	}
	key, err := a.key()
	if err != nil {
		return outcome, err
	}
	if _, known := bootsAlways.Load(key); known {
		return outcome, errNoSnapshot
	}
	defer func() {
		if errors.Is(err, errNoSnapshot) {
			bootsAlways.Store(key, true)
		}
	}()
	kept, making, err := a.snapshot(ctx, key)
	if err != nil {
		return making, err
	}
	defer kept.memory.Close()
	job, err := memoryFile("job", letter, guest.JobMemory)
	if err != nil {
		return making, err
	}
	defer job.Close()
	devices, err := memoryFile("devices", kept.devices, int64(len(kept.devices)))
	if err != nil {
		return making, err
	}
	defer devices.Close()
	outcome, err = a.boot(ctx, extras{
		args: append(a.config.restorable(false),
			// A saving of devices alone does not begin with what machine they are of.
			"-global", "migration.send-configuration=off",
			"-incoming", fmt.Sprintf("fd:%d", devicesFD)),
		files: []*os.File{kept.memory, job, devices},
	}, a.watch)
	if errors.Is(err, ErrNoBoot) && outcome.refused {
		err = because(errNoSnapshot, nil, "the guest does not go on: %v", err)
	}
	outcome.Booted = making.Wall > 0
	outcome.CPU += making.CPU
	outcome.UpCPU += making.CPU
	outcome.Wall += making.Wall
	return outcome, err
}

// What a snapshot's file and its lock are called, behind the key.
const (
	snapshotExt = ".snapshot"
	lockExt     = ".lock"
)

// snapshot gives the guest's snapshot, the kept one or a new one. The outcome is of the emulator that made it, or nothing.
func (a *attempt) snapshot(ctx context.Context, key string) (*snapshot, Outcome, error) {
	path := filepath.Join(a.config.Snapshots, key+snapshotExt)
	size := int64(a.config.Memory) << 20
	// Where nothing can be kept guests cost a boot each, and no more.
	if err := os.MkdirAll(a.config.Snapshots, 0o755); err == nil {
		if unlock, err := filelock.Wait(ctx, filepath.Join(a.config.Snapshots, key+lockExt), nil); err == nil {
			defer unlock()
		}
	}
	if ctx.Err() != nil {
		return nil, Outcome{}, context.Cause(ctx)
	}
	if kept, err := openSnapshot(path, size); err == nil {
		return kept, Outcome{}, nil
	}
	made, outcome, err := a.makeSnapshot(ctx, size)
	if err == nil && made.keep(path, size) == nil {
		_ = prune(a.config.Snapshots)
	}
	return made, outcome, err
}

// makeSnapshot boots the guest until it stops.
func (a *attempt) makeSnapshot(ctx context.Context, size int64) (_ *snapshot, outcome Outcome, err error) {
	memory, err := memoryFile("memory", nil, size)
	if err != nil {
		return nil, outcome, err
	}
	defer func() {
		if err != nil {
			memory.Close()
		}
	}()
	job, err := memoryFile("job", nil, guest.JobMemory)
	if err != nil {
		return nil, outcome, err
	}
	defer job.Close()
	saved, saving, err := os.Pipe()
	if err != nil {
		return nil, outcome, fmt.Errorf("cannot make a pipe for the guest's devices: %w", err)
	}
	defer closeAll(saved, saving)
	near, far, err := pair(unix.SOCK_STREAM)
	if err != nil {
		return nil, outcome, fmt.Errorf("cannot make the emulator's monitor: %w", err)
	}
	defer closeAll(near, far)

	stopped, saves := false, make(chan error, 1)
	go func() {
		monitor := qmp.New(near)
		err := monitor.Await("STOP")
		if err == nil {
			stopped = true
			err = monitor.Execute("xen-save-devices-state", map[string]any{"filename": inherited(devicesFD), "live": false})
			_ = monitor.Execute("quit", nil) // it may be gone before it has answered
		}
		saves <- err
	}()
	made := &snapshot{memory: memory}
	read := make(chan error, 1)
	go func() {
		var err error
		made.devices, err = io.ReadAll(saved)
		read <- err
	}()
	outcome, err = a.boot(ctx, extras{
		args: append(a.config.restorable(true),
			"-action", "panic=pause", // what PID 1 does to stop it
			"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d", haltFD), "-mon", "chardev=monitor,mode=control"),
		files: []*os.File{memory, job, saving, far},
	}, Watch{Started: a.watch.Started, Console: a.watch.Console, Trouble: a.watch.Trouble})
	closeAll(saving, far)
	problem := errors.Join(<-saves, <-read)
	switch {
	case ctx.Err() != nil || !errors.Is(err, ErrNoBoot):
		return nil, outcome, err
	case stopped && problem == nil && len(made.devices) > 0:
		return made, outcome, nil
	case stopped || outcome.refused:
		err = because(errNoSnapshot, nil, "the guest cannot be kept: %v", errors.Join(problem, err))
	}
	return nil, outcome, err
}

// key is the same for guests that boot alike: the emulator, how it is called, and what is in it.
func (a *attempt) key() (string, error) {
	kernel := a.config.Kernel.Path
	if !a.config.Kernel.PVH {
		kernel = a.config.Kernel.BzImage
	}
	var about unix.Stat_t
	if err := unix.Stat(kernel, &about); err != nil {
		return "", fmt.Errorf("cannot find the kernel %s: %w", kernel, err)
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%x\n%s\n%q\n%q\n%d %d %d %v\n", uint64(snapshotFormat), a.qemu.version, a.args, a.config.restorable(true),
		about.Dev, about.Ino, about.Size, about.Ctim) // a file that is changed has another time
	if _, err := io.Copy(sum, io.NewSectionReader(a.initramfs, 0, 1<<62)); err != nil {
		return "", fmt.Errorf("cannot read the initramfs: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}

// memoryFile is a file in memory of this size that begins with the content.
func memoryFile(name string, content []byte, size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot make room for the guest's %s: memfd_create: %w", name, err)
	}
	file := os.NewFile(uintptr(fd), name)
	_, err = file.WriteAt(content, 0)
	if err = errors.Join(err, file.Truncate(size)); err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot make room for the guest's %s: %w", name, err)
	}
	return file, nil
}
