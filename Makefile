# Thin: the build is Meson's, the work is in tools/. On Debian 12 `make run` and `make test` first
# install what they lack.
JOBS := $(shell nproc)
PREFIX ?= /usr/local
# A machine that is to run barid needs none of the test packages, which bring other mail servers.
.DEFAULT_GOAL := build

.PHONY: deps build run test test-long check fuzz bench install clean

deps:
	@tools/deps build run test long bench

build:
	@tools/deps build
	@[ -f build/build.ninja ] || meson setup build >/dev/null
	@out=$$(ninja -C build -j$(JOBS) --quiet) || { echo "$$out"; exit 1; }

run: build
	@tools/deps run
	@tools/run

test:
	@tools/deps build run test
	@tools/test

test-long:
	@tools/deps build run test long
	@tools/test --long

check:
	@tools/deps build test
	@tools/test --check

fuzz:
	@tools/deps build test
	@tools/test --fuzz

bench: build
	@tools/deps bench
	@meson test -C build --no-rebuild --benchmark --verbose
	@bench/big
	@bench/lmtp
	@bench/imap
	@bench/outbound

install: build
	@tools/install "$(DESTDIR)" "$(PREFIX)"

clean:
	rm -rf build build-asan build-tsan build-fuzz
