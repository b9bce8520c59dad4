// Package keepalive tells what keepalive does on an idle connection.
package keepalive
