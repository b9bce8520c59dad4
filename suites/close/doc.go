// Package close tells what is left of a connection that an application has closed, and for how long.
package close
