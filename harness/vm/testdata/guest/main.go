// Command guest is PID 1 of the guests of this package's tests: its job is a word that says how to end.
package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"time"

	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/vm/guest"
)

func main() {
	if guest.Here() {
		guest.Main(work)
	}
}

func work(job []byte, send func([]byte) error) int {
	switch string(job) {
	case "say": // what must be the same in two runs of the same guest
		before := mono.Now()
		time.Sleep(time.Hour)
		random := make([]byte, 16)
		_, _ = rand.Read(random)
		order := map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true}
		text := fmt.Sprintf("%s, %s later, random %x, map", time.Now().UTC(), mono.Now()-before, random)
		for key := range order {
			text += fmt.Sprint(" ", key)
		}
		if err := send([]byte(text)); err != nil {
			return 1
		}
		return 3
	case "panic":
		_ = send([]byte("before"))
		_ = os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0)
	case "hang":
		_ = send([]byte("before"))
		for {
		}
	case "eat": // all memory there is
		_ = os.WriteFile("/proc/self/oom_score_adj", []byte("0"), 0)
		var eaten [][]byte
		for {
			eaten = append(eaten, make([]byte, 1<<20))
			for i := 0; i < 1<<20; i += 4096 {
				eaten[len(eaten)-1][i] = 1
			}
		}
	case "leave": // without a word
		os.Exit(0)
	}
	return 0
}
