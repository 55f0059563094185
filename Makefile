# Everything that a person or CI calls here. `make` alone lists it.
# The virtual environment is made from hash-locked requirements, and again only when they or pyproject.toml change.

SHELL := bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
say := @printf 'jobctl: %s\n'

.PHONY: help demo test check lint format types rooms oldest addresses chaos bench lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.run ## the main job on this machine alone, in a few minutes
	@$(BIN)/jobctl demo $(ARGS)

# Two at a time, as many cores as the smallest machine that CI has. WORKERS=0: one after another, in this process.
WORKERS ?= 2
test: programs $(VENV)/.dev ## installs what the tests need, then runs them; ARGS="-k name" narrows
	$(say) "running the tests; those of PaddlePaddle install it (1.2 GB) and train for two minutes"
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

check: $(VENV)/.dev ## lint, format, types, rooms, Python 3.7 on the host, addresses
	@$(MAKE) --keep-going lint format types rooms oldest addresses

lint: $(VENV)/.dev
	$(say) "ruff check"
	@$(BIN)/ruff check --quiet .

format: $(VENV)/.dev
	$(say) "ruff format --check"
	@$(BIN)/ruff format --check --quiet . || { echo "  next: $(BIN)/ruff format ."; exit 1; }

types: $(VENV)/.dev
	$(say) "mypy --strict"
	@$(BIN)/mypy --no-error-summary

rooms: $(VENV)/.dev
	$(say) "import-linter: the arrows between the rooms"
	@out=$$($(BIN)/lint-imports --no-logo 2>&1) || { printf '%s\n' "$$out"; exit 1; }

# Newer names that the host program asks for before it uses them.
NEWER := --exclude os.pidfd_open --exclude signal.pidfd_send_signal
oldest: $(VENV)/.dev
	$(say) "vermin: the host program runs on Python 3.7"
	@out=$$($(BIN)/vermin --target=3.7- --violations --no-tips $(NEWER) jobctl/host) || { printf '%s\n' "$$out"; exit 1; }

addresses:
	$(say) "no addresses of one machine or one package index"
	@.ci/addresses

.PHONY: programs
programs:
	@.ci/needs test

chaos: programs $(VENV)/.dev ## kills, cuts and fills whatever a run needs, and prints what came of it as one table
	@$(BIN)/python -m tests.chaos $(ARGS)

bench: programs $(VENV)/.dev ## against rsync, scp, ssh scripts and fabric, as one table; ARGS="--only relay" narrows
	@$(BIN)/python -m benchmarks $(ARGS)

UV_COMPILE := uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --custom-compile-command "make lock" $(ARGS)
LOCKED := demo pandas png tensorboard test check
lock: ## resolves the requirements again (needs uv); ARGS=--upgrade for newer ones
	$(say) "resolving requirements.lock and requirements-dev.lock"
	@echo 'hatchling>=1.26' | $(UV_COMPILE) pyproject.toml --extra demo - -o requirements.lock
	@$(UV_COMPILE) pyproject.toml $(addprefix --extra ,$(LOCKED)) -c requirements.lock -o requirements-dev.lock

clean: ## removes what was built or installed here
	@rm -rf $(VENV) jobctl-demo build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# .run: what jobctl and its demo need. .dev: that, and what tests and checks need.
$(VENV)/.run: requirements.lock pyproject.toml
	@.ci/venv $(VENV)
	$(say) "installing jobctl into $(VENV) (about 20 s)"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(MAKE) install-self
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml
	@.ci/venv $(VENV)
	$(say) "installing jobctl, its tests and its checks into $(VENV) (about 40 s)"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@$(MAKE) install-self
	@touch $@ $(VENV)/.run

# The package itself, as links into this folder. Its build tool comes from the lock, not from a build environment.
.PHONY: install-self
install-self:
	@$(PIP) install --no-deps --no-build-isolation --editable .
