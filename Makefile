# Outcomes. `make run` does everything; CONTRIBUTING.md says what the others are for.
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
MANAGE := $(BIN)/python manage.py
UV := $(shell command -v uv 2>/dev/null)
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := run
.PHONY: run setup test lint check bench campaign lock clean demo-reset

run: .venv/.run ## Serve the whole product on http://127.0.0.1:$(PORT)
	@exec $(MANAGE) up --setup --port "$(PORT)"

setup: .venv/.run ## Prepare this machine: requirements, database, demo clinic
	@$(MANAGE) setup

test: .venv/.test ## Run the tests (the thorough ones: make check); needs nothing prepared
	@$(BIN)/pytest

lint: .venv/.dev ## Format, lint, types, import contracts, migrations, API document
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/djade --check $$(find templates -name '*.html')
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MANAGE) makemigrations --check --dry-run
	$(MANAGE) spectacular --validate --fail-on-warn --file /dev/null

check: lint ## Everything a change must pass
	$(BIN)/pytest --cov -m ""

bench: .venv/.dev ## Print the measured figures side by side
	@$(BIN)/python -m bench

campaign: .venv/.test ## Kill, crash and hang everything, and print what held (SHORT=1: ten minutes)
	@$(BIN)/python -m tests.campaign $(if $(SHORT),--short)

lock: ## Lock the three requirement levels again (U=-U takes newer versions)
	@for level in "" -test -dev; do \
		uv pip compile --quiet --universal --python-version 3.11 --no-strip-extras --generate-hashes $(U) \
			--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
			--output-file requirements$$level.txt requirements$$level.in || exit 1; \
	done

demo-reset: .venv/.run ## Put the embedded database aside and make the demo clinic anew
	@$(MANAGE) demo_reset

clean: ## Remove what was installed and cached; never the data in var/
	@rm -rf .venv .cache .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache \
		.import_linter_cache .hypothesis htmlcov test-results build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One virtual environment, three levels of locked requirements, one stamp for each.
.venv/bin/python:
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "Outcomes needs Python 3.11 or newer, and $(PYTHON) is not here: make run PYTHON=python3.12 names another." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Outcomes needs Python 3.11 or newer, and $(PYTHON) is $$("$(PYTHON)" -c 'import platform; print(platform.python_version())' 2>/dev/null || echo "no Python"): make run PYTHON=python3.12 names another." >&2; exit 1; }
	@$(if $(UV),uv venv --quiet --allow-existing --python "$(PYTHON)" .venv,"$(PYTHON)" -m venv .venv)

.venv/.run: requirements.txt | .venv/bin/python
.venv/.test: requirements-test.txt | .venv/bin/python
.venv/.dev: requirements-dev.txt | .venv/bin/python
.venv/.run .venv/.test .venv/.dev:
	@echo "Installing $< ..."
ifdef UV
	@uv pip install --quiet --python $(BIN)/python --require-hashes --requirement $<
else
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --requirement $<
endif
	@touch $@
