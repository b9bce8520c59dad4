package kernel_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/kernel"
)

func TestParseRelease(t *testing.T) {
	g := NewWithT(t)
	for release, want := range map[string]kernel.Version{
		"5.15.0-76-generic":                  {5, 15, 0},
		"4.18.0-553.el8_10":                  {4, 18, 0},
		"6.18.44-fc-v669":                    {6, 18, 44},
		"7.3-rc7":                            {7, 3, 0},
		"6.1.0-37-cloud-amd64":               {6, 1, 0},
		"6.6.87.2-microsoft-standard-WSL2":   {6, 6, 87},
		"5.10.262+":                          {5, 10, 262},
		"6.12":                               {6, 12, 0},
		"6.15.0-rc1-next-20250401":           {6, 15, 0},
		"6.1.fc":                             {6, 1, 0},
		"5.14.0-427.13.1.el9_4.x86_64":       {5, 14, 0},
		"6.8.0-1021-aws #23~22.04.1-Ubuntu ": {6, 8, 0},
	} {
		v, err := kernel.ParseRelease(release)
		g.Expect(err).NotTo(HaveOccurred(), release)
		g.Expect(v).To(Equal(want), release)
	}
	for _, release := range []string{"", "6", "6-rc1", "v6.12", "6.x", "linux", "6.", ".6.1", "-6.1.2", "70000.1.2", "6.70000", "6.1.70000", " 6.1"} {
		_, err := kernel.ParseRelease(release)
		g.Expect(err).To(MatchError(ContainSubstring("is no kernel release")), "%q", release)
		g.Expect(err).To(MatchError(ContainSubstring(strconv.Quote(release))))
	}
}

func FuzzParseRelease(f *testing.F) {
	f.Add("5.15.0-76-generic")
	f.Add("7.3-rc7")
	f.Fuzz(func(t *testing.T, release string) {
		v, err := kernel.ParseRelease(release)
		if err != nil {
			return
		}
		if again, err := kernel.ParseRelease(v.String()); err != nil || again != v {
			t.Fatalf("%q is %v, which is %v again (%v)", release, v, again, err)
		}
	})
}

func TestVersionsCompare(t *testing.T) {
	g := NewWithT(t)
	ordered := []kernel.Version{{4, 18, 0}, {5, 9, 300}, {5, 10, 0}, {5, 10, 262}, {6, 1, 0}, {6, 12, 0}, {7, 3, 0}}
	for i, a := range ordered {
		for j, b := range ordered {
			g.Expect(a.AtLeast(b)).To(Equal(i >= j), "%v and %v", a, b)
			g.Expect(a.Compare(b)).To(Equal(-b.Compare(a)))
		}
	}
	g.Expect(kernel.Version{6, 18, 44}.String()).To(Equal("6.18.44"))
	g.Expect(kernel.Version{7, 3, 0}.String()).To(Equal("7.3"))
}

func TestRunning(t *testing.T) {
	g := NewWithT(t)
	info, err := kernel.Running()
	g.Expect(err).NotTo(HaveOccurred())
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.Release).To(Equal(string(bytes.TrimSpace(release))))
	version, err := os.ReadFile("/proc/sys/kernel/version")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.Version).To(Equal(string(bytes.TrimSpace(version))))
	g.Expect(info.Machine).NotTo(BeEmpty())
	g.Expect(info.Parsed).NotTo(BeZero())
	g.Expect(info.HZ).To(And(BeNumerically(">=", 24), BeNumerically("<=", 1200)))
}

// Where the kernel shows its configuration, HZ must be what stands there.
func TestHZIsThatOfTheConfiguration(t *testing.T) {
	g := NewWithT(t)
	f, err := os.Open("/proc/config.gz")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("this kernel does not show its configuration (CONFIG_IKCONFIG_PROC)")
	}
	g.Expect(err).NotTo(HaveOccurred())
	defer f.Close()
	z, err := gzip.NewReader(f)
	g.Expect(err).NotTo(HaveOccurred())
	config, err := io.ReadAll(z)
	g.Expect(err).NotTo(HaveOccurred())
	configured := regexp.MustCompile(`(?m)^CONFIG_HZ=(\d+)$`).FindSubmatch(config)
	g.Expect(configured).NotTo(BeNil())
	info, err := kernel.Running()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strconv.Itoa(info.HZ)).To(Equal(string(configured[1])))
}

func TestSysctl(t *testing.T) {
	inNamespace(t, func() {
		g := NewWithT(t)
		g.Expect(kernel.SysctlInt("net.ipv4.tcp_retries2")).To(Equal(15), "a new namespace starts from compiled-in values")
		g.Expect(kernel.SetSysctlInt("net.ipv4.tcp_retries2", 7)).To(Succeed())
		g.Expect(kernel.Sysctl("net.ipv4.tcp_retries2")).To(Equal("7"))
		g.Expect(kernel.SetSysctl("net.ipv4.ip_local_port_range", "40000 41000")).To(Succeed())
		g.Expect(kernel.Sysctl("net.ipv4.ip_local_port_range")).To(Equal("40000 41000"))
		_, err := kernel.SysctlInt("net.ipv4.ip_local_port_range")
		g.Expect(err).To(MatchError(ContainSubstring("net.ipv4.ip_local_port_range")))

		_, err = kernel.Sysctl("net.ipv4.tcp_no_such_thing")
		g.Expect(err).To(And(MatchError(os.ErrNotExist), MatchError(ContainSubstring("net.ipv4.tcp_no_such_thing"))))
		err = kernel.SetSysctl("net.ipv4.tcp_no_such_thing", "1")
		g.Expect(err).To(And(MatchError(os.ErrNotExist), MatchError(ContainSubstring("net.ipv4.tcp_no_such_thing"))))
		err = kernel.SetSysctl("net.ipv4.tcp_retries2", "many")
		g.Expect(err).To(And(MatchError(unix.EINVAL), MatchError(ContainSubstring("net.ipv4.tcp_retries2 could not be set to many"))))
		g.Expect(kernel.SysctlInt("net.ipv4.tcp_retries2")).To(Equal(7))
	})
}

func TestSysctlNames(t *testing.T) {
	g := NewWithT(t)
	for _, name := range []string{"", ".", "..", "net..ipv4", ".net", "net.", "net/ipv4", "../kernel", "net.ipv4..tcp"} {
		_, err := kernel.Sysctl(name)
		g.Expect(err).To(MatchError(ContainSubstring("is no name of a sysctl")), "%q", name)
		g.Expect(kernel.SetSysctl(name, "1")).To(MatchError(ContainSubstring("is no name of a sysctl")), "%q", name)
	}
}

// Two threads of one process, each in a namespace of its own, and the rest in a third: /proc/sys/net
// must be that of the thread that opens it, not that of the process. One of the two may happen to be the
// main thread, for which /proc/self would do as well; the other is not.
func TestSysctlIsThatOfTheThread(t *testing.T) {
	outside, err := kernel.Sysctl("net.ipv4.tcp_retries2")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	inNamespace(t, func() {
		g := NewWithT(t)
		g.Expect(kernel.SetSysctlInt("net.ipv4.tcp_retries2", 5)).To(Succeed())
		other := make(chan error)
		go func() {
			runtime.LockOSThread() // and never unlocked, as in inNamespace
			err := unix.Unshare(unix.CLONE_NEWNET)
			if err == nil {
				err = kernel.SetSysctlInt("net.ipv4.tcp_retries2", 6)
			}
			if n, failed := kernel.SysctlInt("net.ipv4.tcp_retries2"); err == nil && n != 6 {
				err = fmt.Errorf("the other thread reads %d and not the 6 it has set (%v)", n, failed)
			}
			other <- err
		}()
		g.Expect(<-other).To(Succeed())
		g.Expect(kernel.SysctlInt("net.ipv4.tcp_retries2")).To(Equal(5))
		elsewhere := make(chan string)
		go func() {
			v, _ := kernel.Sysctl("net.ipv4.tcp_retries2")
			elsewhere <- v
		}()
		g.Expect(<-elsewhere).To(Equal(outside))
	})
}

func TestParseProfile(t *testing.T) {
	g := NewWithT(t)
	g.Expect(kernel.ParseProfile("scaled")).To(Equal(kernel.Scaled))
	g.Expect(kernel.ParseProfile("defaults")).To(Equal(kernel.Defaults))
	_, err := kernel.ParseProfile("fast")
	g.Expect(err).To(MatchError(`there is no profile "fast": it must be scaled or defaults`))
	g.Expect(kernel.Profile("").Apply()).NotTo(Succeed())
}

func TestSettingsAreDistinctAndExplained(t *testing.T) {
	g := NewWithT(t)
	for _, p := range []kernel.Profile{kernel.Scaled, kernel.Defaults} {
		names := map[string]bool{}
		for _, s := range p.Settings() {
			g.Expect(names).NotTo(HaveKey(s.Name))
			names[s.Name] = true
			g.Expect(s.Why).NotTo(BeEmpty(), s.Name)
		}
	}
	g.Expect(kernel.Scaled.Settings()).To(ContainElements(kernel.Defaults.Settings()), "what is pinned is pinned in both")
}

// Every setting takes, for an ordinary user too, and reads back as it was set.
func TestApply(t *testing.T) {
	shipped := kernel.Custom{Sysctls: map[string]int{"tcp_ecn": 2, "tcp_sack": 0}}.Profile() // 2 is what a new namespace has
	for i, p := range []kernel.Profile{kernel.Scaled, kernel.Defaults, kernel.Scaled, kernel.Defaults, shipped} {
		t.Run(string(p), func(t *testing.T) {
			inNamespace(t, func() {
				g := NewWithT(t)
				apply := p.Apply
				if i >= 2 {
					apply = p.ApplyToNew
				}
				g.Expect(apply()).To(Succeed())
				for _, s := range p.Settings() {
					value, err := kernel.Sysctl(s.Name)
					// Every one is older than the oldest kernel there is to test, but IPv6 can be switched off.
					if _, no := os.Stat("/proc/sys/net/ipv6"); no != nil && errors.Is(err, os.ErrNotExist) {
						continue
					}
					g.Expect(err).NotTo(HaveOccurred())
					g.Expect(value).To(Equal(s.Value), s.Name)
				}
			})
		})
	}
}

func TestReadTimeouts(t *testing.T) {
	inNamespace(t, func() {
		g := NewWithT(t)
		g.Expect(kernel.Defaults.Apply()).To(Succeed())
		defaults, err := kernel.ReadTimeouts()
		g.Expect(err).NotTo(HaveOccurred())
		linear := 0
		if info, err := kernel.Running(); err == nil && info.Parsed.AtLeast(kernel.Version{6, 5}) {
			linear = 4
		}
		g.Expect(defaults).To(Equal(kernel.Timeouts{Retries1: 3, Retries2: 15, RTOMin: 200 * time.Millisecond, RTOMax: 120 * time.Second,
			KeepaliveTime: 7200 * time.Second, KeepaliveInterval: 75 * time.Second, KeepaliveProbes: 9,
			SynRetries: 6, SynLinear: linear, SynackRetries: 5, FinTimeout: 60 * time.Second, EarlyRetrans: 3}))

		g.Expect(kernel.Scaled.Apply()).To(Succeed())
		g.Expect(kernel.ReadTimeouts()).To(Equal(kernel.Timeouts{Retries1: 2, Retries2: 3, RTOMin: 200 * time.Millisecond, RTOMax: 120 * time.Second,
			KeepaliveTime: time.Second, KeepaliveInterval: time.Second, KeepaliveProbes: 3,
			SynRetries: 2, SynLinear: linear, SynackRetries: 2, OrphanRetries: 2, FinTimeout: 2 * time.Second, EarlyRetrans: 3}))

		if kernel.SetSysctl("net.ipv4.tcp_rto_max_ms", "5000") == nil {
			t, err := kernel.ReadTimeouts()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(t.RTOMax).To(Equal(5 * time.Second))
		}
		if kernel.SetSysctl("net.ipv4.tcp_rto_min_us", "50000") == nil {
			t, err := kernel.ReadTimeouts()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(t.RTOMin).To(Equal(50 * time.Millisecond))
		}
	})
}

// Every probe can be executed on the running kernel, and none finds missing what the release has.
func TestFeatures(t *testing.T) {
	inNamespace(t, func() {
		g := NewWithT(t)
		info, err := kernel.Running()
		g.Expect(err).NotTo(HaveOccurred())
		names := map[string]bool{}
		for _, f := range kernel.Features() {
			g.Expect(names).NotTo(HaveKey(f.Name))
			names[f.Name] = true
			g.Expect(f.What).NotTo(BeEmpty())
			g.Expect(f.How != "").To(Equal(f.Since == kernel.Version{}), "%s is there by release or by configuration", f.Name)
			for range 2 { // the second answer is the kept one
				err = kernel.Check(f, info)
				var lacks *kernel.Unsupported
				if errors.As(err, &lacks) {
					continue
				}
				g.Expect(err).NotTo(HaveOccurred(), f.Name)
			}
			t.Logf("%-24s %v", f.Name, err)
			named, err := kernel.FeatureNamed(f.Name)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(named.Name).To(Equal(f.Name))
		}
		links, err := os.ReadFile("/proc/thread-self/net/dev")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(links)).NotTo(ContainSubstring("halfopen"), "probes leave nothing behind")
	})
	_, err := kernel.FeatureNamed("teleportation")
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("teleportation")))
}
