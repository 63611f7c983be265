# A thin front: the work is done by tools/ and CMake.
.PHONY: test check deps clean help

help:
	@echo "make test    installs what is missing, builds with sanitizers, runs all tests"
	@echo "make check   builds and runs the unit tests without installing anything"
	@echo "make clean   removes the build folder"

test:
	tools/install test
	tools/test

check:
	tools/test

deps:
	tools/deps release

clean:
	rm -rf build
