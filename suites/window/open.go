package window

import (
	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/mono"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("window", func() {
	It("lets the data go on at once when the reader wakes up: its kernel tells, and no probe has to ask",
		Claim("window/reader-wakes"), SpecPriority(1), func(ctx SpecContext) {
			reader, writer := connect(ctx)
			closing := writer.FillWindow(ctx)
			// Right after the third probe the next is four times the first interval away.
			last := writer.SeesProbes(ctx, closing, 3)[2]
			reader.Sees(ctx, ACK().From(reader).Closed().After(last.At).Delivered())

			woken := mono.Now()
			Expect(reader.ReadAll(ctx, closing.Written)).To(DeliverFill(closing.Written))
			resumed := writer.Sees(ctx, Data().From(writer).After(woken))

			Expect(writer.Wire(ctx).Since(woken)).To(ShowInOrder(ACK().From(reader).Open().Delivered(), Data().From(writer).Delivered()))
			Expect(writer.Wire(ctx).Since(woken)).To(ShowNone(WindowProbe()))
			Expect(resumed.At-last.At).To(BeNumerically("<", closing.Model.Intervals(4)[3].Floor), "before the next probe was due")
			Observe("delivered_after", resumed.At-woken)
		})

	It("is found open by the next probe when the reader's word of it is lost",
		Claim("window/lost-update"), SpecPriority(3), func(ctx SpecContext) {
			reader, writer := connect(ctx)
			closing := writer.FillWindow(ctx)
			last := writer.SeesProbes(ctx, closing, 2)[1]
			reader.Sees(ctx, ACK().From(reader).Closed().After(last.At).Delivered())

			hole := reader.Host.Blackhole(writer.Host, lab.All)
			woken := mono.Now()
			reader.Read(ctx)
			lost := reader.Sees(ctx, ACK().From(reader).Open().After(woken).Lost())
			hole.Remove()
			rest := reader.ReadAll(ctx, closing.Written/2)

			Expect(rest.N).To(BeNumerically(">=", closing.Written/2))
			Expect(writer.Wire(ctx).Since(lost.At).Segments()).To(ShowInOrder(
				ACK().From(reader).Open().Lost(),
				WindowProbe().From(writer).Delivered(), ACK().From(reader).Open().Delivered(), Data().From(writer).Delivered()))
			found := writer.Probes(ctx, closing)[2]
			Expect(found.At - last.At).To(FallIn(closing.Model.Intervals(3)[2]))
			Expect(writer.Wire(ctx).Since(last.At)).To(ShowNone(Data().From(writer).Before(found.At)))
			Observe("delivered_after", writer.Sees(ctx, Data().From(writer).After(found.At)).At-woken)
			Observe("window_probe_interval", found.At-last.At)
		})
})
