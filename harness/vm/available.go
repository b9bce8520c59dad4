package vm

// Available is nil where a guest can be run, as far as the emulator decides it, and else ErrNoQEMU to
// errors.Is, in a sentence with the cure.
func Available() error {
	_, err := findQEMU("")
	return err
}
