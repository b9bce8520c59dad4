// Package machine makes a virtual machine a host of a lab: a computer with a kernel of its own, whose power
// can be cut, whose kernel can panic, and which restarts and forgets.
//
// Serve is the machine's own side, the job of its PID 1: it keeps a network stack (lab.Local) with the
// machine's network card in it and does with it what it is told over the control line, a port that
// does not cross the lab's network. Machine is the lab's side: it holds the emulator, and a stack of the
// machine's that looks like one of this kernel.
//
// The control line carries a JSON value a line. Each start of the guest's kernel is a life; the lab's side
// numbers them, greets each new one with its number, and hears nothing that bears another. What was under
// way when a life ended ends with an error. Times in answers are the guest's monotonic clock, and are
// turned into this machine's on arrival, by the bounds that each exchange puts on the difference.
package machine
