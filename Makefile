# One command each, on a machine that has python3 with venv and pip, make and git:
#   make test                 the tests, in six to nine minutes; a browser and redis-server, which
#                             some of them need, are installed where that may be done
#   make test-all             the slow ones too: thousands of histories, minutes of virtual time
#   make coverage             the tests of make test, and the branches that none of them takes
#   make check                lint, format, types, and which part imports which
#   make chaos                two workers under load for two minutes, and all kinds of faults;
#                             ARGS="--seed 7 --seconds 600"
#   make lowest               the tests of core, calls, web and client on the lowest versions
#                             that are declared, but for the slow ones
#   make dist                 wheel and source distribution in dist/, checked and tried in an
#                             environment that has nothing else
#   make demo                 the demo; make demo ARGS=--once ends after its story
#   make simulate             a fleet on virtual time under 500 seeds of faults; SEEDS=100000
#   make simulate-calm        200 healthy instances for a day: none may open; takes hours, ARGS="--hours 1" minutes
#   make fuzz                 odd values for all that reads what comes from Redis, ten minutes of CPU;
#                             ARGS="--minutes 60 --seed 1"
#   make mutants              which small changes of the code no test notices, in some hours;
#                             ARGS="scripts --only lease", ARGS="core --size 50 --seed 2"
#   make screenshots          the pictures of docs/console.md; takes some minutes
#   make bench                what everything costs, beside all peers, in six minutes or so;
#                             ARGS="--part calls", ARGS=--quick: our calls alone, in a minute
#   make fuzz-api             schemathesis tries the admin API by its own description, in a minute or two;
#                             ARGS="--max-examples 1000" tries more
#   make bench-fleet          how fast 20 processes agree, and what that costs; ARGS=--quick
# What they need is installed into .venv, from scratch whenever the files that name it change;
# for make bench, whose peers must not meddle with the rest, into .venv-bench; for make lowest into
# .venv-lowest; for make fuzz-api into .venv-fuzz; for make dist into .venv-dist.

PYTHON ?= python3
ARGS ?=
SEEDS ?= 500
VENV := .venv
READY := $(VENV)/.ready
BENCH := .venv-bench
BENCH_READY := $(BENCH)/.ready
LOWEST := .venv-lowest
LOWEST_READY := $(LOWEST)/.ready
DIST := .venv-dist
FUZZ := .venv-fuzz
FUZZ_READY := $(FUZZ)/.ready

# What pytest makes of the files of tests is kept for the next run, also where a machine's
# environment forbids that: otherwise each of its processes takes ten seconds more to begin.
export PYTHONDONTWRITEBYTECODE :=

# The folders that do without a browser and without what only the newest versions have.
# But not what plays histories by chance: that is a matter of our own code, whatever the versions.
# Nor FastAPI's limit for bodies, which came later.
LOWEST_TESTS := tests/core tests/circuits tests/web tests/client \
	--ignore=tests/core/test_model.py --ignore=tests/core/test_member_model.py \
	--ignore=tests/circuits/test_registry.py --ignore=tests/circuits/test_eviction.py \
	--ignore=tests/web/test_any_nesting.py --ignore=tests/web/test_lost_context.py \
	-k "not body_that_is_too_large"

.PHONY: venv machine test test-all coverage lowest chaos dist check format demo screenshots bench bench-fleet simulate simulate-calm fuzz fuzz-api mutants clean

venv: $(READY)

# The mark is written last: an installation that broke off is begun again.
# pip is renewed first, because older ones know no dependency groups.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --upgrade pip
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt \
		--build-constraint constraints.txt --group test --group check \
		--editable '.[httpx,httpx2,demo,cli]'
	touch $(READY)

# A browser and a second kind of server, which no package of Python brings.
machine: $(READY)
	$(VENV)/bin/python -m tests.machine

# Coverage makes Python twice to three times as slow, so it is a target of its own.
test: machine
	$(VENV)/bin/python -m pytest --numprocesses 6 -m "not slow" $(ARGS)

test-all: machine
	$(VENV)/bin/python -m pytest --numprocesses 6 $(ARGS)

coverage: machine
	$(VENV)/bin/python -m pytest --numprocesses 4 -m "not slow" --cov --cov-report=term $(ARGS)

$(LOWEST_READY): pyproject.toml constraints-lowest.txt
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --constraint constraints.txt --upgrade pip
	$(LOWEST)/bin/python -m pip install --quiet --requirement constraints-lowest.txt
	$(LOWEST)/bin/python -m pip install --quiet --constraint constraints-lowest.txt \
		--build-constraint constraints.txt --editable '.[httpx,httpx2,cli,otel]'
	touch $(LOWEST_READY)

lowest: $(LOWEST_READY)
	$(LOWEST)/bin/python -m pytest --numprocesses 4 -m "not slow" $(LOWEST_TESTS) $(ARGS)

# The wheel is tried away from here, where nothing but it can be imported.
dist:
	rm -rf dist
	$(PYTHON) -m venv --clear $(DIST)
	$(DIST)/bin/python -m pip install --quiet --constraint constraints.txt --upgrade pip
	$(DIST)/bin/python -m pip install --quiet --constraint constraints.txt \
		--build-constraint constraints.txt build twine
	PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt $(DIST)/bin/python -m build
	$(DIST)/bin/python -m twine check --strict dist/*
	$(PYTHON) -m venv --clear $(DIST)
	$(DIST)/bin/python -m pip install --quiet --constraint constraints.txt dist/*.whl
	cd / && $(CURDIR)/$(DIST)/bin/python -c 'import fastapi_hybrid_breaker as package; print(package.HybridBreaker(redis=None))'

chaos: $(READY)
	$(VENV)/bin/python -m tests.chaos $(ARGS)

check: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo --no-cache pyproject.toml circles.toml

format: $(READY)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

demo: $(READY)
	$(VENV)/bin/python -m demo_app $(ARGS)

screenshots: machine
	$(VENV)/bin/python -m tests.console.screenshots $(ARGS)

$(BENCH_READY): pyproject.toml constraints.txt benchmarks/requirements.txt
	$(PYTHON) -m venv --clear $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --constraint constraints.txt --upgrade pip
	$(BENCH)/bin/python -m pip install --quiet --constraint constraints.txt \
		--build-constraint constraints.txt --editable '.[httpx,httpx2,demo,otel]'
	$(BENCH)/bin/python -m benchmarks.environment
	touch $(BENCH_READY)

# The quick subset measures no peers, so it needs no environment with them.
ifneq (,$(findstring --quick,$(ARGS)))
bench: $(READY)
	$(VENV)/bin/python -m benchmarks $(ARGS)
else
bench: $(BENCH_READY)
	$(BENCH)/bin/python -m benchmarks $(ARGS)
endif

$(FUZZ_READY): Makefile
	$(PYTHON) -m venv --clear $(FUZZ)
	$(FUZZ)/bin/python -m pip install --quiet 'schemathesis>=4.32,<5'
	touch $(FUZZ_READY)

fuzz-api: $(READY) $(FUZZ_READY)
	$(VENV)/bin/python -m tests.web.fuzz_api $(FUZZ)/bin/schemathesis $(ARGS)

bench-fleet: $(READY)
	$(VENV)/bin/python -m benchmarks.fleet $(ARGS)

simulate: $(READY)
	$(VENV)/bin/python -m simulator $(SEEDS) $(ARGS)

simulate-calm: $(READY)
	$(VENV)/bin/python -m simulator.calm $(ARGS)

fuzz: $(READY)
	$(VENV)/bin/python -m tests.fleet.fuzz $(ARGS)

mutants: $(READY)
	$(VENV)/bin/python -m tests.mutation $(ARGS)

clean:
	rm -rf $(VENV) $(BENCH) $(LOWEST) $(DIST) $(FUZZ) .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
