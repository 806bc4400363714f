# Installing, releasing, and trying what was installed from outside of the tree.

# What is installed is what is shipped, unless another profile is asked for.
INSTALL_PROFILE ?= release
PREFIX  ?= /usr/local
LIBDIR  ?= lib
DESTDIR ?=
VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml | head -1)
PLATFORM := $(shell sh scripts/platform.sh)
DIST     = weir-$(VERSION)-$(PLATFORM)

.PHONY: install install-built uninstall dist
install: ## header, libraries, pkg-config, CMake, tool, manual pages (PREFIX=/usr/local DESTDIR= LIBDIR=lib INSTALL_PROFILE=release)
	$(MAKE) build PROFILE=$(INSTALL_PROFILE)
	$(MAKE) install-built PROFILE=$(INSTALL_PROFILE)

# Installs what was built before, with PROFILE: for a build as one user and an installation as another.
install-built:
	PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' DESTDIR='$(DESTDIR)' sh scripts/install.sh '$(OUT)'

uninstall: ## remove what install installed
	PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' DESTDIR='$(DESTDIR)' sh scripts/install.sh --uninstall

dist: ## a release tarball of what install installs, below target/
	$(MAKE) build PROFILE=$(INSTALL_PROFILE)
	$(MAKE) dist-built PROFILE=$(INSTALL_PROFILE)

.PHONY: dist-built
dist-built:
	sh scripts/dist.sh '$(OUT)' '$(abspath $(TARGET))' '$(DIST)'

.PHONY: test-packages run-package-tests check-static-libs
test-packages: ## consumers outside of the tree, against an installed prefix: CMake, pkg-config, static, Go, Maven
	$(MAKE) build PROFILE=$(TEST_PROFILE)
	$(MAKE) run-package-tests PROFILE=$(TEST_PROFILE)

run-package-tests:
	CC='$(CC)' sh tests/packages/run.sh '$(OUT)'

check-static-libs: ## the list of native libraries for static linking is rustc's
	sh scripts/static_libs.sh '$(CARGO)' $(CARGO_FLAGS) --profile $(TEST_PROFILE)
