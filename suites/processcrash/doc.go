// Package processcrash tells what happens when a process dies and its kernel lives.
package processcrash
