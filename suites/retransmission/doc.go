// Package retransmission tells what happens to data that nobody acknowledges.
package retransmission
