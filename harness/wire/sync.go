package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Sync returns when every frame that was on the wire before the call has been decoded, so that
// "none of these crossed" can be said. It reports what Err would. A host's answer to such a
// frame may still be to come.
//
// It sends a marker frame over lo from every CPU and waits until all are read back. One CPU
// would not do: a frame waits in the backlog of the CPU that sent it (netif_rx,
// enqueue_to_backlog) before the switch sees it, and only what is sent from the same CPU is
// sure to come behind it.
//
// A frame that a router sends on is in a backlog twice more: before the router, and behind it.
func (c *Capture) Sync(ctx context.Context) error {
	c.mu.Lock()
	backlogs := 1
	if len(c.routers) > 0 {
		backlogs = 3
	}
	c.mu.Unlock()
	for range backlogs {
		if err := c.sync(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *Capture) sync(ctx context.Context) error {
	c.mu.Lock()
	if c.failure != nil {
		defer c.mu.Unlock()
		return c.failure
	}
	c.marker.calls++
	call := c.marker.calls
	c.synced[call] = 0
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.synced, call)
	}()

	sent := 0
	if err := onEveryCPU(func() error {
		sent++
		return c.marker.send(call)
	}); err != nil {
		return fmt.Errorf("the capture could not be brought up to date: %w", err)
	}
	if err := c.Err(); err != nil {
		return err // the markers may be among what was dropped
	}
	err := c.wait(ctx, func() bool { return c.synced[call] >= sent })
	if incomplete := c.Err(); incomplete != nil {
		return incomplete
	}
	if err != nil {
		return fmt.Errorf("the capture could not be brought up to date: %w", err)
	}
	return nil
}

// onEveryCPU runs the function once on each CPU this process may use; where there are several, on a thread of its own.
func onEveryCPU(run func() error) error {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return fmt.Errorf("CPU affinity: %w", err)
	}
	if allowed.Count() == 1 {
		return run()
	}
	result := make(chan error)
	go func() {
		// Not unlocked if the affinity could not be restored: the thread then dies with the
		// goroutine.
		runtime.LockOSThread()
		var errs []error
		for cpu := 0; cpu < len(allowed)*64; cpu++ {
			if !allowed.IsSet(cpu) {
				continue
			}
			var one unix.CPUSet
			one.Set(cpu)
			if err := unix.SchedSetaffinity(0, &one); err != nil {
				errs = append(errs, fmt.Errorf("CPU affinity: %w", err))
				break
			}
			errs = append(errs, run())
		}
		if err := unix.SchedSetaffinity(0, &allowed); err == nil {
			runtime.UnlockOSThread()
		}
		result <- errors.Join(errs...)
	}()
	return <-result
}

// wait returns nil once the condition, asked under the lock and again after every change, holds.
func (c *Capture) wait(ctx context.Context, holds func() bool) error {
	for {
		c.mu.Lock()
		held, changed := holds(), c.changed
		c.mu.Unlock()
		if held {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.done:
			c.mu.Lock()
			defer c.mu.Unlock()
			if holds() {
				return nil
			}
			return c.failure
		}
	}
}

// markerRead counts one marker frame that came back.
func (c *Capture) markerRead(payload []byte) {
	if len(payload) < 16 || binary.BigEndian.Uint64(payload) != c.marker.cookie {
		return // another capture's
	}
	call := binary.BigEndian.Uint64(payload[8:])
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, waiting := c.synced[call]; waiting {
		c.synced[call]++
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

// markerSocket sends marker frames. It is not the capture's own socket, because the kernel
// shows no packet socket what it sent itself (skb_loop_sk).
type markerSocket struct {
	file   *os.File
	socket syscall.RawConn
	cookie uint64 // tells this capture's markers from another's
	calls  uint64 // of Sync; guarded by Capture.mu
}

// loopback is lo, which has the same index in every network namespace (LOOPBACK_IFINDEX).
var loopback = &netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: "lo", Index: 1}}

func openMarkerSocket() (markerSocket, error) {
	if err := netlink.LinkSetUp(loopback); err != nil {
		return markerSocket{}, fmt.Errorf("the switch's lo could not be brought up: %w", err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return markerSocket{}, fmt.Errorf("the marker's packet socket: %w", err)
	}
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	if err != nil {
		unix.Close(fd)
		return markerSocket{}, fmt.Errorf("the marker's cookie: %w", err)
	}
	file := os.NewFile(uintptr(fd), "marker")
	socket, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return markerSocket{}, fmt.Errorf("the marker's packet socket: %w", err)
	}
	return markerSocket{file: file, socket: socket, cookie: cookie}, nil
}

func (m *markerSocket) send(call uint64) error {
	payload := binary.BigEndian.AppendUint64(nil, m.cookie)
	payload = binary.BigEndian.AppendUint64(payload, call)
	frame := gopacket.NewSerializeBuffer()
	header := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: markerType}
	if err := gopacket.SerializeLayers(frame, gopacket.SerializeOptions{}, header, gopacket.Payload(payload)); err != nil {
		return fmt.Errorf("marker frame: %w", err)
	}
	var sendErr error
	err := m.socket.Control(func(fd uintptr) {
		sendErr = unix.Sendto(int(fd), frame.Bytes(), 0, &unix.SockaddrLinklayer{Ifindex: loopback.Index, Protocol: networkOrder(uint16(markerType))})
	})
	if err := errors.Join(err, sendErr); err != nil {
		return fmt.Errorf("marker frame: %w", err)
	}
	return nil
}
