"""Which stages several workspaces would run alike: they are computed once, in one of them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import networkx
from dvc.repo import Repo
from dvc.stage import Stage


@dataclass(frozen=True)
class SharedStages:
    """Stages that exactly these workspaces have in common; the first of them computes."""

    stages: list[str]
    workspaces: tuple[Path, ...]


def shared_stages(workspaces: Sequence[Path]) -> list[SharedStages]:
    """What more than one workspace would run alike, in an order that can run.

    Two stages are alike if command, params and places of what they read are, and so are all the stages they
    need; the files of the workspaces are the same.
    """
    sharing: dict[str, list[Path]] = {}
    names: dict[str, str] = {}
    for workspace in workspaces:
        for name, fingerprint in _fingerprints(workspace).items():
            sharing.setdefault(fingerprint, []).append(workspace)
            names[fingerprint] = name
    groups: dict[tuple[Path, ...], list[str]] = {}
    for fingerprint, found in sharing.items():
        if len(found) > 1:
            groups.setdefault(tuple(found), []).append(names[fingerprint])
    most_shared_first = sorted(groups.items(), key=lambda group: -len(group[0]))
    return [SharedStages(stages, found) for found, stages in most_shared_first]


def _fingerprints(workspace: Path) -> dict[str, str]:
    """Digest of each stage with all that it comes from."""
    prints: dict[str, str] = {}
    with Repo(str(workspace)) as repo:
        graph = repo.index.graph
        for stage in reversed(list(networkx.topological_sort(graph))):
            needs = sorted(prints[need.name] for need in graph.successors(stage))
            own = [stage.name, stage.cmd, _params(stage), [dep.def_path for dep in stage.deps], needs]
            prints[stage.name] = hashlib.sha256(json.dumps(own, default=str).encode()).hexdigest()
    return prints


def _params(stage: Stage) -> list[dict[str, object]]:
    return [dependency.read_params() for dependency in stage.params]
