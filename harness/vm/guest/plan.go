package guest

// The files of the initramfs, and the mark on the kernel's command line by which PID 1 knows that
// it is one. The kernel hands a parameter NAME=VALUE which it does not know itself to PID 1 as an
// environment variable.
const (
	InitFile = "/init"
	PlanFile = "/plan.json"
	MarkEnv  = "HALFOPEN_GUEST"
)

// PortName is the virtio port over which messages go out.
const PortName = "halfopen.messages"

// ControlName is the virtio port over which the job of a guest with a network card is spoken to.
const ControlName = "halfopen.control"

// Plan is what PID 1 is to do.
type Plan struct {
	Modules []string `json:"modules"` // files in the initramfs, in load order
	Virtual bool     `json:"virtual"` // the clock is virtual: every wake-up costs, and time between them nothing
	Seed    uint64   `json:"seed"`    // of the kernel's random numbers
	Job     []byte   `json:"job"`     // for the caller's function
	Await   bool     `json:"await"`   // the machine is to stop when it is ready, and the job is there when it goes on
}
