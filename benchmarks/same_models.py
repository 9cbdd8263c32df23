"""Train every method on a few built-in figures at another commit and at this tree; compare the models' bytes.

    python benchmarks/same_models.py 3ae934a --set heatmap.loss=mse
    python benchmarks/same_models.py 3ae934a --methods udape --set-before fidelity=reference \
        --set-after methods.udape.fidelity=reference

What both commits call by the same name goes into ``--set``. Status 1 where one differs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from actupose.files import sha256_of

ROOT = Path(__file__).parents[1]
METHODS = (
    *("source_only", "oracle", "regda", "regda_vae_hm", "regda_vae_cl", "poseda"),
    *("udape", "udape_vae_hm", "udape_vae_cl", "actupose"),
)
TINY = (
    "data.source.counts={train: 48, val: 8, test: 16}",
    "data.target.counts={train: 32, val: 8, test: 30}",
    "vae.epochs=3",
    "network.width=0.25",
    "schedule={epochs: 4, pretrain_epochs: 2, steps_per_epoch: 6, batch_size: 8}",
    "optim.milestones=[3]",
    "compute.device=cpu",
)


def main() -> int:
    """Print a row a method; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", help="a commit")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    for option in ("--set", "--set-before", "--set-after"):
        parser.add_argument(option, nargs="+", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trees = {"before": args.before, "after": None}
        settings = {"before": args.set_before, "after": args.set_after}
        digests = {}
        for name, commit in trees.items():
            project = Path(folder) / name
            _copy(project, commit)
            _set_params(project, [*TINY, *args.set, *settings[name]])
            digests[name] = _train(project, args.methods)
    for method in args.methods:
        same = digests["before"][method] == digests["after"][method]
        print(f"{method:14} {'same' if same else 'differs'} {digests['before'][method][:16]}")
    return int(digests["before"] != digests["after"])


def _copy(project: Path, commit: str | None) -> None:
    """The files of a commit, or of the tree as it stands."""
    project.mkdir()
    if commit:
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    else:
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        tar = ["tar", "--create", "--null", "--files-from", "-", "--ignore-failed-read"]
        archive = subprocess.run(tar, cwd=ROOT, input=names, capture_output=True, check=True).stdout
    subprocess.run(["tar", "--extract"], cwd=project, input=archive, check=True)
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)


def _set_params(project: Path, settings: Sequence[str]) -> None:
    path = project / "params.yaml"
    tree = yaml.safe_load(path.read_text())
    for setting in settings:
        key, _, value = setting.partition("=")
        *parents, last = key.split(".")
        section = tree
        for parent in parents:
            section = section[parent]
        section[last] = yaml.safe_load(value)
    path.write_text(yaml.safe_dump(tree, sort_keys=False))


def _train(project: Path, methods: Sequence[str]) -> dict[str, str]:
    """SHA-256 of every method's weights."""
    domains = ("source", "target")
    for stage in ("ingest", "normalise"):
        for domain in domains:
            _run(project, stage, domain)
    _run(project, "train_vae")
    for domain in domains:
        _run(project, "score", domain)
    _run(project, "train_style")
    for method in methods:
        _run(project, "train", method, "0")
    return {method: sha256_of(project / "runs" / f"{method}-0" / "model.safetensors") for method in methods}


def _run(project: Path, stage: str, *arguments: str) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(project / "src"), str(project)]),
        "OMP_NUM_THREADS": "1",
        "MLFLOW_TRACKING_URI": f"sqlite:///{project / 'mlflow.db'}",
    }
    command = [sys.executable, "-m", f"stages.{stage}", *arguments]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} in {project.name}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
