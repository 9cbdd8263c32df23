"""The rule by which a model becomes champion, apart from where models are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Literal

from actupose.errors import UserError
from tracking import Version

RULE = """\
Models of one method with the same settings, apart from the seed, are a group. The candidate's group has the
best mean PCK@0.05 over its seeds on the promotion split of the target (evaluation.promotion_split); the
candidate is its best seed. It becomes champion if both hold:
1. its group's mean is better than that of the champion's group by more than the noise: the larger of both
   groups' sample standard deviations over seeds;
2. its group's mean in the hardest third of the poses is not worse by more than that noise.
With fewer than two seeds in both groups the noise is unknown and the candidate is refused, unless --noise
states it. Where there is no champion the candidate becomes it. Only figures of the same labels are compared.
A model that has trained on target labels (oracle) is never promoted."""

_NO_FIGURES = (
    "no figures of a promotion split: the target needs labels on evaluation.promotion_split (val, test), "
    "and dvc repro evaluate measures them"
)

Outcome = Literal["promoted", "refused", "unchanged"]


@dataclass(frozen=True)
class Group:
    """Models that differ in nothing but the seed, and their figures."""

    versions: tuple[Version, ...]

    @property
    def name(self) -> str:
        """The method, and how many seeds the means are of."""
        seeds = len(self.versions)
        return f"{self.versions[0].method} ({seeds} seed{'' if seeds == 1 else 's'})"

    @property
    def best(self) -> Version:
        """The best seed; of equals the first version."""
        return max(self.versions, key=lambda version: (version.pck, -version.number))

    @property
    def pck(self) -> float:
        """Mean over seeds."""
        return mean(_known(version.pck) for version in self.versions)

    @property
    def hardest(self) -> float:
        """Mean over seeds in the hardest third."""
        return mean(_known(version.hardest) for version in self.versions)

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation of PCK over seeds; None of a single seed."""
        values = [_known(version.pck) for version in self.versions]
        return stdev(values) if len(values) > 1 else None


def _known(figure: float | None) -> float:
    if figure is None:
        raise UserError(_NO_FIGURES)
    return figure


@dataclass(frozen=True)
class Decision:
    """What happens to a version, and why: one line with the numbers."""

    outcome: Outcome
    version: int
    reason: str


def judge(
    versions: Sequence[Version], champion: int | None, wanted: int | None = None, noise: float | None = None
) -> Decision:
    """Apply :data:`RULE`.

    Args:
        versions: all models of a name, oldest first.
        champion: number of the champion.
        wanted: number of the version to be judged; None takes the candidate.
        noise: as a fraction; None takes it from the seeds.

    Raises:
        UserError: there are no figures to judge by.
    """
    known = {version.number: version for version in versions}
    candidate = known[wanted] if wanted else best_candidate(versions)
    if candidate.uses_target_labels:
        return Decision("refused", candidate.number, f"{candidate.method} has trained on target labels")
    if candidate.number == champion:
        return Decision("unchanged", candidate.number, "it is the champion already")
    if not is_measured(candidate):
        raise UserError(f"version {candidate.number}: {_NO_FIGURES}")
    group = group_of(versions, candidate)
    if champion is None:
        return Decision("promoted", candidate.number, f"{_shown(group)}; there was no champion")
    holder = known[champion]
    if holder.measured_on != candidate.measured_on:
        reason = (
            f"its figures are not of the labels those of the champion, version {champion}, are of; "
            "evaluate both on the same, or take the champion's alias away in MLflow"
        )
        return Decision("refused", candidate.number, reason)
    return _compare(candidate, group, group_of(versions, holder), noise)


def is_measured(version: Version) -> bool:
    """Whether a version has all figures of the promotion split."""
    return version.pck is not None and version.hardest is not None


def best_candidate(versions: Sequence[Version]) -> Version:
    """The best seed of the best group, among those measured on what the newest version is measured on.

    Raises:
        UserError: none is measured.
    """
    allowed = [version for version in versions if is_measured(version) and not version.uses_target_labels]
    if not allowed:
        raise UserError(_NO_FIGURES)
    newest = allowed[-1].measured_on
    groups = [group_of(versions, version) for version in allowed if version.measured_on == newest]
    return max(groups, key=lambda group: group.pck).best


def group_of(versions: Sequence[Version], member: Version) -> Group:
    """The group of a version: of a seed that was trained again the newest, but of its own seed itself."""
    seeds = {
        version.seed: version
        for version in versions
        if version.group == member.group
        and version.measured_on == member.measured_on
        and is_measured(version)
    }
    return Group(tuple((seeds | {member.seed: member}).values()))


def _compare(candidate: Version, ours: Group, theirs: Group, noise: float | None) -> Decision:
    deviations = [value for value in (ours.deviation, theirs.deviation) if value is not None]
    both = f"{_shown(ours)}; champion {_shown(theirs)}"
    if noise is None and not deviations:
        reason = f"{both}; noise unknown: no group has two seeds; train more seeds or state it with --noise"
        return Decision("refused", candidate.number, reason)
    margin = max(deviations) if noise is None else noise
    both += f"; noise {100 * margin:.2f}"
    if not ours.pck - theirs.pck > margin:
        return Decision("refused", candidate.number, f"{both}: not better by more than noise")
    if ours.hardest < theirs.hardest - margin:
        return Decision("refused", candidate.number, f"{both}: worse in the hardest third by more than noise")
    return Decision("promoted", candidate.number, both)


def _shown(group: Group) -> str:
    return f"{group.name} PCK@0.05 {100 * group.pck:.2f}, hardest third {100 * group.hardest:.2f}"
