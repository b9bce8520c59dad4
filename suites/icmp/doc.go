// Package icmp tells what happens when a router or a host on the path reports an error.
package icmp
