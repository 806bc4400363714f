# weir: everything a contributor runs. `make help` lists the targets.
# Needs cargo, a C compiler, python3 and GNU make; the tests fetch what else they need (see scripts/need.sh, scripts/venv.sh).

.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
SHELL := /bin/sh
.SHELLFLAGS := -euc

CARGO        ?= cargo
CARGO_FLAGS  ?= --locked
# fast: optimised like release, without its slow link-time optimisation. release: what is shipped. dev: what the tests use.
PROFILE      ?= fast
TEST_PROFILE ?= dev
# What `make build` makes.
BUILD        := --lib --bins
CC           ?= cc
CFLAGS       ?= -O2 -g
C_WARNINGS   := -std=c11 -Wall -Wextra -Wpedantic -Werror

TARGET := $(or $(CARGO_TARGET_DIR),target)
OUT    := $(abspath $(TARGET))/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
LIB    := $(OUT)/libweir.so
VENV   := .venv
PYTHON := $(abspath $(VENV))/bin/python

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- Build ----------------------------------------------------------------------------------------------------------

.PHONY: all build release examples
all: build examples ## the library, the tool and the examples

build: ## the library and the tool `weir` (PROFILE=fast|release|dev), below target/
	$(CARGO) build $(CARGO_FLAGS) --profile $(PROFILE) $(BUILD)
	test -L $(LIB).0 || ln -s libweir.so $(LIB).0 || test -L $(LIB).0

release: ## the same as shipped: smallest and fastest, slow to build
	$(MAKE) build PROFILE=release

examples: build
	mkdir -p $(OUT)/examples/c
	for name in quickstart minimal external_sort; do \
	  $(CC) $(CFLAGS) $(C_WARNINGS) -Iinclude -o $(OUT)/examples/c/$$name examples/c/$$name.c -L$(OUT) -lweir -Wl,-rpath,$(OUT); \
	done

# ---- Try ------------------------------------------------------------------------------------------------------------

.PHONY: demo
demo: examples ## ingest real data, kill the process half-way, lose nothing (FILE=… DIR=… to use your own)
	$(OUT)/examples/c/quickstart '$(or $(FILE),examples/data/flights.arrow)' $(if $(DIR),'$(DIR)')

# ---- Test -----------------------------------------------------------------------------------------------------------

SUITES := test-rust test-c test-cpp test-go test-java test-python test-demo test-packages
# A binding whose toolchain is missing is skipped: scripts/skip.sh says so, and notes it here for the last line.
SKIPPED := $(abspath $(TARGET))/skipped-tests

.PHONY: test test-rust test-c test-python test-demo
test: ## the whole suite, all languages
	mkdir -p $(TARGET)
	: >$(SKIPPED)
	WEIR_SKIPPED=$(SKIPPED) $(MAKE) $(SUITES)
	@skipped=$$(sort -u $(SKIPPED) | paste -s -d , - | sed 's/,/, /g'); echo "All tests passed$${skipped:+; skipped: $$skipped}."

test-rust: $(VENV)/.ready ## Rust tests: units, protocol, faults, kills, formats, S3
	WEIR_TEST_PYTHON=$(PYTHON) $(CARGO) test $(CARGO_FLAGS) --profile $(TEST_PROFILE) $(ARGS)

test-c: ## the C ABI from C, under AddressSanitizer and under valgrind
	sh scripts/need.sh valgrind valgrind
	$(MAKE) build PROFILE=$(TEST_PROFILE)
	$(MAKE) run-c-tests PROFILE=$(TEST_PROFILE)

.PHONY: run-c-tests
run-c-tests:
	CC='$(CC)' sh tests/c/run.sh $(OUT)

test-python: $(VENV)/.ready ## the Python side of the interoperability tests, and the example
	$(PYTHON) tests/python/selftest.py
	$(MAKE) run-python-example PROFILE=$(TEST_PROFILE)

.PHONY: run-python-example
run-python-example: build
	WEIR_LIBRARY=$(LIB) $(PYTHON) examples/python/quickstart.py examples/data/flights.arrow | grep '^tail  4000 rows,'
	WEIR_LIBRARY=$(LIB) $(PYTHON) tests/python/scan.py memory://scan

test-demo: ## the examples on a build of the tests' profile
	$(MAKE) demo PROFILE=$(TEST_PROFILE)
	$(MAKE) run-minimal PROFILE=$(TEST_PROFILE)
	$(MAKE) run-external-sort PROFILE=$(TEST_PROFILE)

.PHONY: run-minimal run-external-sort
run-minimal: examples
	lines=$$($(OUT)/examples/c/minimal examples/data/flights.arrow); echo "$$lines" | grep '^tail  position 16, 250 rows$$'

# More than its memory holds, and then so little that runs are merged two at a time. The system holds it to that: it would need 40 MB for the
# rows alone, as the second line shows.
SORT_LIMITED = ulimit -d 16384; $(OUT)/examples/c/external_sort
run-external-sort: examples
	($(SORT_LIMITED)) | grep 'sorted 1000000 rows, .* 2 merges'
	! ($(SORT_LIMITED) 1000000 65536) 2>&1 | grep sorted
	($(SORT_LIMITED) 300000 1300) | grep 'sorted 300000 rows, .* 9 merges'

$(VENV)/.ready: tests/python/requirements.txt
	sh scripts/venv.sh $(VENV) tests/python/requirements.txt
	touch $@

# ---- Check ----------------------------------------------------------------------------------------------------------

.PHONY: check fmt
check: ## formatting, lints, header and symbols, documentation: all without a warning
	$(CARGO) fmt --check
	$(CARGO) clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	$(CARGO) clippy $(CARGO_FLAGS) --no-default-features --lib -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc $(CARGO_FLAGS) --no-deps
	$(CARGO) test $(CARGO_FLAGS) --profile $(TEST_PROFILE) --test ffi_header
	sh tests/c/coverage.sh
	$(MAKE) check-static-libs

fmt: ## format the Rust code
	$(CARGO) fmt

# ---- Measure, soak, clean -------------------------------------------------------------------------------------------

.PHONY: bench bench-core soak clean
bench: ## every figure with its limit (DIR=… ROUNDS=… SIZES=percent of the full ones, ONLY=part of a suite's name, or bind)
	$(if $(filter bind%,$(ONLY)),,$(MAKE) bench-core)
	$(if $(filter-out bind%,$(ONLY)),,$(MAKE) bench-bind)

bench-core:
	$(if $(ONLY),,$(MAKE) bench-libraries)
	WEIR_SIZE_FULL=$(abspath $(TARGET))/release/libweir.so WEIR_SIZE_LOCAL=$(abspath $(TARGET))/local/release/libweir.so \
	  $(CARGO) bench $(CARGO_FLAGS) --bench weir -- --out $(abspath $(TARGET))/bench/weir.jsonl $(if $(DIR),--dir $(DIR)) \
	  $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SIZES),--scale $(SIZES)) $(if $(ONLY),--only $(ONLY)) $(ARGS)

.PHONY: bench-libraries
bench-libraries:
	$(MAKE) build PROFILE=release BUILD=--lib
	$(CARGO) build $(CARGO_FLAGS) --release --lib --no-default-features --target-dir $(TARGET)/local

SEEDS ?= 100000
KILLS ?= 5000
SPILL_SEEDS ?= 20000
MEMTABLE_SEEDS ?= 50000
soak: ## the randomised protocol, MemTable, spill and kill tests for long (SEEDS=… MEMTABLE_SEEDS=… SPILL_SEEDS=… KILLS=…)
	WEIR_SEEDS=$(SEEDS) $(CARGO) test $(CARGO_FLAGS) --profile $(TEST_PROFILE) --test protocol_sim -- --nocapture
	WEIR_SEEDS=$(SPILL_SEEDS) $(CARGO) test $(CARGO_FLAGS) --profile $(TEST_PROFILE) --test spill_property --test spill_object -- --nocapture
	WEIR_KILLS=$(KILLS) $(CARGO) test $(CARGO_FLAGS) --profile $(TEST_PROFILE) --test sigkill --test memtable_sigkill --test spill_sigkill -- --nocapture
	WEIR_SEEDS=$(SEEDS) $(CARGO) test $(CARGO_FLAGS) --profile $(TEST_PROFILE) --test cache_model -- --nocapture
	WEIR_SEEDS=$(MEMTABLE_SEEDS) $(CARGO) test $(CARGO_FLAGS) --profile $(TEST_PROFILE) --test memtable_sim -- --nocapture

clean: ## remove all that was built or fetched
	$(CARGO) clean
	rm -rf $(VENV)

# The bindings and the packages; bench-bind.mk collects what the others bring.
include mk/cpp.mk mk/go.mk mk/java.mk mk/packages.mk mk/bench-bind.mk
