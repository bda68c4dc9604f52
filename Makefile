# Nothing is needed beforehand but Python >= 3.11 and make.
# PYTHON=python3.12 make test   picks another interpreter.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test check docs bench lock clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(STAMP)  ## make .venv from requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(f"mammoscope needs Python 3.11 or newer, $(PYTHON) is {sys.version.split()[0]}; try PYTHON=python3.12 make" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: setup  ## the whole chain on synthetic mammograms; the last line is the path of the report
	$(BIN)/mammoscope demo --out runs/demo

test: setup  ## every test, a worker and a thread for each processor
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile

check: setup  ## formatter, linter, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: setup  ## the documentation as a site in site/
	$(BIN)/mkdocs build --strict --quiet

bench: setup  ## ratios against a straightforward reference
	@for file in bench/*.py; do $(BIN)/python $$file || exit 1; done

lock:  ## renew requirements.lock (needs uv)
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --extra dev --extra docs \
	  --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements.lock

clean:  ## remove what was built
	rm -rf .venv site runs .pytest_cache .mypy_cache .ruff_cache
