# `make` lists what there is. `make run` and `make test` set everything up by themselves.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.SUFFIXES:
ARGS ?=
WORKERS ?= 2
PYTHON := .venv/bin/python
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX :=

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## build .venv if it is missing or stale
	@tools/set_up.sh

.PHONY: run
run: setup ## train on the sample, register, roll out, serve; Ctrl-C stops (ARGS="--once --json")
	@.venv/bin/sazon up $(ARGS)

.PHONY: test
test: setup ## all tests, on two cores (some of them, one after another: ARGS="tests/e2e -k served")
	@$(PYTHON) -m pytest $(or $(ARGS),--numprocesses $(WORKERS))

.PHONY: test-all
test-all: setup ## the tests marked slow too (ARGS="tests/integration/test_rollout_kills.py")
	@$(PYTHON) -m pytest -m "" $(or $(ARGS),--numprocesses $(WORKERS))

.PHONY: unit
unit: setup ## the quick tests only
	@$(PYTHON) -m pytest tests/unit $(ARGS)

.PHONY: lint
lint: setup ## format, style, types, import direction
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

.PHONY: format
format: setup ## format and mend what ruff can
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

.PHONY: lock
lock: setup ## resolve requirements.in anew into the lock files
	@tools/lock.sh

.PHONY: images
images: ## build the container images (NAMES="gateway server"; needs Docker with buildx)
	@docker/build.sh $(NAMES)

.PHONY: sbom
sbom: setup ## what each image's Python packages are, in CycloneDX, under build/sbom
	@docker/sbom.sh

.PHONY: clean
clean: ## remove .venv and caches; the state in var/ stays
	@rm -rf .venv .uv .set-up.lock .pytest_cache .mypy_cache .ruff_cache .import_linter_cache build ./*.egg-info
