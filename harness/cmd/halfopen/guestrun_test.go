package main

import (
	"strconv"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/runner"
	"github.com/halfopen/halfopen/harness/stage"
)

func TestAPlanIsDealtOutEvenly(t *testing.T) {
	g := NewWithT(t)
	for _, plan := range []struct {
		all   int
		sizes []int
	}{{0, nil}, {1, []int{1}}, {100, []int{100}}, {101, []int{51, 50}}, {841, []int{281, 280, 280}}} {
		var jobs []runner.Job
		for i := range plan.all {
			jobs = append(jobs, runner.Job{Spec: stage.Spec{Text: strconv.Itoa(i)}})
		}
		var sizes []int
		for i, part := range parts(jobs) {
			sizes = append(sizes, len(part))
			g.Expect(part[0].Spec.Text).To(Equal(strconv.Itoa(i)))
		}
		g.Expect(sizes).To(Equal(plan.sizes), "%d specs", plan.all)
	}
}
