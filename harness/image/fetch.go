package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// silence is how long an archive may send nothing before it counts as out of reach.
const silence = 60 * time.Second

// newClient gives a client that goes through the proxies of the environment, or else apt's, and that
// also reads file: addresses (a mirror on a disk).
func newClient(root string) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = func(request *http.Request) (*url.URL, error) {
		if proxy, err := http.ProxyFromEnvironment(request); proxy != nil || err != nil {
			return proxy, err
		}
		proxy := aptProxy(root, request.URL.Scheme)
		if host := request.URL.Hostname(); proxy == "" || proxy == "DIRECT" || host == "localhost" || strings.HasPrefix(host, "127.") {
			return nil, nil
		}
		return url.Parse(proxy)
	}
	transport.ResponseHeaderTimeout = silence
	transport.RegisterProtocol("file", http.NewFileTransport(http.Dir("/")))
	return &http.Client{Transport: transport}
}

var errNotThere = errors.New("not there (404)")

// get copies what an address holds to w, at most limit bytes. An archive that does not answer is an
// ErrOffline; an address it does not have is errNotThere.
func (p *puller) get(ctx context.Context, address string, w io.Writer, limit int64, report func(done, total int64)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(silence, func() { cancel(fmt.Errorf("nothing came for %v", silence)) })
	defer quiet.Stop()
	unreachable := func(err error) error {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
			err = cause
		}
		var trouble *url.Error // its text repeats the address
		if errors.As(err, &trouble) {
			err = trouble.Err
		}
		return because(ErrOffline, "%s cannot be had: %w", address, err)
	}

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return unreachable(err)
	}
	request.Header.Set("User-Agent", "halfopen")
	response, err := p.client.Do(request)
	if err != nil {
		return unreachable(err)
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotFound, response.StatusCode == http.StatusGone:
		return errNotThere
	case response.StatusCode != http.StatusOK:
		return unreachable(errors.New("the server says " + response.Status))
	}
	body := &countingReader{ctx: ctx, r: response.Body, total: max(response.ContentLength, 0), report: func(done, total int64) {
		quiet.Reset(silence)
		if report != nil {
			report(done, total)
		}
	}}
	limited := &writeErrors{w: w}
	n, err := io.Copy(limited, io.LimitReader(body, limit+1))
	switch {
	case limited.err != nil:
		return noSpace(limited.err, p.cache)
	case err != nil:
		return unreachable(err)
	case n > limit:
		return because(ErrHash, "%s is longer than the %d bytes it should have", address, limit)
	}
	return nil
}

// writeErrors tells errors of the disk from those of the network.
type writeErrors struct {
	w   io.Writer
	err error
}

func (e *writeErrors) Write(p []byte) (int, error) {
	n, err := e.w.Write(p)
	e.err = err
	return n, err
}

// getVerified fetches what is known by size and hash, into what start opens anew at each try. A
// download that broke off is tried once more; a wrong hash is not.
func (p *puller) getVerified(ctx context.Context, address string, want fileHash, start func() (io.Writer, error), report func(done, total int64)) error {
	for try := 0; ; try++ {
		w, err := start()
		if err != nil {
			return noSpace(err, p.cache)
		}
		hash := sha256.New()
		counter := &byteCount{}
		err = p.get(ctx, address, io.MultiWriter(w, hash, counter), want.size, report)
		if err == nil && counter.n < want.size {
			err = because(ErrOffline, "%s broke off after %d of %d bytes: try again", address, counter.n, want.size)
		}
		if errors.Is(err, ErrOffline) && ctx.Err() == nil && try == 0 {
			continue
		}
		if err != nil {
			return err
		}
		if got := hex.EncodeToString(hash.Sum(nil)); got != want.sha256 {
			return because(ErrHash, "%s is not what the archive signed (SHA-256 %s..., and it should be %s...): it was altered on the way, or the mirror is being updated; nothing of it was used, try again or use another mirror", address, got[:12], want.sha256[:12])
		}
		return nil
	}
}

type byteCount struct{ n int64 }

func (c *byteCount) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// maxRelease bounds an InRelease file; Debian's have 0.2 MB.
const maxRelease = 16 << 20

// suiteRelease fetches and verifies a suite's InRelease at one place.
func (p *puller) suiteRelease(ctx context.Context, at place, suite string) (*release, error) {
	keys, err := p.keyring(at)
	if err != nil {
		return nil, err
	}
	address := at.uri + "/dists/" + suite + "/InRelease"
	var data bytes.Buffer
	p.report(StepIndex, suite, 0, 0)
	if err := p.get(ctx, address, &data, maxRelease, nil); err != nil {
		return nil, err
	}
	now := time.Now()
	r, err := readRelease(data.Bytes(), keys, now)
	if err == nil {
		err = r.check(suite, now)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is not believed: %w", address, err)
	}
	return r, nil
}

// suiteIndex fetches a suite's package index, verified by its release.
func (p *puller) suiteIndex(ctx context.Context, at place, suite string, r *release) ([]listed, error) {
	const index = "main/binary-amd64/Packages"
	for _, ending := range []string{".xz", ".gz", ""} {
		file, ok := r.files[index+ending]
		if !ok {
			continue
		}
		folder := at.uri + "/dists/" + suite + "/"
		// By hash first: such a file does not change while the archive is being updated.
		addresses := []string{folder + index + ending}
		if r.byHash {
			addresses = append([]string{folder + "main/binary-amd64/by-hash/SHA256/" + file.sha256}, addresses...)
		}
		for _, address := range addresses {
			var data bytes.Buffer
			start := func() (io.Writer, error) { data.Reset(); return &data, nil }
			err := p.getVerified(ctx, address, file, start, func(done, total int64) { p.report(StepIndex, suite, done, file.size) })
			if errors.Is(err, errNotThere) {
				continue
			}
			if err != nil {
				return nil, err
			}
			plain, err := decompress(&data)
			if err != nil {
				return nil, fmt.Errorf("the index of %s cannot be unpacked: %w", suite, err)
			}
			defer plain.Close()
			packages, err := readIndex(plain)
			if err != nil {
				return nil, fmt.Errorf("the index of %s cannot be read: %w", suite, err)
			}
			return packages, nil
		}
	}
	return nil, because(ErrNotOffered, "%s has no package index for amd64", suite)
}

// fetchPackage fetches a package into a file.
func (p *puller) fetchPackage(ctx context.Context, at place, pkg listed, path string) error {
	file, err := os.Create(path)
	if err != nil {
		return noSpace(err, p.cache)
	}
	defer file.Close()
	start := func() (io.Writer, error) {
		if err := file.Truncate(0); err != nil {
			return nil, err
		}
		_, err := file.Seek(0, io.SeekStart)
		return file, err
	}
	address := at.uri + "/" + (&url.URL{Path: pkg.file}).EscapedPath()
	err = p.getVerified(ctx, address, fileHash{pkg.sha256, pkg.size}, start, func(done, total int64) { p.report(StepDownload, pkg.name, done, pkg.size) })
	if errors.Is(err, errNotThere) {
		return because(ErrNotOffered, "%s is in the index of the archive, but the mirror does not have it: try again later or use another mirror", address)
	}
	return noSpace(errors.Join(err, file.Close()), p.cache)
}
