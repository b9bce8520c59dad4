// Package sandbox puts a program into namespaces of its own before it does anything else, so that
// an ordinary user can build networks, and so that nothing outlives the program whatever ends it.
//
// Without root the program re-executes itself in a new user, network, mount and PID namespace;
// with root it does the same without the user namespace. The copy inside is PID 1 of its PID
// namespace: when it dies, the kernel kills every process in there (pid_namespaces(7)), and when
// the copy outside dies, PR_SET_PDEATHSIG kills the one inside.
package sandbox
