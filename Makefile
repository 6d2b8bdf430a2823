# Everything a newcomer needs: each target makes its own .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test lint format bench bench-full crash faults postgres power damage simulate planted simulation-coverage mutants fuzz hostile views clean

help:  ## Say what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

demo: $(READY)  ## Compress the standard library in parallel, kill the run, resume it, replay it
	@$(BIN)/python examples/demo.py

test: $(READY)  ## Run the everyday tests
	@$(BIN)/python -m pytest -q

fuzz: $(READY)  ## Fuzz each target for SECONDS (60 when left out), guided by coverage
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,fuzz]'
	@$(BIN)/python -m tests.hostile.fuzzers.run $(or $(SECONDS),60)

hostile: $(READY)  ## Try a hundred times as much hostile input as the everyday tests do
	@$(BIN)/python -m pytest -q tests/hostile --hypothesis-profile hostile-long --timeout 7200

lint: $(READY)  ## Check style and types
	@$(BIN)/ruff check src tests examples benchmarks
	@$(BIN)/ruff format --check --quiet src tests examples benchmarks
	@$(BIN)/mypy

format: $(READY)  ## Put the code into shape
	@$(BIN)/ruff check --fix --quiet src tests examples benchmarks
	@$(BIN)/ruff format --quiet src tests examples benchmarks

bench: $(READY)  ## Measure in a few minutes, beside a bare thread pool, GNU parallel, and the peers that are installed
	@$(BIN)/python -m benchmarks --again

bench-full: $(READY)  ## Measure everything beside all peers, each in its own environment: ONLY=fan-out,any PEERS=dbos,huey
	@$(BIN)/python -m benchmarks --full $(if $(ONLY),--only $(ONLY)) $(if $(PEERS),--peers $(PEERS))

crash: ROUNDS ?= 200
crash: $(READY)  ## Kill -9 a loaded run ROUNDS=200 times and check what is left
	@$(BIN)/python -m pytest -q tests/crash --crash-rounds $(ROUNDS) --timeout 7200

faults: ROUNDS ?= 20
faults: $(READY)  ## Attack real processes and files, ROUNDS=20 times as long as the tests do, and print the table
	@$(BIN)/python -m pytest -q tests/faults --fault-rounds $(ROUNDS) --timeout 7200

postgres: ROUNDS ?= 20
postgres: $(READY)  ## Attack a real PostgreSQL and runs on it, ROUNDS=20 times as long as the tests do
	@$(BIN)/python -m pytest -q tests/faults/test_postgres.py tests/log/test_log_postgres_faults.py \
		--fault-rounds $(ROUNDS) --timeout 7200

DAMAGE_ROUNDS ?= 20
damage: $(READY)  ## Damage every kind of page of a store in every way, DAMAGE_ROUNDS=20 times, and print the table
	@$(BIN)/python -m pytest -q tests/damage --damage-rounds $(DAMAGE_ROUNDS) --timeout 7200

SEEDS ?= 10000
simulate: $(READY)  ## Play SEEDS=10000 simulated machines full of faults, or show the one of SEED=...
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

planted: $(READY)  ## Plant each known bug and say after how many seeds the simulator finds it
	@$(BIN)/python -m tests.simulation.hunt

simulation-coverage: $(READY)  ## Say which branches of the core the simulator reaches
	@$(BIN)/python -m coverage run --branch --source src/events --data-file .coverage -m tests.simulation --seeds 2000 --here
	@$(BIN)/python -m coverage report --data-file .coverage -m \
		--include 'src/events/decide*.py,src/events/draft.py,src/events/evolve.py,src/events/frontier.py,src/events/strategy.py,src/events/backoff.py'

power: ROUNDS ?= 300
power: $(READY)  ## Cut the power of recorded workloads ROUNDS=300 times, for each setting, and check what is left
	@$(BIN)/python -m pytest -q -s tests/power --power-rounds $(ROUNDS) --timeout 1800

HISTORIES ?= 1000
views: $(READY)  ## Keep the views of HISTORIES=1000 crowds of random runs, and compare them at each position
	@$(BIN)/python -m pytest -q tests/views --view-histories $(HISTORIES) --timeout 7200

mutants: $(READY)  ## Change the program in small ways and see what no test notices (MODULES=core, events/log, actors)
	@$(BIN)/python -m tests.mutation $(MODULES)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.11 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

clean:  ## Remove what was made here
	rm -rf $(VENV) .peers build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache .mutants src/*.egg-info
