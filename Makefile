# make run [CORPUS=/path/to/ptb-xl]   the whole pipeline, ends by naming reports/index.html
# make test                            lint, types and tests; make test-all adds what takes longer
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Whole files, since the tests of one may share what takes long to make, in the order of tests/conftest.py.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: run test test-all lint clean

run: $(READY)
ifdef CORPUS
	@$(BIN)/sediff configure --corpus "$(CORPUS)"
endif
	@$(BIN)/sediff run

test: $(READY) lint
	$(BIN)/python -m pytest -m "not slow" $(PARALLEL)

test-all: $(READY) lint
	$(BIN)/python -m pytest $(PARALLEL)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# torch first and by its pin: it takes a CPU build where one is offered.
$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: install it or say make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $(READY)

clean:
	rm -rf $(VENV) data runs reports/*/ reports/index.html
	@# No one can make a key again.
	test ! -d .sediff || find .sediff -mindepth 1 -maxdepth 1 ! -name '*.key' -exec rm -rf {} +
