# The one way to do things here; CI runs these too. `make help` lists them.

GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION   := v1.9.0
OASDIFF_VERSION       := v1.38.0
ACTIONLINT_VERSION    := v1.7.7
CYCLONEDX_VERSION     := v1.10.0

GO     ?= go
NPM    ?= npm
PYTHON ?= python3

ARCHITECTURE ?= arm64

# Everything that is installed stays in this folder, by version, so that a second run finds it.
LINT        := .tools/golangci-lint-$(GOLANGCI_LINT_VERSION)/golangci-lint
GOVULNCHECK := .tools/govulncheck-$(GOVULNCHECK_VERSION)/govulncheck
OASDIFF     := .tools/oasdiff-$(OASDIFF_VERSION)/oasdiff
ACTIONLINT  := .tools/actionlint-$(ACTIONLINT_VERSION)/actionlint
CYCLONEDX   := .tools/cyclonedx-gomod-$(CYCLONEDX_VERSION)/cyclonedx-gomod
VENV        := .tools/venv
SAM         := SAM_CLI_TELEMETRY=0 $(VENV)/bin/sam
EXAMPLES    := examples/node/build/.built examples/cdk/build/.built

EXAMPLE_TEMPLATES := $(filter-out examples/gateway-responses.yaml examples/github-actions/%,$(wildcard examples/*.yaml examples/*/*.yaml))

# What the OpenAPI document was when people last could rely on it.
BASELINE := docs/openapi.json

# The console is built into the folder that pkg/console embeds: once, until its sources change.
CONSOLE         := pkg/console/built/site/index.html
CONSOLE_MODULES := console/node_modules/.installed
CONSOLE_SOURCES := $(shell find console/src console/reference -type f) $(addprefix console/,index.html vite.config.ts tsconfig.json tools/check-size.mjs)

# Lambda loads the binary at each cold start. The authorizers' limit is a promise of the docs.
AUTHORIZER_LIMIT := 7500000

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
.PHONY: help deps run test lint vuln validate checkov build bench crowd soak overload e2e restore-drill contract baseline clients oracle console console-api console-dev console-test oidc-clients deploy package reproduce deploy-emulated sam-local clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## Install what `bitting local` needs: a DynamoDB stand-in, once for all checkouts
	@$(GO) list -f '{{.Stale}}' ./pkg/local | grep -q false || echo 'Compiling. The first time, this takes some minutes.'
	@$(GO) run ./cmd/bitting local deps

run: deps ## Run all of it on this machine, without AWS (ARGS='--fresh --profile cached' passes flags)
	@if command -v $(NPM) >/dev/null; then $(MAKE) console; else \
		echo 'There is no npm here, so no console: Node 20.19 or later brings it.'; fi
	@$(GO) build -o bin/bitting ./cmd/bitting
	@exec bin/bitting local $(ARGS)

# Long searches and loads in one goroutine: the race detector sees nothing there, and takes several times as long. It also
# allocates, which is what bench counts.
UNRACED := pkg/policy pkg/store/scale bench bench/simulation

test: deps $(VENV)/.installed $(EXAMPLES) ## Run every test, with the race detector (TESTFLAGS='-run Name ./pkg/check' narrows)
ifdef TESTFLAGS
	$(GO) test -race -timeout 30m $(TESTFLAGS)
else
	$(GO) test -timeout 30m $(UNRACED:%=./%)
	$(GO) test -race -timeout 30m $$($(GO) list ./... | grep -v $(UNRACED:%=-e '/%$$'))
endif

lint: $(LINT) $(ACTIONLINT) ## Check format, vet and lint
	$(LINT) run ./...
	$(ACTIONLINT) -shellcheck= .github/workflows/*.yml examples/github-actions/bitting.yml

vuln: $(GOVULNCHECK) ## Look for known vulnerabilities that our code reaches (GOVULNDB=url for a mirror)
	tools/vuln $(GOVULNCHECK)

validate: $(VENV)/.installed $(EXAMPLES) ## Check template.yaml and the examples with SAM and cfn-lint
	for template in template.yaml $(EXAMPLE_TEMPLATES); do \
		$(SAM) validate --region us-east-1 --template $$template && \
		$(SAM) validate --lint --region us-east-1 --template $$template || exit; \
	done
	$(VENV)/bin/cfn-lint template.yaml $(EXAMPLE_TEMPLATES)
	$(VENV)/bin/cfn-lint --ignore-checks W3005 -- examples/cdk/cdk.out/Orders.template.json # a dependency that the CDK itself adds

checkov: .tools/checkov/.installed ## Look for what checkov knows to be unsafe in template.yaml (.checkov.yaml has the answers)
	.tools/checkov/bin/checkov --config-file .checkov.yaml

build: $(VENV)/.installed $(CONSOLE) ## Build the Lambda functions into .aws-sam/build (ARCHITECTURE=x86_64 for another than arm64)
	ARCHITECTURE=$(ARCHITECTURE) $(SAM) build --parameter-overrides Architecture=$(ARCHITECTURE)
	@cd .aws-sam/build && for binary in */bootstrap; do \
		size=$$(wc -c <"$$binary"); printf '%10d  %s\n' "$$size" "$$binary"; \
		case $$binary in AdminAuthorizer/*) ;; *Authorizer/*) \
			if [ "$$size" -gt $(AUTHORIZER_LIMIT) ]; then echo "larger than $(AUTHORIZER_LIMIT) bytes: $$binary"; exit 1; fi;; \
		esac; \
	done

bench: deps $(VENV)/.installed bench/node/node_modules/.installed ## Compare the authorizer with what one writes oneself (Linux; BENCHFLAGS='-rounds 1')
	$(GO) test -run '^$$' -bench . -skip Compare -benchmem ./...
	$(GO) test -timeout 60m -run '^$$' -bench Compare -benchtime 1x ./bench $(BENCHFLAGS)

crowd: ## Fill a running `bitting local` with a million keys, and measure on the way (CROWDFLAGS='-each 0' puts all into one organization)
	$(GO) run ./bench/crowd $(CROWDFLAGS)

soak: deps ## Call a `bitting local` for 30 minutes at half of its maximum, while keys change (Linux; SOAKFLAGS='-for 10m')
	@$(GO) build -o bin/bitting ./cmd/bitting
	$(GO) run ./bench/soak -mode soak $(SOAKFLAGS)

overload: deps ## Call a `bitting local` for 10 minutes at three times its maximum, and see that it recovers (Linux; SOAKFLAGS)
	@$(GO) build -o bin/bitting ./cmd/bitting
	$(GO) run ./bench/soak -mode overload $(SOAKFLAGS)

e2e: deps ## Run the tests that start `bitting local` and use it from outside
	$(GO) test -count=1 -v -run '^TestEndToEnd' ./cmd/bitting/...

restore-drill: deps ## Restore a table core on this machine, and see that what was revoked since stays revoked
	$(GO) test -count=1 -v -run '^TestEndToEndRestoreDrill$$' ./cmd/bitting

contract: $(OASDIFF) ## Compare the OpenAPI document with its baseline: what breaks clients fails
	@mkdir -p bin
	$(GO) run ./pkg/adminapi/generate bin/openapi.json
	$(OASDIFF) breaking --fail-on WARN $(BASELINE) bin/openapi.json

baseline: ## Take the OpenAPI document and the indexes as they are for the new baseline, at a release
	$(GO) run ./pkg/adminapi/generate $(BASELINE)
	$(GO) test -count=1 -run '^TestIndexesChangeOneByOne$$' . -update

clients: deps ## Generate clients in Go, TypeScript and Python from the OpenAPI document, import it into Postman, and use them
	tools/clients/run

oracle: ## Ask somebody else's reading of IAM about every role and 50,000 documents of the authorizers
	@mkdir -p bin
	$(GO) test -count=1 -run '^TestRolesAllowThisAndNoMore$$' . -args -oracle $(CURDIR)/bin/roles.jsonl
	$(GO) test -count=1 -timeout 30m -run '^TestPolicyIsDecision$$' ./pkg/policy -rapid.checks=1500 -args -oracle $(CURDIR)/bin/policies.jsonl
	@cd tools/oracle && $(NPM) ci --no-audit --no-fund --no-update-notifier --loglevel=error
	node tools/oracle/compare.mjs bin/roles.jsonl bin/policies.jsonl

console: $(CONSOLE) ## Build the console, if its sources changed
	@:

console-api: $(CONSOLE_MODULES) ## Generate the console's client from the OpenAPI document
	@$(GO) run ./pkg/adminapi/generate console/node_modules/.openapi.json
	@cd console && npx --no-install openapi-typescript node_modules/.openapi.json --output src/api/schema.ts >/dev/null

console-dev: $(CONSOLE_MODULES) ## Serve the console with hot reload, beside a running `make run` (BITTING_URL for another address)
	@cd console && npm run --silent dev

console-test: deps $(CONSOLE) ## Check the console, and use it in Chromium (CHROMIUM=path; SKIP_BROWSER=1 leaves the browser out)
	@NPM=$(NPM) console/tools/test

oidc-clients: ## Sign in at `bitting local` with OpenID Connect libraries (URL=http://127.0.0.1:4000 for a running one)
	@GO=$(GO) NPM=$(NPM) PYTHON=$(PYTHON) tools/oidc-clients/run $(URL)

# Else functions would be built for one architecture and run on another.
ifneq ($(findstring Architecture=,$(PARAMETERS) $(ARGS)),)
$(error give ARCHITECTURE=x86_64 in place of the parameter Architecture)
endif
ifneq ($(findstring --parameter-overrides,$(ARGS)),)
$(error give parameters in PARAMETERS: of two --parameter-overrides the last counts)
endif

# Authorizers behind an alias publish a version for each name.
RELEASE := $(shell date -u +%Y%m%dT%H%M%SZ)

deploy: build ## Deploy to the AWS account of your credentials (PARAMETERS='Profile=fast' ARCHITECTURE=x86_64)
	$(SAM) deploy --parameter-overrides Architecture=$(ARCHITECTURE) Release=$(RELEASE) $(PARAMETERS) $(ARGS)
ifeq ($(findstring DeletionProtection=,$(PARAMETERS)),)
	@echo 'Deployed. What must not be lost is protected from now on:' # SAM keeps the parameters that are not given
	$(SAM) deploy --parameter-overrides Architecture=$(ARCHITECTURE) Release=$(RELEASE) $(PARAMETERS) DeletionProtection=on $(ARGS)
endif

# What a release is called: a tag, or the commit.
VERSION ?= $(shell git describe --tags --always --dirty)

package: build $(CYCLONEDX) ## Make a release in dist/, which the AWS CLI alone deploys (VERSION=v1.0.0 ARCHITECTURE=x86_64)
	@GO=$(GO) PYTHON=$(PYTHON) tools/package/run $(CYCLONEDX) $(ARCHITECTURE) "$(VERSION)"

reproduce: package ## Make the release twice, from nothing, and see that both are the same (a few minutes)
	@tools/package/reproduce $(ARCHITECTURE) "$(VERSION)"

OUR_ARCHITECTURE = $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)

deploy-emulated: $(VENV)/.installed ## Deploy to an emulation of AWS on this machine, use it, delete it, deploy again (Linux only)
	@PLATFORMS=none $(MAKE) package VERSION=emulated ARCHITECTURE=$(OUR_ARCHITECTURE)
	@GO=$(GO) PYTHON=$(PYTHON) tools/emulated/run

sam-local: $(VENV)/.installed ## Run the functions in containers by `sam local`, and compare with `bitting local` (ARGS=--serve only prepares)
	@$(VENV)/bin/python tools/sam-local/run.py --engine
	@$(MAKE) deps build ARCHITECTURE=$(OUR_ARCHITECTURE)
	@GO=$(GO) $(VENV)/bin/python tools/sam-local/run.py $(ARGS)

clean: ## Remove what these commands made, but not the data of `bitting local`
	rm -rf .aws-sam .tools bin dist node_modules tools/oidc-clients/node_modules tools/oracle/node_modules examples/*/node_modules examples/*/build examples/*/cdk.out bench/node/node_modules console/node_modules console/screens pkg/console/built/site

$(CONSOLE_MODULES): console/package.json console/package-lock.json
	@echo 'Installing what the console is built with.'
	@cd console && $(NPM) ci --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@

$(CONSOLE): $(CONSOLE_MODULES) $(CONSOLE_SOURCES)
	@echo 'Building the console. This takes about a minute, and is done again only when it changes.'
	@cd console && $(NPM) run --silent build

$(VENV)/.installed: tools/requirements.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement tools/requirements.txt
	@touch $@

.tools/checkov/.installed: tools/checkov/requirements.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

bench/node/node_modules/.installed: bench/node/package-lock.json
	cd bench/node && $(NPM) ci --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@

$(EXAMPLES): examples/%/build/.built: examples/%/package-lock.json $(wildcard examples/*/*.ts examples/gateway-responses.yaml)
	cd examples/$* && $(NPM) ci --no-audit --no-fund --no-update-notifier --loglevel=error && $(NPM) run --silent build
	@touch $@

$(LINT):
	GOBIN=$(CURDIR)/$(@D) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

$(OASDIFF):
	GOBIN=$(CURDIR)/$(@D) $(GO) install github.com/oasdiff/oasdiff@$(OASDIFF_VERSION)

$(ACTIONLINT):
	GOBIN=$(CURDIR)/$(@D) $(GO) install github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)

$(CYCLONEDX):
	GOBIN=$(CURDIR)/$(@D) $(GO) install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION)

$(GOVULNCHECK):
	GOBIN=$(CURDIR)/$(@D) $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
