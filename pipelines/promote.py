"""Decide which registered model is the champion: the alias under which it is served.

python -m pipelines.promote --dry-run
"""

import argparse
import sys
from typing import Annotated

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from pydantic import Field

from actupose.errors import UserError
from actupose.layout import PARAMS
from actupose.params import load_params
from actupose.signals import unwind_on_signals
from pipelines._promotion_rule import RULE, Decision, judge
from tracking import CANDIDATE, CHAMPION, aliases, annotate, model_name, set_aliases, versions

_STATUS = f"""\
The candidate gets the alias {CANDIDATE}, and {CHAMPION} too if it is promoted; numbers and reason are written
to its version. --dry-run writes nothing.

exit status: 0 promoted, or champion already; 1 refused; 2 nothing to judge, or MLflow does not answer"""


@flow(name="promote", persist_result=False)
def promote(
    experiment: str | None = None,
    version: int | None = None,
    noise: Annotated[float, Field(ge=0, le=1)] | None = None,
    dry_run: bool = False,
) -> Decision:
    """Judge the candidate, or a version, and move the aliases.

    Args:
        experiment: whose models; None takes ``tracking.experiment`` of params.yaml.
        version: number of the version to judge; None takes the candidate.
        noise: of PCK as a fraction; None takes it from the seeds.
        dry_run: decide and write nothing.
    """
    name, decision = decide(experiment, version, noise)
    if not dry_run:
        write(name, decision)
    title = f"# {_line(name, decision)}" + (" (dry run: nothing written)" if dry_run else "")
    create_markdown_artifact(f"{title}\n\n## Rule\n\n{RULE}\n", key="promotion")
    return decision


def decide(experiment: str | None, version: int | None, noise: float | None) -> tuple[str, Decision]:
    """Read the registry and apply the rule; the name is the registered model's.

    Raises:
        UserError: no such model or version, no figures to judge by, or the store does not answer.
    """
    name = model_name(experiment or load_params(PARAMS).tracking.experiment)
    every = versions(name)
    numbers = [found.number for found in every]
    if version is not None and version not in numbers:
        raise UserError(f"--version {version}: {name} has the versions {', '.join(map(str, numbers))}")
    champion = aliases(name).get(CHAMPION)
    if champion is not None and champion not in numbers:
        raise UserError(f"{name}: the champion, version {champion}, is no model of this project")
    return name, judge(every, champion, version, noise)


def write(name: str, decision: Decision) -> None:
    """Note a decision and move the aliases; the champion is left as it is."""
    if decision.outcome == "unchanged":
        return
    tags = {"promotion.decision": decision.outcome, "promotion.reason": decision.reason}
    annotate(name, decision.version, f"{decision.outcome}: {decision.reason}", tags, RULE)
    set_aliases(name, decision.version, [CANDIDATE, *([CHAMPION] if decision.outcome == "promoted" else [])])


def _line(name: str, decision: Decision) -> str:
    return f"{name} version {decision.version}: {decision.outcome}: {decision.reason}"


def main() -> int:
    """Read the command line, judge, and print the decision."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.promote",
        description=f"{__doc__}\n{RULE}\n\n{_STATUS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--experiment", metavar="NAME", help="whose models; default: tracking.experiment")
    parser.add_argument("--version", type=int, metavar="N", help="judge this version, not the candidate")
    parser.add_argument("--noise", type=_fraction, metavar="X", help="noise of seeds, such as 0.01")
    parser.add_argument("--dry-run", action="store_true", help="print the decision and write nothing")
    arguments = parser.parse_args()
    unwind_on_signals(once=False)
    try:
        # A mistake shows before Prefect starts a server, and a dry run needs none.
        name, decision = decide(arguments.experiment, arguments.version, arguments.noise)
        if not arguments.dry_run:
            decision = promote(**vars(arguments))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(_line(name, decision))
    return int(decision.outcome == "refused")


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: a fraction between 0 and 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
