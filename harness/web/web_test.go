package web_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/internal/testhost"
	"github.com/halfopen/halfopen/harness/socket"
	"github.com/halfopen/halfopen/harness/web"
)

func TestMain(m *testing.M) { testhost.Main(m) }

func TestAClientIsAnsweredAndNeitherEndHasKeepaliveOrMPTCP(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", http2), func(t *testing.T) {
			g := NewWithT(t)
			testhost.New(t)
			server := testhost.Started(t, web.Server{Address: "127.0.0.1:0", HTTP2: http2}.Start)
			at := testhost.Await(t, server, web.Listening).Text
			client := testhost.Started(t, web.Client{Local: "127.0.0.1:0", Server: at, Path: "/hello", HTTP2: http2}.Start)
			g.Expect(testhost.Await(t, client, web.Responded).Text).To(Equal("hello"))
			g.Expect(testhost.Await(t, server, web.Requested).Text).To(Equal("/hello"))

			diag, err := socket.Open()
			g.Expect(err).NotTo(HaveOccurred())
			defer diag.Close()
			sockets, err := diag.List() // of TCP; one of MPTCP would be another protocol's, with this as its subflow
			g.Expect(err).NotTo(HaveOccurred())
			established := 0
			for _, s := range sockets {
				if s.State == socket.Established {
					established++
					g.Expect(s.Timer.Kind).NotTo(Equal(socket.Keepalive))
				}
			}
			g.Expect(established).To(Equal(2))
		})
	}
}

func TestASlowAnswerTakesItsTimeAndAHeldOneNeverComes(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	server := testhost.Started(t, web.Server{Address: "127.0.0.1:0"}.Start)
	at := testhost.Await(t, server, web.Listening).Text
	client := testhost.Started(t, web.Client{Local: "127.0.0.1:0", Server: at, Path: "/slow?200ms"}.Start)
	answered := testhost.Await(t, client, web.Responded)
	g.Expect(answered.At - testhost.Await(t, server, web.Requested).At).To(BeNumerically(">=", 200*time.Millisecond))

	holding := testhost.Started(t, web.Client{Local: "127.0.0.1:0", Server: at, Path: "/hold"}.Start)
	_, err := server.Kill()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(testhost.Await(t, holding, web.Failed).Text).NotTo(BeEmpty())
}
