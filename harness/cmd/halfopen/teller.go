package main

import (
	"os"

	"github.com/halfopen/halfopen/harness/report"
)

// teller tells people or programs of a run under way, on standard output.
type teller interface {
	Begin(head string, plan []report.Planned)
	Start(title string)
	Done(report.SpecResult)
	Finish(report.Closing)
	Remark(text string) // after Finish
}

// teller is the one that was asked for.
func (c *runCommand) teller() teller {
	if c.KTAP {
		ktap := report.NewKTAP(os.Stdout)
		ktap.Folder = c.Out
		return ktap
	}
	tty, width, color := report.Terminal(os.Stdout)
	printer := report.New(os.Stdout, tty, width, color)
	printer.Folder = c.Out
	return printer
}
