// Package middlebox tells what happens when a firewall or a NAT between two hosts forgets their
// connection, or loses a part of it.
package middlebox
