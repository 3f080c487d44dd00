# `make setup` needs python3, git and make; every other target sets up first. PYTHON=python3.12 picks another interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup
COMPILED := $(VENV)/.compiled
TESTS ?= tests
# What the image needs, in the versions of requirements.lock.
SUBSET := --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	  --constraint requirements.lock

.PHONY: help setup demo test check format bench properties chaos coverage lock
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(COMPILED) ## the environment in .venv, from requirements.lock, what decides compiled

$(STAMP): requirements.lock pyproject.toml
	@echo "Setting up $(VENV): the packages of requirements.lock and caremonth itself; this takes less than a minute."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "caremonth needs Python 3.11 or newer and '$(PYTHON)' is not: install one, then 'make $(MAKECMDGOALS) PYTHON=python3.11'." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' has no venv and ensurepip: install them (Debian and Ubuntu: apt install python3-venv), then repeat." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

$(COMPILED): $(STAMP) tools/compile.py $(wildcard domain/*.py ledger/*.py)
	@test "$${CAREMONTH_PURE:-0}" != 0 || { $(BIN)/python -m tools.compile && touch $(COMPILED); }

demo: $(COMPILED) ## three sites through the whole pipeline
	@$(BIN)/caremonth demo

test: $(if $(filter tests,$(TESTS)),$(COMPILED),$(STAMP)) ## every test, the layering included; TESTS=tests/domain narrows
ifeq ($(TESTS),tests)
	@$(BIN)/python -m tools.halves
else
	@$(BIN)/python -m pytest -q $(TESTS)
endif

check: $(STAMP) ## style, types, layering, sizes, words, docs, schemas
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.sizes
	@$(BIN)/python -m tools.words
	@$(BIN)/python -m tools.docs
	@$(BIN)/python -m tools.schemas check

format: $(STAMP) ## lay the code out
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: $(COMPILED) ## speed and memory, beside a calibrator and a peer
	@$(BIN)/python -m tests.bench

properties: $(COMPILED) ## random patient-months beside the oracle, on all cores; CASES=100000
	@$(BIN)/python -m tests.properties

chaos: $(COMPILED) ## kills, freezes and restarts under load on real servers; ROUNDS=100 SEED=1 MEETINGS=1000
	@$(BIN)/python -m tests.chaos --rounds $(or $(ROUNDS),100) --seed $(or $(SEED),1) --meetings $(or $(MEETINGS),1000)

coverage: $(STAMP) ## fails unless every branch of domain is tested
	@CAREMONTH_PURE=1 $(BIN)/coverage run -m pytest -q $(TESTS)
	@$(BIN)/coverage report --include='domain/*' --fail-under=100

lock: $(STAMP) ## the locks anew, from pyproject.toml: all, what the image runs, what builds it
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra dev --upgrade \
	  --no-header --no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml
	@$(BIN)/uv pip compile $(SUBSET) --output-file requirements-runtime.lock pyproject.toml
	@$(BIN)/uv pip compile $(SUBSET) --group build --output-file requirements-build.lock
	@! grep -n '://' requirements*.lock
