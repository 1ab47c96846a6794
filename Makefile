# `make demo` and `make test` need Python 3.11 to 3.13, pip, make and a C compiler; all else
# goes into .venv.
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check

.PHONY: demo test lint schemas wheel clean

demo: $(VENV)/.installed
	$(VENV)/bin/mvi demo demo-project

test: $(VENV)/.installed-dev
	$(VENV)/bin/pytest --numprocesses 2 --dist loadfile

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python schemas/generate.py --check

schemas: $(VENV)/.installed
	$(VENV)/bin/python schemas/generate.py

# The built package, not the checkout: are its data files in it, does it run?
wheel: $(VENV)/.installed-dev
	rm -rf build/wheel
	$(PIP) wheel --quiet --no-deps --wheel-dir build/wheel .
	$(PIP) install --quiet --no-deps --target build/wheel/installed build/wheel/*.whl
	cd build/wheel && PYTHONPATH=installed ../../$(VENV)/bin/python ../../tests/wheel_check.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build demo-project
