"""What DVC would run, and what waits for what."""

from collections.abc import Mapping, Sequence

import networkx
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo

from actupose.errors import UserError


def read_graph(targets: Sequence[str]) -> dict[str, list[str]]:
    """Stages in an order that can run, each with the stages it waits for.

    First come those that need none, then those that need only these, and so on: who waits, waits not long.
    ``targets`` are names of stages or of groups (``train`` is every ``train@...``); what they need comes with
    them. No target means every stage.
    """
    try:
        with Repo(".") as repo:
            edges = [(stage.addressing, need.addressing) for stage, need in repo.index.graph.edges]
            names = [stage.addressing for stage in repo.index.graph.nodes]
    except DvcException as error:
        raise UserError(f"dvc.yaml: {' '.join(str(error).split())}") from None
    needs: networkx.DiGraph[str] = networkx.DiGraph()
    needs.add_nodes_from(names)
    needs.add_edges_from(edges)
    wanted = _with_needs(needs, targets) if targets else set(names)
    generations = networkx.topological_generations(needs.subgraph(wanted).reverse())
    order = [name for generation in generations for name in sorted(generation, key=names.index)]
    return {name: list(needs.successors(name)) for name in order}


def stale_stages(graph: Mapping[str, Sequence[str]]) -> set[str]:
    """Stages of ``graph`` that DVC finds changed, and all behind them: the others need no ``dvc repro``.

    While another DVC command holds the repository, any of them may be changed.
    """
    try:
        with Repo(".") as repo:
            changed = repo.status()
    except LockError:
        return set(graph)
    except DvcException as error:
        raise UserError(f"dvc.yaml: {' '.join(str(error).split())}") from None
    stale: set[str] = set()
    for stage, needs in graph.items():
        if stage in changed or not stale.isdisjoint(needs):
            stale.add(stage)
    return stale


def _with_needs(needs: "networkx.DiGraph[str]", targets: Sequence[str]) -> set[str]:
    wanted: set[str] = set()
    for target in targets:
        found = [name for name in needs if target in (name, name.partition("@")[0])]
        if not found:
            raise UserError(f"{target}: no such stage; there are {', '.join(needs)}")
        wanted.update(found, *(networkx.descendants(needs, name) for name in found))
    return wanted
