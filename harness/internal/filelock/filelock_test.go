package filelock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

func TestTheSecondWaitsForTheFirst(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Wait(t.Context(), path, func() { t.Error("nobody else has it") })
	g.Expect(err).NotTo(HaveOccurred())
	waits, has := make(chan bool), make(chan func())
	go func() {
		second, err := Wait(context.Background(), path, func() { waits <- true })
		if err != nil {
			t.Error(err)
		}
		has <- second
	}()
	g.Eventually(waits, "10s").Should(Receive())
	g.Expect(has).NotTo(Receive())
	unlock()
	var second func()
	g.Eventually(has, "10s").Should(Receive(&second))
	second()
}

func TestAWaitEndsWithItsContextAndTakesNothing(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Wait(t.Context(), path, nil)
	g.Expect(err).NotTo(HaveOccurred())
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err = Wait(ctx, path, func() { cancel(enough) })
	g.Expect(err).To(MatchError(enough))
	unlock()
	third, err := Wait(t.Context(), path, nil)
	g.Expect(err).NotTo(HaveOccurred())
	third()
	_, err = Wait(t.Context(), filepath.Join(path, "below a file"), nil)
	g.Expect(err).To(MatchError(ContainSubstring("not a directory")))
	g.Expect(errors.Is(err, os.ErrNotExist)).To(BeFalse())
}
