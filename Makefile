# dockerdoctor: `make` tells the targets. What they make lies in .venv, build and dist, and in a cache
# outside the checkout (the unpacked engine, the lab's Debian trees); `make clean` removes the former.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

# Debian's packages that the tests and the lab need on this host, listed here and nowhere else. None of
# them starts or enables a service. docker.io does, so it is never installed: tools/unpack.py unpacks it, and Prometheus.
PACKAGES := debootstrap systemd-container e2fsprogs busybox-static util-linux procps openssl zsh fish

# Only root can run an engine. What is missing besides is named by the tests that are skipped for it.
PYTEST := [ "$$(id -u)" != 0 ] || \
	{ DOCKERDOCTOR_ENGINE="$$($(PYTHON) tools/unpack.py engine)" && export DOCKERDOCTOR_ENGINE; }; \
	PATH="$$PATH:$$($(PYTHON) tools/unpack.py prometheus):$$($(PYTHON) tools/unpack.py alertmanager)" \
	$(BIN)/python -m pytest
# For example: make unit ARGS='-k store -x'
ARGS ?=
# Test hosts of the lab at once; they wait for most of their time, whatever the number of processors.
WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help run setup engine test lint unit lab table soak bench packages generate sweep clean

help: ## tell the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup ## set up what is needed, then run the demo: freeze a private dockerd and heal it
	@$(BIN)/python -m dockerdoctor demo $(ARGS)

setup: $(INSTALLED) engine ## make .venv with dockerdoctor in it, and find or unpack an engine

engine:
	@if [ "$$(id -u)" = 0 ]; then $(PYTHON) tools/unpack.py engine >/dev/null; \
	else echo "not root: no engine is unpacked; the demo and some tests need both" >&2; fi

test: $(INSTALLED) packages engine lint ## all tests: lint, types, unit, lab (as root on Debian)
	@$(PYTEST) -n $(WORKERS) --dist loadgroup $(ARGS)

lint: $(INSTALLED) ## ruff and mypy
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet . && $(BIN)/mypy

unit: $(INSTALLED) engine ## tests without the lab (those of a bare dockerd need root)
	@$(PYTEST) -m 'not lab' $(ARGS)

lab: $(INSTALLED) packages ## only the lab: real engines under a real systemd, broken for real
	@$(PYTEST) -m lab -n $(WORKERS) --dist loadgroup $(ARGS)

table: $(INSTALLED) packages engine ## break all three engines in every way, and write the README's table of it (1 h)
	@export DOCKERDOCTOR_FAULTS=docs/faults.json DOCKERDOCTOR_LAB_SUITES="$${DOCKERDOCTOR_LAB_SUITES:-all}"; \
	$(PYTEST) -m 'lab and fault' $(ARGS); code=$$?; $(BIN)/python -m tools.generate; exit $$code

soak: $(INSTALLED) packages engine ## an hour of a busy day in the lab: no act (ARGS='--minutes 15 trixie')
	@$(BIN)/python -m tests.lab soak $(ARGS)

bench: $(INSTALLED) engine ## measurements, beside what they are compared with
	@for each in bench/[!_]*.py; do $(BIN)/python -m bench.$$(basename $$each .py) || exit 1; done

packages:
	@tools/packages.sh $(PACKAGES)

generate: $(INSTALLED) ## write what is made from declarations: alerts, dashboards, completions, man page ...
	@$(BIN)/python -m tools.generate

sweep: $(INSTALLED) ## remove what a killed test run left behind
	@$(BIN)/python -m tests.lab sweep

clean: ## remove what make made in the checkout
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find dockerdoctor tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml tools/venv.sh
	@PYTHON=$(PYTHON) tools/venv.sh $(VENV)
