// Command halfopen checks what the running Linux kernel does when the other end of a TCP
// connection breaks.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"

	"github.com/alecthomas/kong"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/runner"
	"github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/vm/guest"

	_ "github.com/halfopen/halfopen/suites" // every story's specs
)

// Exit codes. An interrupt has the shell's 128 + SIGINT.
const (
	exitFailed      = 1 // the kernel broke a claim
	exitUsage       = 2 // wrong usage, or the stage could not be set
	exitInterrupted = 130
)

type commands struct {
	Run       runCommand       `cmd:"" help:"Check the running kernel."`
	Matrix    matrixCommand    `cmd:"" help:"Check several kernels in virtual machines and put them side by side."`
	Pairs     pairsCommand     `cmd:"" help:"Check kernels against each other in pairs of virtual machines that really crash, panic and restart."`
	Kernels   kernelsCommand   `cmd:"" help:"The kernels that can be had by name: what is cached, what is gone."`
	Claims    claimsCommand    `cmd:"" help:"What there is to prove, and what of RFC 9293 it covers."`
	Explain   explainCommand   `cmd:"" help:"Tell all that is known of a claim: sources, staging, sabotages, releases, other kernels."`
	Detection detectionCommand `cmd:"" help:"Print how long each mechanism took to notice each fault, from the results of a run."`
	Show      showCommand      `cmd:"" help:"Draw what a run captured of a claim: packets, faults, system calls and states, in the terminal or as SVG."`
	Predict   predictCommand   `cmd:"" help:"Predict how long each fault stays unnoticed with this system's settings, and prove it."`
	Baseline  baselineCommand  `cmd:"" help:"Keep what a run observed, for other kernels to be compared with."`
	Compare   compareCommand   `cmd:"" help:"Tell what an application will notice of another kernel: the check after an upgrade."`
	Report    reportCommand    `cmd:"" help:"Join the results of several runs, or of several machines, into one matrix."`
	Version   versionCommand   `cmd:"" help:"What this program is: version, revision, Go, claims, static or not."`
}

func main() {
	if guest.Here() {
		guest.Main(inGuest)
	}
	if stage.IsSpec() {
		os.Exit(stage.RunSpec())
	}
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	parser := kong.Must(&commands{},
		kong.Name("halfopen"),
		kong.Description("What a TCP connection does when the other end breaks, proved on a real Linux kernel."),
		kong.Vars{"procs": strconv.Itoa(runner.DefaultProcs()), "pairclaims": strconv.Itoa(len(pairClaims))},
	)
	parsed, err := parser.Parse(args)
	if err != nil {
		return usage(fmt.Errorf("%w; `halfopen --help` tells more", err))
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	// A reader that has seen enough (`| head`) ends neither the run nor the writing of its results.
	// Caught and not ignored, because what is ignored stays so in the processes of the labs.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	parsed.BindTo(ctx, (*context.Context)(nil))

	err = parsed.Run()
	var verdict verdictError
	switch {
	case errors.As(err, &verdict):
		return int(verdict)
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "halfopen: interrupted; the results so far are written")
		return exitInterrupted
	case err != nil:
		return usage(err)
	}
	return 0
}

// verdictError is the exit code of a run that was completed and has been reported already.
type verdictError int

func (v verdictError) Error() string { return fmt.Sprintf("exit code %d", int(v)) }

func usage(err error) int {
	fmt.Fprintln(os.Stderr, "halfopen:", err)
	return exitUsage
}
