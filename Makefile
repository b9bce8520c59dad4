# What a contributor types. `make test` is what CI runs.

GO ?= go
MATRIX ?= halfopen-matrix

.PHONY: test setup build check specs bench matrix compare vagrant workflows clean

# Everything: the sources are tidy, the specs hold on this kernel, the harness's own tests pass.
# One package after another: the specs live on the wall clock, and a package has enough of them to
# keep every processor busy.
test: setup check build
	$(GO) test -count=1 -timeout 20m -p 1 ./...

# What the tests of guests and the claims about nginx need and only root can install. Without the one
# the tests say that they are skipped, without the other the claims are unsupported.
setup:
	@wanted=; \
	command -v qemu-system-x86_64 >/dev/null || wanted="$$wanted qemu-system-x86"; \
	PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null || wanted="$$wanted nginx-light"; \
	if [ -n "$$wanted" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $$wanted >/dev/null; fi

check:
	@unformatted=$$($$($(GO) env GOROOT)/bin/gofmt -l harness suites fixtures); if [ -n "$$unformatted" ]; then echo "gofmt would change: $$unformatted"; exit 1; fi
	$(GO) vet ./...

# One static file that runs on a host without Go.
build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o halfopen ./harness/cmd/halfopen

# The same specs by Ginkgo's own command.
specs:
	$(GO) tool ginkgo -r --procs 24 suites

# The figures of the README: whole runs, what guests cost, and how long a lab takes to come up.
bench:
	$(GO) test -run '^$$' -bench 'Run|Agreement' -benchtime 3x -timeout 1h ./harness/cmd/halfopen
	$(GO) test -run '^$$' -bench 'Idle|Specs|Kernels' -benchtime 1x -timeout 1h ./harness/cmd/halfopen
	$(GO) test -run '^$$' -bench . -benchtime 60x ./harness/lab
	$(GO) test -run '^$$' -bench . -benchtime 3x ./harness/vm

# Every kernel of the table with its own timeouts.
matrix: build
	./halfopen matrix --out $(MATRIX)

# What a matrix found against the baselines, a kernel at a time.
compare: build
	@worst=0; for kept in fixtures/baselines/*.json; do \
		if [ ! -e "$$kept" ]; then echo "there are no baselines: ./halfopen baseline $(MATRIX) makes them"; continue; fi; \
		name=$$(basename "$$kept" .json); run=$$(find $(MATRIX) -path "*/$$name/results.json" | head -n 1); \
		if [ -z "$$run" ]; then echo "$$name: not in $(MATRIX)"; continue; fi; \
		./halfopen compare "$$name" "$$run" || worst=1; echo; \
	done; exit $$worst

# The suite in whole systems with settings of their own, one machine after another: see vagrant/README.md.
vagrant: build
	vagrant/row.sh $(MACHINES)

# The workflows in .github; the tool comes over the network and is no dependency of ours.
workflows:
	$(GO) run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

clean:
	rm -rf halfopen halfopen-results halfopen-matrix halfopen-compare
