// Package cable tells what happens when a cable is pulled, a link goes down, an address leaves.
package cable
