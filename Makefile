# Needs only python3 (3.11 or later) with pip, and make. `make help` lists the targets.

PYTHON ?= python3
# The interpreter behind it: in an active environment `python3` is the environment's own, without pip.
override PYTHON := $(or $(shell $(PYTHON) -c 'import sys; print(sys._base_executable)' 2>/dev/null),$(PYTHON))
# Test processes side by side.
JOBS ?= 2
# Arguments for pytest, demo or bench: make test ARGS="tests/unit -x", make demo ARGS="--lang fr"
ARGS ?=
# make demo KEEP=1 leaves both pages running on a demonstration's data set.
KEEP ?=
# make lock UPGRADE=1 moves every pin to the newest version that pyproject.toml allows.
UPGRADE ?=
# Seconds of fuzzing, for each reader of bytes; and how many mutants mutation testing draws.
FUZZ_SECONDS ?= 5
MUTANTS ?= 400

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := install --quiet --disable-pip-version-check --no-input

# A stamp carries the hash of what it stands for: the lock files, the interpreter and this folder
# (the editable install points here). A second run finds its stamp and installs nothing.
FINGERPRINT := import hashlib, os, sys; \
	h = hashlib.sha256(f"{sys.version}{sys.base_prefix}{os.getcwd()}".encode()); \
	[h.update(open(name, "rb").read()) for name in sys.argv[1:]]; print(h.hexdigest()[:16])
fingerprint = $(shell $(PYTHON) -c '$(FINGERPRINT)' $(1))

RUNTIME := $(VENV)/.runtime-$(call fingerprint,requirements/runtime.txt)
DEV := $(VENV)/.dev-$(call fingerprint,requirements/runtime.txt requirements/dev.txt)
PROJECT := $(VENV)/.project-$(call fingerprint,requirements/runtime.txt pyproject.toml $(wildcard zk/native/*))
LOCK := .venv-lock/.lock-$(call fingerprint,requirements/lock.txt)
AXE := tests/browser/node_modules/.package-lock.json

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo install test check browser screenshots format fuzz mutation test-long bench bench-load bench-scale bench-agent bench-pages bench-bulk bench-peers lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(PROJECT) ## tell the whole story: a sale, its proof, every lie refused
	@$(BIN)/python demo/run.py $(if $(KEEP),--keep) $(ARGS)

install: $(PROJECT) $(DEV) ## make .venv with the project and the development tools
	@:

test: check ## checks, then every test but the long ones (under 10 minutes on 2 cores)
	@echo "== pytest"
	@$(BIN)/pytest -n $(JOBS) --dist worksteal $(ARGS)

check: install ## style, types and import arrows
	@echo "== ruff"
	@$(BIN)/ruff check --quiet --output-format concise .
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check .; \
		echo "\`make format\` puts this right."; exit 1; }
	@echo "== mypy"
	@$(BIN)/mypy
	@echo "== import-linter"
	@$(BIN)/lint-imports --no-logo

browser: $(AXE) ## fetch what the browser tests take from npm (they need Chromium as well)
	@:

screenshots: install browser ## visit the pages with Chromium; their pictures in docs/img, anew
	@CLAIROBSCUR_REQUIRE_BROWSER=1 CLAIROBSCUR_SCREENSHOTS=docs/img \
		$(BIN)/pytest tests/browser/test_every_page.py $(ARGS)

format: install ## rewrite the sources in the project's style
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format .

test-long: install ## the tests that take minutes
	@$(BIN)/pytest -n $(JOBS) -m "" --timeout=3600 --hypothesis-profile=long tests/properties $(ARGS)
	@CLAIROBSCUR_SOAK_SECONDS=600 $(BIN)/pytest -n $(JOBS) -m long --timeout=3600 $(ARGS)
	@CLAIROBSCUR_KILLS=50 $(BIN)/pytest -n $(JOBS) --timeout=3600 tests/integration/test_kill.py tests/integration/test_kill_audit.py $(ARGS)
	@$(BIN)/python -m tests.fuzz --seconds 120 --jobs $(JOBS) --record
	@$(MAKE) --no-print-directory mutation

fuzz: install ## changed bytes for every reader of bytes: FUZZ_SECONDS each (Linux on x86-64)
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) --jobs $(JOBS)

mutation: install ## MUTANTS changed places of zk and circuits: do the tests notice? (half an hour)
	@nice $(BIN)/python -m tests.mutation --mutants $(MUTANTS)

bench: install ## measure: JSON and plots
	@$(BIN)/python -m bench $(ARGS)

bench-load: install ## the service under load on loopback, with a soak: JSON, plot, table
	@$(BIN)/python -m bench.load --soak 600 $(ARGS)

bench-scale: install ## the service as one and two processes on one PostgreSQL: JSON, plot, table
	@$(BIN)/python -m bench.scale $(ARGS)

bench-agent: install ## one `optician claim` from the start of its process: JSON, plot, table
	@$(BIN)/python -m bench.agent $(ARGS)

bench-pages: install ## the insurer's pages over 100,000 claims, and what measuring costs: JSON, tables
	@$(BIN)/python -m bench.pages $(ARGS)

bench-bulk: install ## 201,000 entries in bulk, killed and resumed, then on a cluster: JSON, plot, table
	@$(BIN)/python -m bench.bulk $(ARGS)

bench-peers: install ## other proof systems beside ours: those whose tools are installed
	@$(BIN)/python -m bench.peers $(ARGS)

lock: $(LOCK) ## write requirements/*.txt anew from pyproject.toml
	@for set in runtime bulk dev lock; do \
		case $$set in \
			runtime) sources="pyproject.toml --group build" ;; \
			bulk) sources="pyproject.toml --extra bulk --constraint requirements/runtime.txt" ;; \
			dev) sources="--group dev --constraint requirements/bulk.txt" ;; \
			lock) sources="--group lock" ;; \
		esac; \
		.venv-lock/bin/uv pip compile $$sources --output-file requirements/$$set.txt --quiet \
			--universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
			--no-annotate --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) || exit 1; \
	done

clean: ## remove everything that make made
	rm -rf .venv .venv-lock build dist *.egg-info .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache .fuzz tests/browser/node_modules
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Making a virtual environment: without ensurepip, which Debian ships apart from python3, the pip of
# the interpreter outside installs into the environment. That leaves the system's packages alone, so
# an "externally managed" interpreter serves as well.
define make_environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is not Python 3.11 or later: make PYTHON=python3.13 names one" >&2; exit 1; }
	@echo "== Installing into $(1) ..."
	@rm -rf $(1)
	@if $(PYTHON) -m pip --version >/dev/null 2>&1; then $(PYTHON) -m venv --without-pip $(1); \
		else $(PYTHON) -m venv $(1); fi || \
		{ echo "$(PYTHON) has no pip: install it first (Debian: python3-pip)" >&2; exit 1; }
endef
# The pip that installs into the environment $(1).
pip_of = $$(test -x $(1)/bin/pip && echo $(1)/bin/pip || \
	echo "$(PYTHON) -m pip --python $(1)/bin/python")

$(RUNTIME):
	$(call make_environment,$(VENV))
	@$(call pip_of,$(VENV)) $(PIP_INSTALL) --require-hashes -r requirements/runtime.txt
	@touch $@

$(PROJECT): $(RUNTIME)
	@$(call pip_of,$(VENV)) $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.project-* && touch $@

$(DEV): $(RUNTIME)
	@echo "== Installing the development tools ..."
	@$(call pip_of,$(VENV)) $(PIP_INSTALL) --require-hashes -r requirements/dev.txt
	@rm -f $(VENV)/.dev-* && touch $@

$(AXE): tests/browser/package-lock.json
	@echo "== Installing axe-core ..."
	@command -v npm >/dev/null || { echo "there is no npm (Debian: npm)" >&2; exit 1; }
	@cd tests/browser && npm ci --silent --no-progress
	@touch $@

$(LOCK):
	$(call make_environment,.venv-lock)
	@$(call pip_of,.venv-lock) $(PIP_INSTALL) --require-hashes -r requirements/lock.txt
	@touch $@
