# Everything needs only Python 3.11 or later, pip and make: each target makes its own virtual
# environment in .venv and installs what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
JOBS ?= 2

# The tests of the measuring tools, the notebooks, and the tests that measure time or memory are a
# pass of their own: two timed tests at once on two cores would measure each other, and one that
# fails is looked at once more, alone. PYTEST_ARGS takes options (-k fit, -x), and then a pass that
# selects nothing is no failure; a path in it (tests/fitting) is what is run. Lines are counted where CI is set: counting slows the tests.
TOOLS := tests/bench tests/load tests/experiments
TIMED := tests/perf tests/performance
COVERAGE := $(if $(CI),--cov --cov-report=term)
PATHS := $(filter tests%,$(PYTEST_ARGS))
PYTEST := $(BIN)/python -m pytest
PARALLEL := $(PYTEST) -n $(JOBS) --dist worksteal
ALLOWED := $(PYTEST_ARGS) $(if $(PYTEST_ARGS),|| [ $$? -eq 5 ])
LIBRARY := $(if $(PATHS),,$(addprefix --ignore=,$(TOOLS) $(TIMED)))

.PHONY: help demo quick test test-tools test-all lint bench bench-peers bench-serve profile scaling load-smoke load-steady load-spike load-stress load-docs notebooks clean

help:
	@echo "make demo      run the demonstration; pictures and a report in out/demo/"
	@echo "make quick     one case of each test, in a minute or so: no processes, nothing slow"
	@echo "make test      lint, types, import directions, and the tests of the library and the server"
	@echo "make test-tools  the tests of the measuring tools, the notebooks, and the documented baselines of time and memory"
	@echo "make test-all  all tests, the slow ones too"
	@echo "make lint      lint, types and import directions alone"
	@echo "make bench     the speed tables; exits 1 if a target is missed"
	@echo "make bench-peers  the same physics on py-pde, exponax, numba, NumPy and plain JAX"
	@echo "make bench-serve  the HTTP server's rates, latencies and behaviour under overload (needs wrk)"
	@echo "make profile   where the time of a run goes: tables, and a trace in out/profile/ (CONFIG=my.toml)"
	@echo "make scaling   how the cost grows: tables, a picture in out/scaling/"
	@echo "make load-smoke, load-steady, load-spike, load-stress  the load scenarios; DURATION=10s shortens"
	@echo "make load-docs  copy their tables into docs/load_tests.md"
	@echo "make notebooks the fits of experiments/ as notebooks, run, in out/notebooks/"
	@echo "make clean     remove the virtual environment and all output"

$(VENV)/.user: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("mfnjax needs Python 3.11 or later, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.user
	$(PIP) --constraint constraints.txt --editable ".[all,dev]"
	@touch $@

demo: $(VENV)/.user
	$(BIN)/mfn demo

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

quick: $(VENV)/.dev
	$(PARALLEL) --quick --durations=5 --durations-min=2 $(LIBRARY) $(ALLOWED)

test: lint
	$(PARALLEL) $(COVERAGE) $(LIBRARY) $(ALLOWED)

test-tools: $(VENV)/.dev
	$(PARALLEL) $(TOOLS) $(ALLOWED)
	$(PYTEST) $(TIMED) $(PYTEST_ARGS) || $(PYTEST) $(TIMED) --last-failed $(ALLOWED)

test-all: lint
	$(PARALLEL) -m "slow or not slow" $(addprefix --ignore=,$(TIMED)) $(ALLOWED)
	$(PYTEST) -m "slow or not slow" $(TIMED) $(ALLOWED)

bench-peers: $(VENV)/.dev
	$(PIP) --constraint constraints.txt --editable ".[bench]"
	$(BIN)/python -m benchmarks.peers

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/benchmark_core.py
	$(BIN)/python benchmarks/benchmark_scalability.py
	$(BIN)/python -m benchmarks.core
	$(BIN)/python -m benchmarks.c_loop
	$(BIN)/python -m benchmarks.membrane
	$(BIN)/python -m benchmarks.fractals
	$(BIN)/python -m benchmarks.gradients

bench-serve: $(VENV)/.dev
	$(BIN)/python -m benchmarks.serve

# Both need nothing but the package itself.
profile: $(VENV)/.user
	$(BIN)/python -m benchmarks.profiling $(if $(CONFIG),--config $(CONFIG))

scaling: $(VENV)/.user
	$(BIN)/python -m benchmarks.scaling

# They start a server of their own, or use the one that MFN_LOADTEST_BASE_URL names.
load-smoke load-steady load-spike load-stress: load-%: $(VENV)/.dev
	$(BIN)/python -m load_tests.scenarios $* $(if $(DURATION),--duration $(DURATION))

# Copy the tables of the runs above into docs/load_tests.md.
load-docs: $(VENV)/.dev
	$(BIN)/python -m load_tests.report

notebooks: $(VENV)/.dev
	$(BIN)/python -m experiments.notebooks --execute

clean:
	rm -rf $(VENV) out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*

# What the workflows of .github/ call beside `make test`.
.PHONY: test-docs test-lowest test-newest wheel

test-docs: $(VENV)/.dev
	$(BIN)/python -m pytest tests/test_docs.py

# The tests of the library and the notebooks, in an environment of their own in out/$(1), which pip
# installs with the options $(2).
define test_in
$(PYTHON) -m venv out/$(1)
out/$(1)/bin/python -m pip install --quiet $(2) --editable ".[all,dev]"
out/$(1)/bin/python -m pytest -n $(JOBS) --dist worksteal $(filter-out %/experiments,$(LIBRARY)) $(PYTEST_ARGS)
endef

# The lowest versions that pyproject.toml allows of what the package itself needs.
test-lowest: $(VENV)/.user
	mkdir -p out
	$(PIP) uv
	$(BIN)/uv pip compile --quiet --resolution lowest-direct --extra all pyproject.toml -o out/lowest.txt
	$(call test_in,lowest,--constraint out/lowest.txt)

# The newest versions of everything, JAX above all: no constraints.
test-newest:
	$(call test_in,newest,--upgrade)

# Build wheel and source archive; install the wheel far from the checkout, as a user does; use it.
wheel: $(VENV)/.user
	rm -rf dist out/wheel
	$(PIP) build
	$(BIN)/python -m build --outdir dist
	$(PYTHON) -m venv out/wheel
	out/wheel/bin/python -m pip install --quiet dist/*.whl
	cd out/wheel && bin/mfn --version && bin/mfn demo
