package process

// A role is run before main, and so before most of the packages that are linked into the program
// have initialised themselves: the linker orders them by their needs and then by name, and this one
// needs little. It is a third of what it costs to start a process.
func init() { RunRole() }
