# Each target sets up what it needs: `make demo` or `make test` may be the first command in a fresh clone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
JOBS ?= $(shell expr 2 \* $$(getconf _NPROCESSORS_ONLN))

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-deep test-all lint docs bench lock clean

help:
	@echo "make demo    collect a throttled, faulty fleet from an emulator on this machine"
	@echo "make test    run the tests, long series in a short form: some minutes"
	@echo "make test-deep  run every test in its long form, through the installed command: about an hour"
	@echo "make test-all   run the tests with each Python that is here, from 3.11 to 3.13"
	@echo "make lint    ruff and mypy, as strict as they get"
	@echo "make docs    write anew what the pages of docs/ take from the code"
	@echo "make bench   measure, and print the tables of benchmarks/RESULTS.md"
	@echo "make lock    pin the dependencies of pyproject.toml anew"
	@echo "make clean   remove what the targets above have made"

setup: $(READY)

# The stamp is written last: an installation that was cut short is done again. Code is compiled here, since where
# PYTHONDONTWRITEBYTECODE is set it would be compiled anew at each start.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("collector needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q collector
	@touch $@

# Two of the demo's servers are beyond help, so that a collect's exit code 3 is what it should end with.
demo: $(READY)
	@$(BIN)/collector demo; code=$$?; test $$code -eq 3 || exit $$code

# Many tests wait for a run to end: more of them than there are cores go on side by side, and those
# that wait longest, in acceptance/, begin first.
PYTEST := $(BIN)/python -m pytest
PARALLEL := --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

test: $(READY)
	$(PYTEST) $(PARALLEL) -m "not alone and not deep"
	$(PYTEST) -m "alone and not deep"

test-deep: export COLLECTOR_INSTALLED := 1
test-deep: $(READY)
	$(PYTEST) $(PARALLEL) --hypothesis-profile deep -m "not alone"
	$(PYTEST) --hypothesis-profile deep -m alone

# What is called python3.12 may be no more than a hint to install it.
test-all:
	@failed=; \
	for version in 3.11 3.12 3.13; do \
		python=; \
		for one in python$$version $$HOME/.pyenv/versions/$$version.*/bin/python3; do \
			if $$one -c 'import venv' 2>/dev/null; then python=$$one; break; fi; \
		done; \
		if test -z "$$python"; then echo "== Python $$version is not here: skipped"; continue; fi; \
		echo "== Python $$version: $$python"; \
		$(MAKE) test PYTHON=$$python VENV=.venv-$$version || failed="$$failed $$version"; \
	done; \
	if test -n "$$failed"; then echo "== failed with Python$$failed"; exit 1; fi

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)
	$(BIN)/python docs/render.py
	$(BIN)/python docs/samples.py
	$(BIN)/python -m benchmarks.pacing.plot

bench: $(READY)
	@$(BIN)/python -m compileall -q collector
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done
	@echo "== benchmarks/pacing"; $(BIN)/python -m benchmarks.pacing

lock:
	uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --python-version 3.11 --quiet --upgrade --output-file requirements.lock

clean:
	rm -rf $(VENV) .venv-3.* .mypy_cache .pytest_cache .ruff_cache .hypothesis dist collected demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
