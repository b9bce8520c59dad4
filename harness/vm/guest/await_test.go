package guest

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestAJobIsFoundAsItWasPut(t *testing.T) {
	g := NewWithT(t)
	memory := make([]byte, JobMemory)
	for _, job := range []string{"job", "", string(make([]byte, JobMemory-8))} {
		put, err := PutJob([]byte(job))
		g.Expect(err).NotTo(HaveOccurred())
		copy(memory, put)
		taken, err := takeJob(memory)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(taken) == job).To(BeTrue())
	}
	_, err := PutJob(make([]byte, JobMemory-7))
	g.Expect(err).To(MatchError("a job of 8388601 bytes is too large: 8388600 is the most"))
	memory[0] = 1
	_, err = takeJob(memory)
	g.Expect(err).To(MatchError(ContainSubstring("in a memory of 8388608")))
}
