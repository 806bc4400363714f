# The Go binding: tests, examples and benchmark.

# Where Go's installer puts it is searched too, as it is often not in the path of make.
GO     ?= $(or $(shell command -v go 2>/dev/null),$(wildcard /usr/local/go/bin/go))
GO_OUT := $(OUT)/go
# The library of this tree, for cgo: a weir.pc as an installation has one. Programs find the library by their run path.
GO_ENV  = PKG_CONFIG_PATH='$(GO_OUT)' CGO_ENABLED=1 CC='$(CC)'
GO_MODULES := bindings/go examples/go benches/bind/go
GO_MISSING := go 1.25 or newer is missing; get it from https://go.dev/dl/ or set GO=/path/to/go

.PHONY: test-go run-go-tests examples-go go-pc
ifeq ($(GO),)
test-go:
	sh scripts/skip.sh Go "$(GO_MISSING)"
run-go-tests examples-go:
	@echo "weir: $(GO_MISSING)" >&2; exit 1
else
test-go: ## the Go binding: tests, race detector, cgo's pointer checks, examples
	sh scripts/need.sh pkg-config pkg-config
	$(MAKE) run-go-tests examples-go PROFILE=$(TEST_PROFILE)

run-go-tests: build go-pc
	unformatted=$$("$$($(GO) env GOROOT)/bin/gofmt" -l $(GO_MODULES)); test -z "$$unformatted" || { echo "not formatted: $$unformatted" >&2; exit 1; }
	for module in $(GO_MODULES); do (cd $$module; $(GO_ENV) $(GO) vet ./...); done
	cd bindings/go; $(GO_ENV) $(GO) test -count=1 -timeout 10m ./...
	cd bindings/go; $(GO_ENV) $(GO) test -count=1 -timeout 10m -race ./...
	cd bindings/go; $(GO_ENV) GOEXPERIMENT=cgocheck2 $(GO) test -count=1 -timeout 10m ./...
	cd examples/go; $(GO_ENV) $(GO) test -count=1 -timeout 10m -race ./...

examples-go: build go-pc ## the Go examples, built below target/; the quickstart is run: ingest, kill -9, recover, tail
	cd examples/go; $(GO_ENV) $(GO) build -o '$(OUT)/examples/go/' ./...
	$(OUT)/examples/go/quickstart examples/data/flights.arrow

BIND_PROGRAMS += go=$(OUT)/bench-bind/bench-go
BIND_BUILD    += bench-bind-go
.PHONY: bench-bind-go
bench-bind-go: build go-pc
	cd benches/bind/go; $(GO_ENV) $(GO) build -o '$(OUT)/bench-bind/bench-go' .
endif

go-pc:
	mkdir -p '$(GO_OUT)'
	{ echo 'Name: weir'; echo 'Description: weir, not installed'; echo 'Version: 0'; \
	  echo 'Cflags: -I"$(CURDIR)/include"'; echo 'Libs: -L"$(OUT)" -Wl,-rpath,"$(OUT)" -lweir'; } >'$(GO_OUT)/weir.pc'
