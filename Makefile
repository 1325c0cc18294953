# make demo, make test: all set-up included. Override PYTHON or VENV to use your own.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test evidence lint native clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(STAMP): $(BIN)/python pyproject.toml constraints.txt CMakeLists.txt $(wildcard cpp/*)
	$(BIN)/pip install -q -c constraints.txt "scikit-build-core>=0.11" "nanobind>=2.7" cmake ninja
	$(BIN)/pip install -q -c constraints.txt --no-build-isolation -e ".[dev]"
	touch $(STAMP)

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 -m "not long"

demo: $(STAMP)
	$(BIN)/python examples/demo.py

evidence: $(STAMP)
	$(BIN)/python -m benchmarks.evidence

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# For developers: build the extension into src/zifglass without installing.
native:
	cmake -S . -B build/dev -G Ninja -DPython_EXECUTABLE=$(abspath $(BIN)/python) >/dev/null
	cmake --build build/dev
	cmake --install build/dev --prefix src >/dev/null

clean:
	rm -rf build src/zifglass/_native*.so
