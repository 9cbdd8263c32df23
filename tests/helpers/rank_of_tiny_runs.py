"""One rank of some short runs on the tiny domains. Started by test_trainer_ranks.py."""

import json
import os
import sys
from pathlib import Path

from tiny_domains import Project, quiet, tiny_params

from actupose.training.checkpoint import load_checkpoint

ONE_STEP = {"epochs": 1, "pretrain_epochs": 0, "steps_per_epoch": 1, "batch_size": 4}


def run_cases(project: Project, cases: dict) -> dict:
    """Run every case, a method and changed settings; returns what the checkpoint after it holds."""
    found = {}
    for name, (method, changes) in cases.items():
        params = tiny_params(**{"schedule": ONE_STEP} | changes)
        trainer = project.trainer(params, method, f"{os.environ.get('WORLD_SIZE', '1')} of {name}")
        trainer.run(*quiet())
        found[name] = load_checkpoint(trainer.folder, trainer.key) | {"folder": str(trainer.folder)}
    return found


if __name__ == "__main__":
    root, cases = Path(sys.argv[1]), json.loads(sys.argv[2])
    found = run_cases(Project(root, write=False), cases)
    (root / f"folders-{os.environ['RANK']}.json").write_text(
        json.dumps({name: [state["key"], state["folder"]] for name, state in found.items()})
    )
