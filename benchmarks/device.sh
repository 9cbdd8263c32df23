#!/bin/sh
# All that only a GPU shows, in one call: see device.py. Needs the library alone: no dvc, mlflow, prefect.
set -eu
cd "$(dirname "$0")/.."
PYTHONPATH="src${PYTHONPATH:+:$PYTHONPATH}" exec "${PYTHON:-python3}" benchmarks/device.py "$@"
