# Wraps the ordinary commands of the README: pip install, dvc repro, pytest.

export DO_NOT_TRACK = 1
export DVC_NO_ANALYTICS = 1
export MLFLOW_DISABLE_TELEMETRY = true
export PREFECT_SERVER_ANALYTICS_ENABLED = false
export PATH := $(CURDIR)/.venv/bin:$(PATH)

PYTHON ?= python3
ENVIRONMENT = .venv/.installed

.PHONY: environment demo test
.DELETE_ON_ERROR:

environment: $(ENVIRONMENT)

demo: $(ENVIRONMENT)
	dvc repro
	@cat reports/comparison.md
	@echo "Report: $(CURDIR)/reports/report.html"

test: $(ENVIRONMENT)
	ruff check .
	ruff format --check .
	mypy
	pytest -n 2 --dist loadfile --no-loadscope-reorder

$(ENVIRONMENT): requirements.lock pyproject.toml
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --requirement requirements.lock
	.venv/bin/pip install --quiet --no-deps --editable .
	touch $@
