# A thin front: the work is done by tools/ and CMake.
.PHONY: help run test check soak bench install format clean deps
PREFIX ?= /usr/local

help:
	@echo "make run      installs what is missing, builds, starts the server with an example on port 55000"
	@echo "make test     installs what is missing, builds with sanitizers, runs all tests"
	@echo "make check    the tests without installing anything"
	@echo "make soak     the long tests: hundreds of kill -9, minutes of fuzzing"
	@echo "make bench    beside happn-3, Redis, NATS and mosquitto; prints a table of ratios"
	@echo "make install  headers, library and program to PREFIX (default /usr/local)"
	@echo "make format   formats the C sources"
	@echo "make clean    removes the build folder"

run:
	@tools/install
	@tools/run

test:
	@tools/install test
	@tools/test

check:
	@tools/test

soak:
	@tools/install test
	@tools/soak

bench:
	@tools/install
	@tools/bench

install:
	@tools/build release
	cmake --install build/release --prefix $(PREFIX)

format:
	@tools/format

deps:
	@tools/deps release

clean:
	rm -rf build
