package main

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestAPlanIsDividedEvenly(t *testing.T) {
	g := NewWithT(t)
	for _, plan := range []struct{ all, size int }{{0, 1}, {1, 1}, {210, 210}, {211, 106}, {822, 206}} {
		g.Expect(evenly(plan.all, guestSpecs)).To(Equal(plan.size), "%d specs", plan.all)
	}
}
