# `make repro` and `make test` work on a fresh machine with Python 3.11 or newer; nothing else is needed.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help repro experiments test test-faults lint clean
help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

repro: $(READY)  ## run whatever is out of date: submissions/*.csv, and reports/report.html to look at
	dvc repro

experiments: $(READY)  ## the table of experiments: what was chosen, what it scored, and the params that differ
	dvc exp show --only-changed --no-pager --keep '(score|low|high|selected)$$' --drop '(Created|rouge|examples_per_second|.*/)'

test: $(READY)  ## run the tests
	python -m pytest -n 2 --dist worksteal

test-faults: $(READY)  ## kill every stage sixty times, fill the disk, run two at once: half an hour
	python -m pytest -m faults tests

lint: $(READY)  ## format, lint and type-check
	ruff format --check .
	ruff check .
	pyright

clean:  ## forget results (not DVC's cache, not submissions) and checkpoints
	rm -rf .yoyak data/processed/*.* models/base models/adapter models/refined predictions/*.parquet predictions/*.json details/*.json metrics plots reports/*.html
