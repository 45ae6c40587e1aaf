# What `sam build` runs for each function, in its folder, so that it and `make build` give the same bytes: a small static
# binary, without the commit in it, so that one whose sources did not change is not deployed again. The tags leave out what
# nothing here uses: the runtime of go1.x, and HTTP/2, which is a twentieth of an authorizer. SAM does not say for which
# architecture it builds: that is the template's default, or ARCHITECTURE in the environment.

ROOT := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))..
ARCHITECTURE ?= arm64

build-%:
	CGO_ENABLED=0 GOOS=linux GOARCH=$(ARCHITECTURE:x86_64=amd64) \
		go build -trimpath -buildvcs=false -tags=lambda.norpc,nethttpomithttp2 -ldflags='-s -w' -o $(ARTIFACTS_DIR)/bootstrap .

# The page is in the binary.
build-Console: console
.PHONY: console
console:
	@$(MAKE) --no-print-directory -C $(ROOT) console
