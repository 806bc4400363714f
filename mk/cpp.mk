# The C++ binding: tests and examples.

CXX ?= c++

.PHONY: test-cpp run-cpp-tests examples-cpp
test-cpp: $(VENV)/.ready ## the C++ binding: g++ and clang++, sanitizers, valgrind, Arrow C++, nanoarrow
	sh scripts/need.sh g++ g++
	sh scripts/need.sh clang++ clang
	sh scripts/need.sh valgrind valgrind
	$(MAKE) build PROFILE=$(TEST_PROFILE)
	$(MAKE) run-cpp-tests examples-cpp PROFILE=$(TEST_PROFILE)

run-cpp-tests:
	CC='$(CC)' CXX=g++ CXX2=clang++ PYTHON=$(PYTHON) sh tests/cpp/run.sh $(OUT)

examples-cpp: ## the C++ example, built and run: ingest, kill -9, recover, tail
	mkdir -p $(OUT)/examples/cpp
	for name in quickstart minimal; do \
	  $(CXX) -O2 -g -std=c++17 -Wall -Wextra -Wpedantic -Werror -Iinclude -Ibindings/cpp/include -o $(OUT)/examples/cpp/$$name examples/cpp/$$name.cpp \
	    -pthread -L$(OUT) -lweir -Wl,-rpath,$(OUT); \
	done
	$(OUT)/examples/cpp/quickstart examples/data/flights.arrow
	lines=$$($(OUT)/examples/cpp/minimal examples/data/flights.arrow); echo "$$lines" | grep '^tail  position 16, 250 rows$$'
