# Two commands on a fresh machine with python3 (venv, pip) and make:  make demo   make test
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export NO_MKDOCS_2_WARNING := 1

.PHONY: help install demo test test-fast lint format docs bench lock clean
help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.tools/bin/uv: requirements/uv.txt
	$(PYTHON) -m venv .tools
	.tools/bin/pip install --quiet --require-hashes -r requirements/uv.txt
	@touch $@

$(STAMP): .tools/bin/uv requirements/locked.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	.tools/bin/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/locked.txt
	.tools/bin/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

install: $(STAMP)  ## make the virtual environment .venv with everything locked

demo: $(STAMP)  ## run the chain of custody end to end on real data, attacks included
	$(BIN)/tidegate demo

test: $(STAMP)  ## run all tests
	$(BIN)/python -m pytest -n auto --dist loadgroup

test-fast: $(STAMP)  ## run the tests that take no time
	$(BIN)/python -m pytest -n auto --dist loadgroup -m "not slow"

lint: $(STAMP)  ## format check, lint, types, import contracts, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/python tools/shape.py
	$(BIN)/python tools/reference.py --check

format: $(STAMP)  ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP)  ## build the documentation, strictly and offline
	$(BIN)/mkdocs build --strict --site-dir site

bench: $(STAMP)  ## run the measurements; JSON lines on stdout, tables on stderr
	@for program in benchmarks/*.py; do $(BIN)/python $$program || exit 1; done

lock: .tools/bin/uv  ## resolve the dependencies anew (hashes, no registry addresses)
	.tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url --all-extras --group dev --group docs \
	  pyproject.toml -o requirements/locked.txt
	.tools/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url requirements/uv.in -o requirements/uv.txt

clean:  ## remove everything that the other targets made
	rm -rf .venv .tools site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
