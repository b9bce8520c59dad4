// Package window tells what becomes of data that a peer's closed window holds back.
package window
