# Two commands from a fresh clone: make demo, make test. Only Python and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# torch first and pinned: the pinned release is a plain CPU build where one is offered
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# modules are compiled when they are first imported, and kept, also where an environment says otherwise: many processes
# import the same, and most of what is installed is never imported
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test lint unit wheel compiled slow clean

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --no-compile --constraint constraints.txt torch
	$(PIP) install --no-compile --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: $(VENV)/.installed
	$(BIN)/hf-contrastive demo

# lint uses one core, wheel and then compiled another, the units two
test: $(VENV)/.installed
	$(MAKE) --no-print-directory --jobs=2 lint wheel compiled
	$(MAKE) --no-print-directory unit

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.installed
	$(BIN)/python -m pytest -m "not slow and not gpu" -n 2 --dist loadfile

# the base install must audit without torch: build the wheel, install it alone, audit with it
wheel: $(VENV)/.installed
	PYTHON="$(abspath $(BIN)/python)" sh tests/wheel_without_torch.sh

# the processes of the tests would each compile all tests; what is wrong with one of them, they tell
compiled: $(VENV)/.installed
	-@$(BIN)/python -m pytest --collect-only -qq >/dev/null

slow: $(VENV)/.installed
	$(BIN)/python -m pytest -m "slow and not gpu" -n 2 --dist loadfile --no-loadscope-reorder

clean:
	rm -rf $(VENV) dist build demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
