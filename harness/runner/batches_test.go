package runner

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/stage"
)

func TestBatchesAreThroughAtAboutTheSameTime(t *testing.T) {
	g := NewWithT(t)
	r := &run{options: Options{Procs: 2, Batch: 3}}
	var order []int
	for i, seconds := range []int{14, 9, 4, 0, 0} {
		r.jobs = append(r.jobs, Job{Spec: stage.Spec{Priority: seconds}})
		order = append(order, i)
	}
	g.Expect(r.batches(order)).To(Equal([][]int{{0, 3}, {1, 2, 4}}))
}

func TestABatchHasOneSabotage(t *testing.T) {
	g := NewWithT(t)
	r := &run{options: Options{Procs: 1, Batch: 8}, jobs: []Job{{Sabotage: "drop-fin"}, {Sabotage: "no-reboot"}, {Sabotage: "drop-fin"}}}
	g.Expect(r.batches([]int{0, 1, 2})).To(Equal([][]int{{0, 2}, {1}}))
}

func TestWhatLastsLongerThanAllOthersIsAlone(t *testing.T) {
	g := NewWithT(t)
	r := &run{options: Options{Procs: 2, Batch: 4}}
	for _, seconds := range []int{86400, 4, 0, 0} {
		r.jobs = append(r.jobs, Job{Spec: stage.Spec{Priority: seconds}})
	}
	g.Expect(r.batches([]int{0, 1, 2, 3})).To(Equal([][]int{{0}, {1, 2, 3}}))
}
