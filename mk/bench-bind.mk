# What the bindings cost beside C. mk/<language>.mk adds its program as BIND_PROGRAMS += <language>=<command>, which may not have spaces, and the
# target that builds it to BIND_BUILD.

CXX      ?= c++
# That of `make bench`, whose build is used again.
BENCH_PROFILE ?= release
BIND_OUT := $(OUT)/bench-bind
BIND_PROGRAMS := c=$(BIND_OUT)/bench-c cpp=$(BIND_OUT)/bench-cpp $(BIND_PROGRAMS)

.PHONY: bench-bind run-bench-bind bench-bind-c
bench-bind: ## what the bindings cost beside C; `make bench` ends with it (DIR=… ROUNDS=… BENCH_PROFILE=release)
	$(MAKE) run-bench-bind PROFILE=$(BENCH_PROFILE) BUILD=--lib

run-bench-bind: bench-bind-c $(BIND_BUILD)
	sh benches/bind/run.sh $(if $(DIR),-d '$(DIR)') $(if $(ROUNDS),-r $(ROUNDS)) -o $(abspath $(TARGET))/bench/weir.jsonl $(BIND_PROGRAMS)

bench-bind-c: build
	CC='$(CC)' CXX='$(CXX)' PYTHON=$(PYTHON) sh benches/bind/build.sh $(OUT) $(BIND_OUT)
