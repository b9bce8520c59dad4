package vm

import "errors"

// Complete tells whether everything that a program needs can be found on this machine, so that it
// can be one of Config's Programs.
func Complete(program string) bool {
	_, err := libraries(program)
	return err == nil
}

// programs adds what the job starts, each at its own path, and says who root is to those that ask.
func (a *archive) programs(paths []string) error {
	for _, path := range paths {
		if err := a.executable(path, path); err != nil {
			return err
		}
	}
	if len(paths) == 0 {
		return nil
	}
	return errors.Join(
		a.directory("etc"),
		a.bytes("etc/passwd", []byte("root:x:0:0:root:/:/bin/sh\n")),
		a.bytes("etc/group", []byte("root:x:0:\n")),
	)
}
