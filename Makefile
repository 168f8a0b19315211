# Everything that the project does, on a fresh machine with python3 and make. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
TORCH ?= $(filter true,$(CI))
STORIES ?= tests/end_to_end
WORKERS ?= 2
TESTED := $(VENV)/.dev $(VENV)/.chromium $(if $(TORCH),$(VENV)/.torch)
# Stories come first (--no-loadscope-reorder): else the longest begin last.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
INSTALL := $(UV) pip install --quiet --python $(BIN)/python

.DEFAULT_GOAL := help
.PHONY: bench-batch help demo test test-long test-ray check format lint types imports audit lock clean bench-training bench-serving bench-soak bench-ab bench-data bench-monitoring bench-pages bench-scale demo-ab faults

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

$(BIN)/uv: requirements/bootstrap.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(VENV)/.demo: $(BIN)/uv requirements/demo.txt pyproject.toml
	$(INSTALL) --require-hashes -r requirements/demo.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/uv requirements/dev.txt pyproject.toml
	$(INSTALL) --require-hashes -r requirements/dev.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.torch: $(VENV)/.dev requirements/torch.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/torch.txt
	@touch $@

$(VENV)/.chromium: $(VENV)/.dev tools/chromium
	tools/chromium
	@touch $@

demo: $(VENV)/.demo ## take the housing service through its whole life, in demo/
	$(BIN)/python -m rung.demo demo

demo-ab: $(VENV)/.dev ## see every way in which an A/B test ends, through a real gateway
	$(BIN)/python benchmarks/ab/outcomes.py

test: $(TESTED) ## run all tests but the long ones, in 2 WORKERS; with TORCH=1, or CI=true, also those with torch
	$(PYTEST) -m "not long"

test-long: $(TESTED) ## run the long tests: whole lives of services, and faults
	$(PYTEST) -m long

test-ray: $(VENV)/.dev $(VENV)/.chromium ## tell the stories of the end-to-end tests, or STORIES, on a Ray cluster of this machine
	RUNG_STORIES_ON=ray $(BIN)/python -m pytest $(STORIES)

check: WHERE := --where-reachable
check: format lint types imports audit test ## all that CI runs but long tests

format: $(VENV)/.dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.dev
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports

bench-training: $(VENV)/.dev ## time training beside its peers, into build/bench/training.json
	$(BIN)/python benchmarks/training/deployment.py
	$(BIN)/python benchmarks/training/run.py

bench-serving: $(VENV)/.dev ## time serving beside its peers, into build/bench/serving.json (needs wrk)
	$(BIN)/python benchmarks/serving/run.py

bench-soak: $(VENV)/.dev ## serve at a constant rate and watch memory, into build/bench/soak.json (needs wrk)
	$(BIN)/python benchmarks/serving/soak.py --minutes 10 --share 0.8

bench-ab: $(VENV)/.dev ## simulate A/B tests and bandits against their bars, into build/bench/ab.json
	$(BIN)/python benchmarks/ab/bandits.py
	$(BIN)/python benchmarks/ab/simulate.py
	$(BIN)/python benchmarks/lake/aggregate.py

bench-data: $(VENV)/.dev ## time ingests, statistics, joins, online reads and the log, into build/bench/data.json
	$(BIN)/python benchmarks/data/run.py

bench-monitoring: $(VENV)/.dev ## count false alarms, time reports and what watching costs, into build/bench/monitoring.json
	$(BIN)/python benchmarks/monitoring/run.py

bench-pages: $(VENV)/.dev ## time every page of the dashboard and what people type most, into build/bench/pages.json
	$(BIN)/python benchmarks/pages/run.py

bench-batch: $(VENV)/.dev ## time batch predictions beside the same rows posted, into build/bench/batch.json
	$(BIN)/python benchmarks/batch/run.py

bench-scale: $(VENV)/.dev ## measure what grows, and estimate how far, into build/bench/scale.json (needs wrk)
	$(BIN)/python benchmarks/scale/run.py

faults: $(VENV)/.dev ## put every fault into a promotion under load, into build/bench/faults.json
	$(BIN)/python benchmarks/faults/run.py

audit: $(BIN)/uv requirements/audit.txt ## ask PyPI for known vulnerabilities of all that is pinned (needs the network)
	$(UV) venv --quiet --allow-existing build/audit
	$(UV) pip install --quiet --python build/audit/bin/python --require-hashes -r requirements/audit.txt
	build/audit/bin/python tools/audit.py $(WHERE) requirements/base.txt requirements/demo.txt requirements/dev.txt

lock: $(BIN)/uv ## make requirements/*.txt anew from the ranges in pyproject.toml
	tools/lock $(UV)

clean: ## remove what the other targets made
	rm -rf $(VENV) build demo dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
