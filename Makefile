# Everything one does with a checkout; `make help` lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PLUGINS := $(wildcard plugins/*/pyproject.toml)
CODE := framework tests examples pipelines plugins benchmarks .ci

.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' Makefile

run: venv ## Run the pipeline in pipelines/ until Ctrl-C; ARGS=--until-idle ends by itself
	@exec $(BIN)/toril run pipelines $(ARGS)

test: venv node ## Run every test (ARGS go to pytest)
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: lint types imports ## Format, rules, types, import contracts, unit and architecture tests
	$(BIN)/python -m pytest tests/unit tests/architecture -n auto --dist worksteal

lint: venv ## Check format and rules
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)

format: venv ## Write the format, and mend what rules can mend
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

types: venv ## Check types (mypy, strict)
	$(BIN)/mypy

imports: venv ## Check that layers import only what is below them
	$(BIN)/lint-imports --no-logo

lock: venv ## Renew requirements.txt from pyproject.toml (UPGRADE=--upgrade for newer versions)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command 'make lock' $(UPGRADE) \
		--extra dev --no-emit-package toril --output-file requirements.txt \
		pyproject.toml $(PLUGINS)

docs: venv ## Write docs/language.md from the schemas
	$(BIN)/python .ci/write_language.py

map: ## Print the tree of modules with what lives in each
	@$(PYTHON) .ci/print_map.py framework/toril

board: venv node ## Use bull-board on Toril's queues in Chromium, and renew docs/bull-board/
	$(BIN)/python -m tests.wire.board.show

# ONLY=noop,add measures less, PEERS=toril,bullmq fewer, ROUNDS=1 once.
bench: venv peers ## Measure Toril beside its peers (ONLY=noop,add PEERS=toril,bullmq ROUNDS=1)
	@$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(PEERS),--peers $(PEERS)) \
		$(if $(ROUNDS),--rounds $(ROUNDS)) $(ARGS)

# Each peer lives in an environment of its own, since what they pin does not go together.
PEER_LOCKS := $(wildcard benchmarks/locks/*-requirements.txt)
peers: venv $(PEER_LOCKS:benchmarks/locks/%-requirements.txt=benchmarks/.venv/%/.installed)
	@if command -v npm >/dev/null; then \
		$(MAKE) --silent --no-print-directory benchmarks/node/node_modules/.installed; \
	else echo "npm is not installed: BullMQ for Node is left out" >&2; fi

benchmarks/.venv/%/.installed: benchmarks/locks/%-requirements.txt
	@echo "installing $* into benchmarks/.venv/$*"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(@D)
	@$(BIN)/uv pip install --quiet --python $(@D)/bin/python --require-hashes --requirement $<
	@touch $@

lock-peers: venv ## Renew what the peers' environments hold (UPGRADE=--upgrade for newer versions)
	@for name in $(PEER_LOCKS:benchmarks/locks/%-requirements.txt=%); do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --custom-compile-command 'make lock-peers' $(UPGRADE) \
			--output-file benchmarks/locks/$$name-requirements.txt benchmarks/locks/$$name.in || exit 1; \
	done

clean: ## Remove the environment, caches and builds
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache tests/wire/node_modules tests/wire/board/node_modules \
		benchmarks/.venv benchmarks/node/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

venv: $(VENV)/.toril-installed ## Make .venv with Toril and all it needs

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Toril needs Python 3.11 or newer, $(PYTHON) is older; try: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "no virtual environment can be made; on Debian: apt-get install python3-venv" >&2; \
		rm -rf $(VENV); exit 1; }
	@touch $@

$(VENV)/.requirements-installed: requirements.txt $(VENV)/.python
	@echo "installing what requirements.txt names into $(VENV)"
	@$(PIP) install --require-hashes --requirement requirements.txt
	@touch $@

$(VENV)/.toril-installed: pyproject.toml $(PLUGINS) $(VENV)/.requirements-installed
	@$(PIP) install --no-deps --no-build-isolation --editable . $(PLUGINS:%/pyproject.toml=--editable %)
	@touch $@

# Real BullMQ for tests/wire; without npm those tests say themselves what is missing.
node:
	@if [ ! -f tests/wire/package-lock.json ]; then :; \
	elif command -v npm >/dev/null; then $(MAKE) --no-print-directory \
		tests/wire/node_modules/.installed tests/wire/board/node_modules/.installed; \
	else echo "npm is not installed: tests/wire has no BullMQ to talk to" >&2; fi

%/node_modules/.installed: %/package.json %/package-lock.json
	@cd $* && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: help run test check lint format types imports lock lock-peers docs map board bench peers clean venv node
