# Everything this repository needs beyond Go, Python and make is installed by
# the targets below into .tools/. `make help` lists them.

GO            ?= go
PYTHON        ?= python3
GOLANGCI_LINT := v2.15.0
UV            := 0.13.9
VERSION       ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS       := -s -w -X main.version=$(VERSION)
FUZZTIME      ?= 30s
TOOLS         := $(CURDIR)/.tools
LINTER        := $(TOOLS)/bin/golangci-lint
LINTER_STAMP  := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT).stamp
UV_STAMP      := $(TOOLS)/uv-$(UV).stamp
SHIM_LIBS     := $(TOOLS)/shim-libs

# The project's own tools come first, so that `make run` uses what it installed.
export PATH := $(TOOLS)/bin:$(PATH)
export GOLANGCI_LINT_CACHE ?= $(TOOLS)/cache/golangci-lint

.DEFAULT_GOAL := build
.PHONY: help build run test check lint fmt shim-test shim-libs test-frameworks measure-frameworks generate generate-check fuzz cross tools uv toolchain clean bench bench-full bench-check budget soak

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## leave bin/runagent, static and reproducible
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/runagent ./cmd/runagent

run: uv build ## serve examples/assistant, a LangGraph agent that needs no key
	bin/runagent serve examples/assistant $(ARGS)

test: tools toolchain shim-libs ## all there is: lint, generated files, shim, then unit, conformance and e2e with -race
	@MAKE='$(MAKE)' GO='$(GO)' scripts/test.sh all

check: tools ## the quick subset: lint and the short tests of Go and shim
	@MAKE='$(MAKE)' GO='$(GO)' scripts/test.sh quick

lint: $(LINTER_STAMP) ## golangci-lint by .golangci.yml
	$(LINTER) run ./...

fmt: $(LINTER_STAMP) ## format the Go files
	$(LINTER) fmt ./...

shim-test: shim-libs ## the shim's Python tests, under every Python 3.9+ found
	@scripts/shim-test.sh all

test-frameworks: uv toolchain ## agents of every framework, template and example, with their real packages: all tests, 200 instances each
	RUNAGENT_TEST_NETWORK=1 RUNAGENT_TEST_FRAMEWORKS=$(or $(FRAMEWORKS),all) \
		$(GO) test -timeout 60m -parallel 2 -skip '^TestFrameworksFork$$' ./test/frameworks/ ./test/templates/ ./examples/
	RUNAGENT_TEST_NETWORK=1 RUNAGENT_TEST_FRAMEWORKS=$(or $(FRAMEWORKS),all) \
		$(GO) test -timeout 90m -run '^TestFrameworksFork$$' -v ./test/frameworks/

measure-frameworks: uv ## write the measured table of docs/frameworks.md again (a quiet machine, a minute for each framework)
	RUNAGENT_TEST_NETWORK=1 RUNAGENT_MEASURE_FRAMEWORKS=1 RUNAGENT_TEST_FRAMEWORKS=$(or $(FRAMEWORKS),all) \
		$(GO) test -count=1 -timeout 60m -run '^TestMeasure$$' -v ./test/frameworks/

shim-libs: $(SHIM_LIBS)/stamp

$(SHIM_LIBS)/stamp: shim/python/tests/requirements.txt $(UV_STAMP)
	@echo "installing the libraries of the shim's tests into .tools/shim-libs (once)"
	@uv venv -q --clear --python $(PYTHON) $(SHIM_LIBS)
	@uv pip install -q --python $(SHIM_LIBS)/bin/python -r $<
	@touch $@

generate: ## write again what is generated from code
	$(GO) generate ./...

generate-check: ## fail if a generated file is not what `make generate` writes
	@scripts/generate-check.sh '$(GO)'

fuzz: ## every fuzz target for FUZZTIME (default 30s)
	@scripts/fuzz.sh '$(GO)' '$(FUZZTIME)'

cross: ## build for the other systems that `serve` runs on
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) build -o /dev/null ./...
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 $(GO) build -o /dev/null ./...

tools: uv $(LINTER_STAMP) ## install the pinned tools into .tools/

uv: $(UV_STAMP)

$(UV_STAMP):
	@scripts/install-uv.sh '$(PYTHON)' '$(UV)' '$(TOOLS)'
	@touch $@

$(LINTER_STAMP):
	@mkdir -p $(TOOLS)/bin
	@echo "installing golangci-lint $(GOLANGCI_LINT) into .tools/bin (about a minute, once)"
	@GOFLAGS= GOBIN=$(TOOLS)/bin $(GO) install -trimpath \
		github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT)
	@touch $@

bench: uv ## measure beside other servers, short (6 to 9 minutes)
	@$(GO) run ./bench $(ARGS)

bench-full: uv ## measure beside all servers, all workloads (about 20 minutes)
	@$(GO) run ./bench -set full $(ARGS)

bench-check: uv ## fail when a ratio fell by more than a quarter below bench/floors.json
	@$(GO) run ./bench -set check $(ARGS)

budget: uv ## what serve may take to start, to follow a save and to hold in memory, each beside its limit (3 minutes)
	@$(GO) run ./bench/budget $(ARGS)

soak: uv ## half an hour of mixed load with kills: every call has its record, and nothing grows
	@$(GO) run ./bench/soak $(ARGS)

# The race detector needs a C compiler; nothing else here does.
toolchain:
	@scripts/install-cc.sh

clean: ## remove what was built and installed
	rm -rf bin dist coverage.out .tools
