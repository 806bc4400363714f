# The C++ binding: tests and examples.

CXX ?= c++

.PHONY: test-cpp run-cpp-tests examples-cpp
test-cpp: $(VENV)/.ready ## the C++ binding: g++ and clang++, sanitizers, valgrind, Arrow C++, nanoarrow
	if missing=$$(sh scripts/need.sh g++ g++ 2>&1 >/dev/null); then \
	  sh scripts/need.sh valgrind valgrind; \
	  $(MAKE) run-cpp-tests examples-cpp PROFILE=$(TEST_PROFILE); \
	else sh scripts/skip.sh C++ "$$missing"; fi

run-cpp-tests: build
	CC='$(CC)' CXX=g++ CXX2=clang++ PYTHON=$(PYTHON) sh tests/cpp/run.sh $(OUT)

examples-cpp: build ## the C++ examples, built and run: ingest, kill -9, recover, tail
	mkdir -p $(OUT)/examples/cpp
	for name in quickstart minimal; do \
	  $(CXX) -O2 -g -std=c++17 -Wall -Wextra -Wpedantic -Werror -Iinclude -Ibindings/cpp/include -o $(OUT)/examples/cpp/$$name examples/cpp/$$name.cpp \
	    -pthread -L$(OUT) -lweir -Wl,-rpath,$(OUT); \
	done
	$(OUT)/examples/cpp/quickstart examples/data/flights.arrow
	lines=$$($(OUT)/examples/cpp/minimal examples/data/flights.arrow); echo "$$lines" | grep '^tail  position 16, 250 rows$$'
