package role

import (
	"syscall"
	"testing"

	. "github.com/onsi/gomega"
)

func TestARequestIsUnderstoodAsItWasMade(t *testing.T) {
	g := NewWithT(t)
	made := Request{
		ID: 1 << 40, Op: OpBind, Socket: 3, Local: Address{2, 0, 1}, Remote: Address{10, 0}, Data: []byte("x"), Max: 9,
		Options: []Option{{Level: 1, Name: 13, Value: -1, Linger: true}, {Level: 6, Name: 18, Value: 20000}},
		Value:   -7, Events: syscall.EPOLLRDHUP, Every: 1e9, Most: 2e9,
	}
	framed, err := made.Frame()
	g.Expect(err).NotTo(HaveOccurred())
	for cut := range framed {
		_, rest, ok, err := Body(framed[:cut])
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(ok).To(BeFalse())
		g.Expect(rest).To(HaveLen(cut))
	}
	body, rest, ok, err := Body(append(framed, "next"...))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ok).To(BeTrue())
	g.Expect(string(rest)).To(Equal("next"))
	g.Expect(parseRequest(body)).To(Equal(made))
	for cut := range body {
		_, err := parseRequest(body[:cut])
		g.Expect(err).To(HaveOccurred())
	}
}

func TestAnAnswerIsUnderstoodAsItWasMade(t *testing.T) {
	g := NewWithT(t)
	made := Answer{
		ID: 2, Socket: 1, Local: Address{2, 0}, Remote: Address{2, 1}, N: 5, Data: []byte{0, 255}, EOF: true, Value: -1,
		Events: syscall.EPOLLIN, Queued: []byte{1}, PID: 77, Call: OpRead, Errno: syscall.ECONNRESET, At: 1 << 50, Late: true,
		Closed: true, Fault: "none",
	}
	framed, err := made.frame()
	g.Expect(err).NotTo(HaveOccurred())
	body, rest, ok, err := Body(framed)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ok).To(BeTrue())
	g.Expect(rest).To(BeEmpty())
	g.Expect(ParseAnswer(body)).To(Equal(made))
	_, err = ParseAnswer(append(body, 0))
	g.Expect(err).To(HaveOccurred())
}

func TestAStrayLengthIsNoMessage(t *testing.T) {
	_, _, _, err := Body([]byte{0xff, 0, 0, 0, 0})
	NewWithT(t).Expect(err).To(HaveOccurred())
}

func TestNumbersAreWrittenAsEveryoneWritesThem(t *testing.T) {
	g := NewWithT(t)
	for n, text := range map[int]string{0: "0", 7: "7", 10: "10", 1234567890: "1234567890", -5: "-5"} {
		g.Expect(decimal(n)).To(Equal(text))
	}
}
