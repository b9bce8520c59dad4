// Package open tells what becomes of a connection that cannot be opened.
package open
