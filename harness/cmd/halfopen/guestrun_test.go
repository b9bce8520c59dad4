package main

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestAPlanIsDividedEvenly(t *testing.T) {
	g := NewWithT(t)
	for _, plan := range []struct{ all, size int }{{0, 1}, {1, 1}, {420, 420}, {421, 211}, {826, 413}} {
		g.Expect(evenly(plan.all, guestSpecs)).To(Equal(plan.size), "%d specs", plan.all)
	}
}
