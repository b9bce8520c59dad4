package guest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A machine that is kept, to go on from here as often as wanted, stops itself when all is ready but the job, and finds
// the job in memory that was not there before. Both need no driver of the kernel's: PID 1 maps the devices' memory
// (Documentation/PCI/sysfs-pci.rst).

// The devices of such a machine: one whose register stops it (docs/specs/pvpanic of QEMU), and one that is memory of
// the host's (docs/specs/ivshmem-spec). Vendor and device are as sysfs has them; the number is that of the device's
// region, and the size the part of it that is mapped.
var (
	brake  = device{"pvpanic", "0x1b36", "0x0011", 0, 4096}
	letter = device{"ivshmem", "0x1af4", "0x1110", 2, JobMemory}
)

// JobMemory is how large the memory for a job is, its length in front included, as eight bytes (big-endian).
const JobMemory = 8 << 20

// stop is what the register of the brake takes for a guest that panics, at which the emulator is told to stop it.
const stop = 1

// PutJob writes a job as it is found in that memory.
func PutJob(job []byte) ([]byte, error) {
	if len(job) > JobMemory-8 {
		return nil, fmt.Errorf("a job of %d bytes is too large: %d is the most", len(job), JobMemory-8)
	}
	return append(binary.BigEndian.AppendUint64(nil, uint64(len(job))), job...), nil
}

// takeJob is its reverse.
func takeJob(memory []byte) ([]byte, error) {
	size := binary.BigEndian.Uint64(memory)
	if size > uint64(len(memory)-8) {
		return nil, fmt.Errorf("a job of %d bytes in a memory of %d", size, len(memory))
	}
	return append([]byte(nil), memory[8:8+size]...), nil
}

// AwaitJob stops the machine and gives the job that is there when it goes on.
func (linux) AwaitJob() ([]byte, error) {
	register, err := brake.open()
	if err != nil {
		return nil, err
	}
	memory, err := letter.open()
	if err != nil {
		return nil, errors.Join(err, unix.Munmap(register))
	}
	register[0] = stop
	job, err := takeJob(memory)
	return job, errors.Join(err, unix.Munmap(register), unix.Munmap(memory))
}

// device is a PCI device.
type device struct {
	name           string
	vendor, device string
	region         int
	size           int
}

// open maps the device's region.
func (d device) open() ([]byte, error) {
	folders, err := filepath.Glob("/sys/bus/pci/devices/*")
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		if !says(folder, "vendor", d.vendor) || !says(folder, "device", d.device) {
			continue
		}
		// Without a driver nobody has told it to answer to its addresses.
		if err := os.WriteFile(filepath.Join(folder, "enable"), []byte("1"), 0); err != nil {
			return nil, fmt.Errorf("cannot switch the %s device on: %w", d.name, err)
		}
		file, err := os.OpenFile(filepath.Join(folder, fmt.Sprintf("resource%d", d.region)), os.O_RDWR, 0)
		if err != nil {
			return nil, fmt.Errorf("cannot open the %s device: %w", d.name, err)
		}
		defer file.Close()
		memory, err := unix.Mmap(int(file.Fd()), 0, d.size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return nil, fmt.Errorf("cannot map the %s device: %w", d.name, err)
		}
		return memory, nil
	}
	return nil, fmt.Errorf("there is no %s device", d.name)
}

func says(folder, name, value string) bool {
	content, err := os.ReadFile(filepath.Join(folder, name))
	return err == nil && strings.TrimSpace(string(content)) == value
}
