"""What MLflow gets to know of a run: plain data."""

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actupose.files import short_digest
from actupose.params import Params, RunParams
from tracking.process import process_tags

# Set by pipelines.run for its stages:
PARENT_RUN = "ACTUPOSE_PARENT_RUN_ID"
FLOW_RUN = "ACTUPOSE_FLOW_RUN_ID"  # Prefect's
CELL = "ACTUPOSE_CELL"  # set by pipelines.sweep for pipelines.run: name and values of the cell, as JSON

KIND = "actupose.kind"
RUN_KEY = "actupose.run_key"
GROUP = "actupose.group"  # the run key without the seed
TRAINING_ID = "actupose.training_id"
SWEEP = "actupose.sweep"
CELL_NAME = "actupose.cell"


@dataclass(frozen=True)
class TrackedRun:
    """What MLflow gets to know of a run; ``key`` changes with every setting that decides the weights."""

    experiment: str
    name: str
    key: str
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    system_metrics: bool = False


def describe_run(params: Params, method: str, seed: int) -> TrackedRun:
    """Name, flat params and tags of one (method, seed)."""
    settings = RunParams.of(params, method, seed).model_dump(mode="json")
    data = params.data.model_dump(mode="json")
    digest = short_digest(json.dumps([settings, data], sort_keys=True).encode())
    group = short_digest(json.dumps([settings | {"seed": None}, data], sort_keys=True).encode())
    name = f"{method}-{seed}"
    tags = {
        KIND: "run",
        RUN_KEY: f"{name}-{digest}",
        GROUP: f"{method}-{group}",
        "params_hash": digest,
        "method": method,
        "seed": str(seed),
        "supervision": params.methods[method].labelled_domain,
        "skeleton": params.data.skeleton,
        "source": params.data.source.corpus,
        "target": params.data.target.corpus,
        "selection": "last",
        **origin_tags(),
    }
    shown = {key: value for key, value in _flat(settings) if not key.startswith("augment.")}
    tracking = params.tracking
    return TrackedRun(tracking.experiment, name, tags[RUN_KEY], shown, tags, tracking.system_metrics)


def origin_tags() -> dict[str, str]:
    """Say which process this is and what it comes from (DVC, git, Prefect); what is unknown is left out."""
    lock = Path("dvc.lock")
    tags = {
        "dvc.stage": os.environ.get("DVC_STAGE"),
        "dvc.experiment": os.environ.get("DVC_EXP_NAME"),
        "dvc.experiment.baseline": os.environ.get("DVC_EXP_BASELINE_REV"),
        "dvc.lock": short_digest(lock.read_bytes()) if lock.exists() else None,
        "mlflow.source.name": " ".join(sys.orig_argv[1:]),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": _git("rev-parse", "HEAD"),
        "mlflow.source.git.branch": _git("branch", "--show-current"),
        "mlflow.user": getpass.getuser(),
        "mlflow.parentRunId": os.environ.get(PARENT_RUN),
        "prefect.flow_run": os.environ.get(FLOW_RUN),
    }
    return process_tags() | {key: value for key, value in tags.items() if value}


def _git(*question: str) -> str:
    answer = subprocess.run(["git", *question], capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else ""


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
