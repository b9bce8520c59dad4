// Package application tells what applications add on top of TCP, and how soon which of it notices what.
package application
