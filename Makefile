# SPDX-License-Identifier: MIT
#
# Names for commands.  The build itself is in meson.build.
PREFIX ?= /usr/local
DESTDIR ?=
ARGS ?=
SECONDS ?= 60
PYTHON := $(firstword $(wildcard /usr/bin/python3) python3)
MESON := $(firstword $(wildcard /usr/bin/meson) meson)
export MAKEFLAGS :=

.PHONY: help check run install bench guard asan tsan fuzz soak coverage windows check-windows clean

help:
	@echo 'make check              build and run every test'
	@echo 'make run                build and show what weir does'
	@echo 'make run ARGS="..."     build and run: weir ...'
	@echo 'make install            build and install  [PREFIX=/usr/local] [DESTDIR=]'
	@echo 'make bench              build for speed and run the benchmarks'
	@echo 'make guard              compare instruction counts with those kept  [ARGS=--write]'
	@echo 'make asan, make tsan    run the tests under sanitizers'
	@echo 'make fuzz               run every fuzzer  [SECONDS=60]'
	@echo 'make soak               run new simulated schedules  [SECONDS=60]'
	@echo 'make coverage           which lines and branches the tests take  [ARGS=--write]'
	@echo 'make windows            build for Windows, in build-windows'
	@echo 'make check-windows      run the tests of that, under Wine'
	@echo 'make clean              remove the build folders'

check:
	@scripts/deps.sh test
	@scripts/setup.sh build -Dtests=enabled
	@ninja -C build
	@scripts/runtests.sh build

# What the build prints goes to standard error: standard output belongs to weir.
run:
	@scripts/deps.sh build >&2
	@scripts/setup.sh -k build >&2
	@ninja -C build weir >&2
ifeq ($(strip $(ARGS)),)
	@scripts/demo.sh build/weir
else
	@build/weir $(ARGS)
endif

install:
	@scripts/deps.sh build
	@scripts/setup.sh build-release --buildtype=release -Dtests=disabled --prefix='$(PREFIX)'
	@ninja -C build-release
	@DESTDIR='$(DESTDIR)' $(MESON) install -C build-release --no-rebuild
	@if [ -z '$(DESTDIR)' ] && [ "$$(id -u)" = 0 ]; then ldconfig || true; fi

bench:
	@scripts/deps.sh bench
	@scripts/setup.sh build-bench --buildtype=release -Dtests=disabled -Dbench=true
	@ninja -C build-bench
	@WEIR='$(CURDIR)/build-bench/weir' WEIR_BUILD='$(CURDIR)/build-bench' WEIR_SRC='$(CURDIR)' \
		$(PYTHON) bench/run.py $(ARGS)

guard:
	@scripts/deps.sh test
	@scripts/setup.sh build-bench --buildtype=release -Dtests=disabled -Dbench=true
	@ninja -C build-bench
	@WEIR_BUILD='$(CURDIR)/build-bench' $(PYTHON) bench/guard.py $(ARGS)

asan:
	@scripts/deps.sh test
	@scripts/sanitize.sh address,undefined build-asan

tsan:
	@scripts/deps.sh test
	@scripts/sanitize.sh thread build-tsan

fuzz:
	@scripts/deps.sh test
	@scripts/fuzz.sh $(SECONDS)

soak:
	@scripts/deps.sh build
	@scripts/setup.sh -k build
	@ninja -C build weir-sim
	@build/weir-sim --seconds $(SECONDS)

# Assertions are left out: a branch into abort() is not to be taken.
coverage:
	@scripts/deps.sh test
	@CC=gcc scripts/setup.sh build-coverage --buildtype=debug -Dtests=enabled \
		-Db_coverage=true -Db_ndebug=true
	@find build-coverage -name '*.gcda' -delete
	@WEIR_TEST_QUICK=1 $(MESON) test -C build-coverage --print-errorlogs --suite unit --suite flow
	@$(PYTHON) scripts/coverage.py build-coverage $(ARGS)

windows:
	@scripts/deps.sh windows
	@scripts/windows.sh -Dtests=enabled $(ARGS)

# Wine starts programs slowly.
check-windows: windows
	@scripts/wine.sh scripts/runtests.sh build-windows -t 5

clean:
	rm -rf build build-*
