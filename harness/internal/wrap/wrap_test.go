package wrap_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/internal/wrap"
)

func TestATextHangsUnderItsHead(t *testing.T) {
	g := NewWithT(t)
	g.Expect(wrap.Hang("é: ", "one two three\nfour", 10)).To(Equal([]string{"é: one two", "   three", "   four"}))
	g.Expect(wrap.Hang("head  ", "", 10)).To(Equal([]string{"head"}))
	g.Expect(wrap.Hang("", "averylongword and more", 5)).To(Equal([]string{"averylongword", "and", "more"}))
	g.Expect([]int{wrap.Width(0), wrap.Width(500), wrap.Width(60)}).To(Equal([]int{100, 100, 60}))
}
