package socket

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// CongestionState is tcpi_ca_state (include/net/tcp.h, enum tcp_ca_state).
type CongestionState uint8

// The states of congestion avoidance.
const (
	CAOpen CongestionState = iota
	CADisorder
	CACWR
	CARecovery
	CALoss
)

// String is the name the kernel's documentation uses: "Open", "Loss".
func (c CongestionState) String() string {
	names := [...]string{"Open", "Disorder", "CWR", "Recovery", "Loss"}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("ca_state %d", uint8(c))
}

// Info is TCP_INFO as far as it tells how a connection breaks. A field that the running kernel
// does not have is 0.
type Info struct {
	State           State
	CongestionState CongestionState

	RTO    time.Duration // the timeout with its backoff
	SRTT   time.Duration
	RTTVar time.Duration
	MinRTT time.Duration // since 4.6
	ATO    time.Duration // delayed acknowledgement

	Retransmits  int // of the segment at the head of the queue, on expiry of the timer; wraps at 256
	Probes       int // keepalive or zero-window probes without an answer
	Backoff      int // how often RTO was doubled
	TotalRetrans int // segments retransmitted in the connection's life

	TotalRTO           int           // expiries of the retransmission timer; since 6.7
	TotalRTORecoveries int           // since 6.7
	TotalRTOTime       time.Duration // since 6.7
	Rehash             int           // paths tried after timeouts; since 6.2

	Unacked, Sacked, Lost, Retrans int // segments

	LastDataSent time.Duration // ago
	LastDataRecv time.Duration // ago
	LastAckRecv  time.Duration // ago

	SendMSS, ReceiveMSS int // bytes
	PMTU                int // bytes
	CongestionWindow    int // segments
	SlowStartThreshold  int // segments
	SendWindow          int // bytes, what the peer has advertised; since 5.4
	ReceiveWindow       int // bytes, what was advertised to the peer; since 6.2

	BytesSent, BytesAcked, BytesReceived, BytesRetrans, NotSent int // bytes
	SegsOut, SegsIn, DataSegsOut, DataSegsIn                    int // segments

	Size int // bytes that the kernel gave; what lies beyond is 0 above
}

// decodeInfo reads struct tcp_info, which grows at its end from release to release.
func decodeInfo(raw []byte) *Info {
	var t unix.TCPInfo
	copy((*[unsafe.Sizeof(t)]byte)(unsafe.Pointer(&t))[:], raw)
	us := func(n uint32) time.Duration { return time.Duration(n) * time.Microsecond }
	ms := func(n uint32) time.Duration { return time.Duration(n) * time.Millisecond }
	return &Info{
		State:           State(t.State),
		CongestionState: CongestionState(t.Ca_state),

		RTO:    us(t.Rto),
		SRTT:   us(t.Rtt),
		RTTVar: us(t.Rttvar),
		MinRTT: us(t.Min_rtt),
		ATO:    us(t.Ato),

		Retransmits:  int(t.Retransmits),
		Probes:       int(t.Probes),
		Backoff:      int(t.Backoff),
		TotalRetrans: int(t.Total_retrans),

		TotalRTO:           int(t.Total_rto),
		TotalRTORecoveries: int(t.Total_rto_recoveries),
		TotalRTOTime:       ms(t.Total_rto_time),
		Rehash:             int(t.Rehash),

		Unacked: int(t.Unacked),
		Sacked:  int(t.Sacked),
		Lost:    int(t.Lost),
		Retrans: int(t.Retrans),

		LastDataSent: ms(t.Last_data_sent),
		LastDataRecv: ms(t.Last_data_recv),
		LastAckRecv:  ms(t.Last_ack_recv),

		SendMSS:            int(t.Snd_mss),
		ReceiveMSS:         int(t.Rcv_mss),
		PMTU:               int(t.Pmtu),
		CongestionWindow:   int(t.Snd_cwnd),
		SlowStartThreshold: int(t.Snd_ssthresh),
		SendWindow:         int(t.Snd_wnd),
		ReceiveWindow:      int(t.Rcv_wnd),

		BytesSent:     int(t.Bytes_sent),
		BytesAcked:    int(t.Bytes_acked),
		BytesReceived: int(t.Bytes_received),
		BytesRetrans:  int(t.Bytes_retrans),
		NotSent:       int(t.Notsent_bytes),
		SegsOut:       int(t.Segs_out),
		SegsIn:        int(t.Segs_in),
		DataSegsOut:   int(t.Data_segs_out),
		DataSegsIn:    int(t.Data_segs_in),

		Size: len(raw),
	}
}
