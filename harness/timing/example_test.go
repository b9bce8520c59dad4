package timing_test

import (
	"fmt"
	"time"

	"github.com/halfopen/halfopen/harness/timing"
)

// The 924.6 s of ip-sysctl.rst are what tcp_retries2=15 stands for, not what anybody sees. Data written to a
// dead peer over a short line, on a kernel with HZ=250, is given up in the window below: 938 s in most runs.
func Example() {
	wheel := timing.Wheel{HZ: 250}
	data := timing.Retransmission{
		RTO:           timing.FirstRTO(100*time.Microsecond, 0, 0, wheel),
		Retries2:      15,
		TailLossProbe: true,
		SRTT:          100 * time.Microsecond,
		Wheel:         wheel,
	}
	fmt.Println("RTO:", data.RTO)
	fmt.Println("model(15):", timing.Model(15, timing.RTOMax))
	fmt.Println("retransmissions by RTO:", data.Retransmits())
	fmt.Println("abort after the write:", data.AbortAfterWrite())
	fmt.Println("938 s is within:", data.AbortAfterWrite().Contains(938*time.Second))
	// Output:
	// RTO: 204ms
	// model(15): 15m24.6s
	// retransmissions by RTO: 15
	// abort after the write: 928.896 s to 948.268 s (model(15) of tcp_retries2)
	// 938 s is within: true
}
