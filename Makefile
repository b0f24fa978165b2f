# Two commands matter: `make run` (the main job, from nothing) and `make check` (the gate).
# ARGS are handed to the command: `make run ARGS=--once`, `make test ARGS="-k quota"`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS ?=
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help run test check format lint types contracts unused news coverage bench protos lock clean
.PHONY: filters

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

# ---------------------------------------------------------------- installing
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is older than 3.11; next step: make PYTHON=python3.11 ..."; exit 1; }
	@echo "[1/3] creating the virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/run.lock pyproject.toml | $(BIN)/python
	@echo "[2/3] installing locked dependencies (about 60 MB to fetch the first time)"
	@$(PIP) install --quiet --require-hashes -r requirements/run.lock
	@echo "[3/3] installing remixer"
	@$(PIP) install --quiet --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.lock pyproject.toml | $(BIN)/python
	@echo "[2/3] installing locked dependencies, development tools included"
	@$(PIP) install --quiet --require-hashes -r requirements/dev.lock
	@echo "[3/3] installing remixer"
	@$(PIP) install --quiet --no-deps --editable .
	@touch $@ $(VENV)/.run

# ---------------------------------------------------------------- running
run: $(VENV)/.run ## Start Remixer, a real Envoy and an upstream; ARGS=--once to only prove it
	@$(BIN)/remixer demo $(ARGS)

# ---------------------------------------------------------------- the gate
check: lint types contracts unused news filters coverage ## Everything that must pass before a change lands

test: $(VENV)/.dev ## All tests
	$(BIN)/pytest -n $(JOBS) $(ARGS)

coverage: $(VENV)/.dev ## All tests, with the floor on coverage
	$(BIN)/pytest -n $(JOBS) --cov --cov-report=term:skip-covered $(ARGS)

format: $(VENV)/.dev ## Rewrite sources in the one format
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: $(VENV)/.dev ## Format and lint, without changing anything
	$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: $(VENV)/.dev ## Static types, strict
	$(BIN)/mypy

contracts: $(VENV)/.dev ## Which room may import which
	$(BIN)/lint-imports

unused: $(VENV)/.dev ## Dependencies declared and used agree
	$(BIN)/deptry src

news: $(VENV)/.dev ## News fragments are well-formed
	$(BIN)/towncrier build --draft --version next > /dev/null

# ---------------------------------------------------------------- the optional compiled build
# A copy of the package, its sources beside what was compiled from them, so that nothing runs that
# is older than its source: the checkout itself always runs as it is written.
.PHONY: compiled check-compiled
COMPILED := build/compiled
COMPILED_FROM = $(shell find src -name __pycache__ -prune -o \( -name '*.py' -o -type d \) -print)
COMPILED_TESTS := tests/unit/transport tests/property/test_transport_core_laws.py \
  tests/contract/test_grpc_server.py tests/unit/tiers tests/unit/wire tests/unit/frontends \
  tests/property/test_cache_laws.py tests/property/test_memory_table_laws.py \
  tests/property/test_layout_laws.py tests/property/test_wire_laws.py

compiled: $(COMPILED)/.built ## The hottest modules as machine code, in build/compiled (needs gcc)
	@echo "compiled:" && find $(COMPILED) -name '*.so' | sort | sed 's/^/  /'
	@echo "use it:   PYTHONPATH=$(COMPILED) $(BIN)/remixer serve ...   (a wheel: docs/operations.md)"
	@echo "undo it:  rm -r $(COMPILED)"

check-compiled: $(COMPILED)/.built $(VENV)/.dev ## The tests of the compiled modules, with them
	@PYTHONPATH=$(COMPILED) $(BIN)/python -c 'import sys, remixer.transport.core.connection as it; \
	  sys.exit(not it.__file__.endswith(".so") and f"error: not compiled: {it.__file__}")'
	PYTHONPATH=$(COMPILED) $(BIN)/pytest $(COMPILED_TESTS) $(ARGS)

$(COMPILED)/.built: $(VENV)/.run pyproject.toml hatch_build.py compile_modules.py $(COMPILED_FROM)
	@rm -rf $(COMPILED) $(COMPILED)-wheel
	@echo "compiling (half a minute)"
	@HATCH_BUILD_HOOK_ENABLE_CUSTOM=true $(PIP) wheel --quiet --no-deps \
	  --wheel-dir $(COMPILED)-wheel .
	@$(PIP) install --quiet --no-deps --target $(COMPILED) $(COMPILED)-wheel/*.whl
	@touch $@

# ---------------------------------------------------------------- the filters inside Envoy
# Strict C11, warnings are errors; everything but the hooks stays inside the shared object.
FILTER_CC ?= gcc
FILTER_FLAGS := -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -Wconversion -fPIC \
  -fvisibility=hidden -pthread
FILTER_SOURCES := $(wildcard filters/*.c)
FILTERS := build/libremixer_envoy.so

filters: $(FILTERS) ## The Envoy filters of filters/, as build/libremixer_envoy.so (needs gcc)

FILTER_TESTS := $(wildcard filters/tests/*.c)
# Which sanitizers; the name of the program tells.
build/filter-tests: FILTER_CHECKS := -O1
build/filter-tests-asan: FILTER_CHECKS := -O1 -fsanitize=address,undefined -fno-sanitize-recover
build/filter-tests-tsan: FILTER_CHECKS := -O1 -fsanitize=thread

build/filter-tests build/filter-tests-asan build/filter-tests-tsan: \
  $(FILTER_SOURCES) $(FILTER_TESTS) $(wildcard filters/*.h filters/tests/*.h)
	@mkdir -p $(@D)
	@$(FILTER_CC) $(FILTER_FLAGS) -g $(FILTER_CHECKS) -o $@ $(FILTER_SOURCES) $(FILTER_TESTS) -lm

$(FILTERS): $(FILTER_SOURCES) $(wildcard filters/*.h)
	@mkdir -p $(@D)
	@$(FILTER_CC) $(FILTER_FLAGS) -shared -Wl,-Bsymbolic -o $@.new $(FILTER_SOURCES) -lm
	@mv $@.new $@

# ---------------------------------------------------------------- the rest
bench: $(VENV)/.dev ## The benchmark table (needs Debian's nghttp2-client for the gRPC rows)
	$(BIN)/python -m bench $(ARGS)

protos: $(VENV)/.dev ## Regenerate the committed protobuf code
	$(BIN)/python protos/generate.py

lock: $(VENV)/.dev ## Refresh the lock files from requirements/*.in
	$(PIP) install --quiet uv
	cd requirements && for set in run dev; do ../$(BIN)/uv pip compile --quiet --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --python-version 3.11 --universal \
	  $$set.in -o $$set.lock; done

clean: ## Remove what the build made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage

# ---------------------------------------------------------------- long proofs of the transport
MINUTES ?= 10
.PHONY: fuzz soak node

$(VENV)/.fuzz: requirements/fuzz.lock $(VENV)/.dev
	@$(PIP) install --quiet --require-hashes -r requirements/fuzz.lock
	@touch $@

fuzz: $(VENV)/.fuzz ## Look for bytes that break the transport: MINUTES=10
	$(BIN)/python -m tests.fuzz.fuzz --minutes $(MINUTES)

soak: $(VENV)/.dev ## Treat the transport badly and watch its memory: MINUTES=10
	$(BIN)/python tests/soak/soak.py --minutes $(MINUTES)

node: $(VENV)/.dev ## Let Node's gRPC client compare the transports (needs npm)
	cd tests/node && npm ci --silent
	$(BIN)/python tests/node/compare.py
