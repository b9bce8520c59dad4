// Package hostcrash tells what happens when a host dies, with or without coming back.
package hostcrash
