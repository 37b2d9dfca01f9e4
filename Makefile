# Each target makes what it needs: an environment in $(VENV), and in it the project, installed as users install it.
# A second call installs again only if a source, pyproject.toml, setup.py or a build option has changed.
#
#   make test PYTHON=python3.13 VENV=.venv-3.13      another Python
#   make test MLCORE_NO_EXTENSION=1                  without the compiled extension
#   make test WORKERS=4 PYTEST_ARGS="-k loss"        four processes, some of the tests
#   make bench QUICK=1 BENCH=network                 each benchmark once, those that match
#   make tables QUICK=1                              each table of README.md, small, one round; writes nothing
#   make tables TABLES=regressions                   one of them

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
PYTEST_ARGS ?=
QUICK ?=
BENCH ?=
TABLES ?= speedups networks derivatives regressions many

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := pyproject.toml setup.py $(shell find src -name '*.py' -o -name '*.pyx' -o -name '*.h')
LINTED := setup.py src tests $(wildcard benchmarks examples)

.PHONY: help demo test bench tables lint format clean clean-cache FORCE

help: ## list the targets (the default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.installed-package ## train on a small table and predict seven rows
	$(BIN)/mlcore train examples/sps.csv --target 0 \
	    --predict="4,4,4,4" \
	    --predict="-3,0,9,-1" \
	    --predict="-7,-9,-2,8" \
	    --predict="1,-2,3,-2" \
	    --predict="19,-12,0,-76" \
	    --predict="2001,-1,109,31" \
	    --predict="-1,102,-200,1000"

test: $(VENV)/.installed-test ## run the tests against the installed project
	$(BIN)/python -P -m pytest -n $(WORKERS) $(PYTEST_ARGS)

bench: $(VENV)/.installed-bench ## run the benchmarks; it is an error if one fails or none runs
	$(BIN)/python benchmarks/run.py $(if $(QUICK),--quick) $(if $(BENCH),--bench '$(BENCH)')

tables: $(VENV)/.installed-peers ## measure beside other libraries; write the tables and plots of the documents
	@set -e; for table in $(TABLES); do $(BIN)/python -m benchmarks.tables $$table $(if $(QUICK),--quick); done

lint: $(VENV)/.installed-lint ## look for mistakes, in form and in types
	$(BIN)/ruff check $(LINTED)
	$(BIN)/ruff format --check $(LINTED)
	$(BIN)/mypy

format: $(VENV)/.installed-lint ## put the sources into their form
	$(BIN)/ruff check --fix-only $(LINTED)
	$(BIN)/ruff format $(LINTED)

clean: ## remove all that these targets have made here
	rm -rf $(VENV) build dist src/*.egg-info src/mlcore/_kernels*.so .asv benchmarks/.asv
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

clean-cache: ## remove what Numba has compiled, of every version
	rm -rf "$${MLCORE_CACHE_DIR:-$${NUMBA_CACHE_DIR:-$${XDG_CACHE_HOME:-$$HOME/.cache}/mlcore}}"/kernels-*
	rm -rf "$$HOME/Library/Caches/mlcore"/kernels-*

# .installed-package, or with an extra of pyproject.toml: .installed-test, ...
# build/ keeps compiled modules that are up to date, but would also keep a Python module that is no more
$(VENV)/.installed-%: $(VENV)/.options $(SOURCES)
	@if [ -d build ]; then find build -name '*.py' -delete; fi
	$(PIP) install ".$(if $(filter-out package,$*),[$*])"
	@touch $@

# what the build reads from the environment; another answer than last time means another build
$(VENV)/.options: FORCE | $(BIN)/python
	@options="$$MLCORE_NO_EXTENSION|$$MLCORE_REQUIRE_EXTENSION|$$CC|$$CFLAGS|$$LDFLAGS"; \
	if ! echo "$$options" | cmp -s - $@; then rm -rf build; echo "$$options" > $@; fi

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
