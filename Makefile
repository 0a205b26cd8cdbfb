# `make repro` and `make test` work on a fresh machine with Python 3.11 or newer; nothing else is needed.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help repro experiments test test-faults fuzz lint lock clean
help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

# what the lock names is taken only with the hashes that it had; torch, and what its builds for GPUs bring, comes from
# the index or folder that the machine offers, in the version that constraints.txt says
$(READY): pyproject.toml constraints.txt requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --require-hashes --no-deps --requirement requirements.lock
	$(VENV)/bin/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

repro: $(READY)  ## run whatever is out of date: submissions/*.csv, and reports/report.html to look at
	python -m pipeline mend
	dvc repro

experiments: $(READY)  ## the table of experiments: what was chosen, what it scored, and the params that differ
	dvc exp show --only-changed --no-pager --keep '(score|low|high|selected)$$' --drop '(Created|rouge|examples_per_second|.*/)'

test: $(READY)  ## run the tests
	python -m pytest -n 2 --dist worksteal

test-faults: $(READY)  ## kill every stage sixty times, fill the disk, run two at once: half an hour
	python -m pytest -m faults tests

# -s: what a watch says of a file that hangs is said to the terminal
fuzz: $(READY)  ## ten thousand hostile files for every reader: twenty minutes on two cores
	FUZZ=10000 python -m pytest -v -s -n 2 --dist worksteal --durations 0 tests/test_hostile_input.py

lint: $(READY)  ## format, lint and type-check
	ruff format --check .
	ruff check .
	pyright

lock:  ## make requirements.lock anew, after a change of pyproject.toml or constraints.txt; needs uv
	uv pip compile pyproject.toml --extra dev --constraint constraints.txt --python-version 3.11 --universal \
		--generate-hashes --no-annotate --no-header --quiet --output-file .lock.all
	awk '/^[a-zA-Z]/ {out = /^(torch|triton|nvidia-|cuda-)/} !out' .lock.all > requirements.lock
	rm .lock.all

clean:  ## forget results (not DVC's cache, not submissions) and checkpoints
	rm -rf .yoyak data/processed/*.* models/base models/adapter models/refined predictions/*.parquet predictions/*.json details/*.json metrics plots reports/*.html
