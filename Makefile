# Everything this repository does, by name; `make` alone lists it. `.ci/run` does the same on a machine that has nothing yet.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

ARCH := $(shell uname -m | sed -e 's/^arm64$$/aarch64/' -e 's/^amd64$$/x86_64/')
# What ships, and what is tested: one static binary for this machine's architecture. TARGET=… builds for another one.
TARGET ?= $(ARCH)-unknown-linux-musl
# Where cargo builds, if somebody has moved it.
BUILT := $(or $(CARGO_TARGET_DIR),target)
BINARY := $(BUILT)/$(TARGET)/release/p2pc

# The systems the code must compile for besides this one; nothing is linked, so no foreign linker is needed.
CHECKED_TARGETS := x86_64-pc-windows-gnu x86_64-apple-darwin aarch64-apple-darwin aarch64-unknown-linux-musl

# cargo-nextest runs the tests faster and each in a process of its own; where it is not installed `cargo test` runs the same ones.
# It is not installed from source here: that takes longer than all the tests.
NEXTEST := $(shell cargo nextest --version >/dev/null 2>&1 && echo yes)

# The modules of tests that need root, packages of Debian, or a minute of waiting, separated by |.
SYSTEM := proxies|full_disk|silence|contained|conformance|balancers|handed_out|shells

# How often `make kills` kills each process, and in files of how many megabytes.
KILLS ?= 20
MB ?= 300

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: toolchain
toolchain:
	@scripts/toolchain.sh $(TARGET)

.PHONY: build
build: toolchain ## the static binary for this machine
	@built=$$(scripts/build.sh $(TARGET)) || { echo "$$built"; exit 1; }; echo "built: $$built"

.PHONY: demo
demo: build ## build, then send a directory through the embedded relay and compare both sides (DIR=… for one of yours)
	scripts/demo.sh $(BINARY) $(DIR)

.PHONY: test
test: toolchain ## every test that needs no root and no patience
ifeq ($(NEXTEST),yes)
	cargo nextest run --no-fail-fast --locked --target $(TARGET) -E 'not test(/(^|::)($(SYSTEM))::/)'
else
	cargo test --no-fail-fast --locked --target $(TARGET) --lib --bins --tests -- $(patsubst %,--skip %::,$(subst |, ,$(SYSTEM)))
endif
	cargo test --locked --target $(TARGET) --doc
	@echo "Not run here, because they need root, packages of Debian or a minute (make test-system runs them):"
	@cargo test --quiet --locked --target $(TARGET) --lib --tests -- --list $(patsubst %,%::,$(subst |, ,$(SYSTEM))) | sed -n 's/^\(.*\): test$$/  \1/p'

# What knows nothing of ciphers, or measures how fast the fast ones are: not run again over the portable ones.
NO_CIPHERS := sim|sink|source|disk|cli|cmd|generated|completed|configured|term|docs|house|benchmarks|abuse|load|limits|shaped

.PHONY: test-portable
test-portable: toolchain ## the same tests, programs included, over the cryptography for processors that cannot run the fast one
ifeq ($(NEXTEST),yes)
	cargo nextest run --no-fail-fast --locked --target $(TARGET) --features portable -E 'not test(/(^|::)($(SYSTEM)|$(NO_CIPHERS))::/)'
else
	cargo test --no-fail-fast --locked --target $(TARGET) --features portable --lib --bins --tests -- $(patsubst %,--skip %::,$(subst |, ,$(SYSTEM)|$(NO_CIPHERS)))
endif

.PHONY: test-system
test-system: toolchain ## the tests that need root, a minute, or packages of Debian (installs those as root)
	scripts/system-packages.sh
ifeq ($(NEXTEST),yes)
	P2PC_SYSTEM_TESTS=1 cargo nextest run --no-fail-fast --locked --target $(TARGET) -E 'test(/(^|::)($(SYSTEM))::/)'
else
	P2PC_SYSTEM_TESTS=1 cargo test --no-fail-fast --locked --target $(TARGET) --lib --tests -- $(patsubst %,%::,$(subst |, ,$(SYSTEM)))
endif

.PHONY: patience
patience: build ## ten minutes of waiting for the other side behind a real nginx (WAIT=600; needs nginx)
	P2PC_SYSTEM_TESTS=1 P2PC_PATIENCE=$(or $(WAIT),600) P2PC_BINARY=$(abspath $(BINARY)) \
		cargo test --quiet --locked --target $(TARGET) --test it -- process::balancers::a_long_wait --nocapture

.PHONY: kills
kills: build ## kill each process at random points of large transfers that are cut all the time (KILLS=20 MB=300 SEED=…)
	P2PC_BINARY=$(abspath $(BINARY)) P2PC_KILLS=$(KILLS) P2PC_KILLS_MB=$(MB) P2PC_KILLS_SEED=$(or $(SEED),$(shell date +%s)) \
		cargo test --quiet --locked --target $(TARGET) --test it -- process::kills:: --nocapture --test-threads 1

.PHONY: resume-times
resume-times: build ## what resuming saves and what the journal costs, on this machine (RUNS=5 DIR=… to measure a disk)
	scripts/resume-times.sh $(BINARY) $(or $(RUNS),5) $(DIR)

.PHONY: fuzz
fuzz: ## fuzz every target for SECONDS=60 each and keep what is new (needs nightly and cargo-fuzz)
	scripts/fuzz.sh $(or $(SECONDS),60) $(FUZZ)

.PHONY: sim
sim: toolchain ## simulated transfers with faults, from seeds (RUNS=10000 SEED=1; one again in full: SEED=… RUNS=1 TRACE=1)
	RUNS=$(or $(RUNS),10000) SEED=$(or $(SEED),1) TRACE=$(or $(TRACE),0) cargo bench --locked --target $(TARGET) --profile sim --features sim --bench sim

.PHONY: teeth
teeth: toolchain ## shows that the simulator finds deliberate defects, one after the other
	cargo bench --locked --target $(TARGET) --profile sim --features bugs --bench teeth

# What `make bench` measures; nothing says the usual workloads, `all` says all. Empty ones are as if they were not there.
export BENCH TOOLS DATA DISK WAN WAN_RELAY PEERS RESULTS RESUME
BENCH_CARGO := P2PC_BINARY=$(abspath $(BINARY)) MB=$(BENCH_MB) cargo bench --locked --target $(TARGET) --profile sim --bench transfers

.PHONY: bench
bench: build ## measure against the floor and the other tools there are (BENCH="random small…|all" RUNS=5 RESUME=1 WAN=scripts/wan.sh; docs/benchmarks.md)
	RUNS=$(or $(RUNS),5) $(BENCH_CARGO)

.PHONY: bench-data
bench-data: build ## make the data sets that `make bench` carries (DATA=… BENCH_MB=1024)
	$(BENCH_CARGO) -- data

.PHONY: bench-report
bench-report: build ## write the tables and the plot of docs/benchmarks.md from benches/results.tsv
	$(BENCH_CARGO) -- report

.PHONY: load
load: build ## what a relay holds and moves: writes the table of docs/relay.md (ROOMS=10000 SESSIONS=1000 TIME=8; about two minutes)
	P2PC_BINARY=$(abspath $(BINARY)) ROOMS=$(ROOMS) SESSIONS=$(SESSIONS) TIME=$(TIME) cargo bench --locked --target $(TARGET) --profile sim --bench load

# Where the site's tools are installed, anew whenever their versions change.
SITE_TOOLS := target/site-tools

$(SITE_TOOLS)/installed: docs/requirements.txt
	rm -rf $(SITE_TOOLS)
	python3 -m venv $(SITE_TOOLS)
	$(SITE_TOOLS)/bin/pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: -r $<
	touch $@

.PHONY: docs
docs: $(SITE_TOOLS)/installed ## the site, from docs/ to target/site (needs python3 with venv; installs mkdocs from PyPI)
	NO_MKDOCS_2_WARNING=1 $(SITE_TOOLS)/bin/mkdocs build --strict
	@echo "built: target/site/index.html"

.PHONY: generated
generated: toolchain ## draw man pages, completions and docs/commands.md from the help texts; also writes the snapshots of tests/cmd
	UPDATE_SNAPSHOTS=1 cargo test --quiet --locked --target $(TARGET) --test it -- generated::what cmd::

.PHONY: check
check: toolchain ## formatting, lints, documentation, the other systems, the dependencies
	@scripts/toolchain.sh $(CHECKED_TARGETS)
	cargo fmt --all --check
	cargo clippy --locked --target $(TARGET) --all-targets -- -D warnings
	cargo clippy --locked --target $(TARGET) --lib --no-default-features -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --target $(TARGET)
	scripts/api.py $(TARGET) --check
	for target in $(CHECKED_TARGETS); do RUSTFLAGS='-D warnings' cargo check --quiet --locked --target "$$target" --lib --bins; echo "compiles for $$target"; done
	scripts/dependencies.sh $(TARGET) $(CHECKED_TARGETS)

.PHONY: dist
dist: ## a release in dist/, for every system that can be built for here (DIST="TARGET…" for some; BASE=URL of where it will be)
	scripts/dist.sh $(DIST)

.PHONY: dist-test
dist-test: ## runs everything of dist/ that can run here (as root on Debian it installs qemu and Wine where they are needed)
	scripts/dist-test.sh

.PHONY: reproducible
reproducible: ## builds dist/ a second time, from another directory, and compares every byte (DIST="TARGET…" as for dist)
	scripts/reproducible.sh $(DIST)

.PHONY: api
api: toolchain ## write what the crate shows to tests/api.txt, which `make check` compares
	scripts/api.py $(TARGET)

# Against which revision: the last release.
BASE_REVISION = $(or $(REVISION),$(shell git describe --tags --abbrev=0 --match 'v*' 2>/dev/null))

.PHONY: semver
semver: toolchain ## whether the public API grew as the version says since the last release (REVISION=… for another one; needs cargo-semver-checks)
ifeq ($(BASE_REVISION),)
	@echo "There is no release yet, so nothing can break for anybody: compared with tests/api.txt alone. REVISION=… compares with a revision."
	scripts/api.py $(TARGET) --check
else
	cargo semver-checks --baseline-rev "$(BASE_REVISION)" --only-explicit-features
endif

.PHONY: clean
clean: ## remove what was built
	cargo clean
	rm -f dist/p2pc-[0-9]* dist/SHA256SUMS dist/install.sh
