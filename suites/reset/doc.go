// Package reset tells which RSTs, SYNs and stray segments end a connection, and which are answered or ignored.
package reset
