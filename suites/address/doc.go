// Package address tells what happens when a host's address changes, moves or leaves, or its route does.
package address
