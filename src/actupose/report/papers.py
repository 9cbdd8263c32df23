"""What the papers report: data, shown beside ours and never mixed with what was measured here.

P1 = "Towards Effective Synthetic Data Sampling for Domain Adaptive Pose Estimation",
P2 = "ACTUPose: Active Curriculum Training for Unsupervised Domain Adaptation in Pose Estimation".
Numbers are x100, as printed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from actupose.params import (
    Corpus,
    DataParams,
    FiguresData,
    H3dData,
    Human36mData,
    LspData,
    RhdData,
    SurrealData,
    SurrealRawData,
)

Row = tuple[str, tuple[float | None, ...]]


@dataclass(frozen=True)
class PaperTable:
    """A published table; None = not reported."""

    title: str
    origin: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


TASKS = ("SURREAL → LSP", "SURREAL → H3.6M", "RHD → H3D")

SURREAL_TO_LSP = PaperTable(
    title="PCK@0.05, SURREAL → LSP, by joint group",
    origin="P2 table 1 and P1 table 1",
    columns=("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "All"),
    rows=(
        ("Source only", (51.5, 65.0, 62.9, 68.0, 68.7, 67.4, 63.9)),
        ("Oracle (target labels; a copy of the H3.6M row)", (95.3, 91.8, 86.9, 95.6, 94.1, 93.6, 92.9)),
        ("RegDA", (62.7, 76.7, 71.1, 81.0, 80.3, 75.3, 74.6)),
        ("RegDA + VAE-CL", (65.1, 77.2, 72.6, 78.5, 78.7, 77.8, 75.0)),
        ("RegDA + VAE-HM", (60.1, 79.9, 75.1, 81.1, 80.8, 79.5, 76.1)),
        ("PoseDA", (82.3, 78.4, 73.2, 74.8, 79.7, 78.7, 77.9)),
        ("UDAPE", (69.2, 84.9, 83.3, 85.5, 84.7, 84.3, 82.0)),
        ("UDAPE, re-run by P1", (68.1, 83.1, 82.3, 83.8, 83.1, 83.0, 80.6)),
        ("UDAPE + VAE-CL", (69.0, 85.2, 84.0, 85.8, 84.9, 84.3, 82.2)),
        ("UDAPE + VAE-HM", (68.5, 86.2, 84.7, 84.8, 85.8, 85.6, 82.6)),
        ("ACTUPose", (71.6, 87.7, 86.5, 88.8, 87.5, 87.1, 84.9)),
    ),
)

ALL_JOINTS = PaperTable(
    title="PCK@0.05, all joints, by task",
    origin="P2 tables 1 and 2",
    columns=TASKS,
    rows=(
        ("Source only", (63.9, 67.3, 61.8)),
        ("Oracle (target labels)", (92.9, 92.9, 95.8)),
        ("RegDA", (74.6, 75.6, 72.5)),
        ("PoseDA", (77.9, 79.6, None)),
        ("UDAPE", (82.0, 79.0, 79.6)),
        ("UDAPE + VAE-HM", (82.6, 78.3, 79.8)),
        ("ACTUPose", (84.9, 82.8, 80.9)),
    ),
)

EVALPOSE = PaperTable(
    title="EvalPose (cosine of triplet angles), by task",
    origin="P1 table 2",
    columns=TASKS,
    rows=(
        ("RegDA", (54.5, 66.5, 69.7)),
        ("RegDA + VAE-HM", (58.2, 64.8, 68.4)),
        ("UDAPE", (61.5, 77.9, 78.5)),
        ("UDAPE + VAE-CL", (62.6, 77.9, 77.6)),
        ("UDAPE + VAE-HM", (63.5, 77.8, 78.8)),
    ),
)

PAPER_TABLES = (SURREAL_TO_LSP, ALL_JOINTS, EVALPOSE)


def task_name(data: DataParams) -> str:
    """Name the two domains: ``surreal → lsp``, ``figures (synthetic) → figures (photo)``."""
    return f"{_corpus_name(data.source)} → {_corpus_name(data.target)}"


def _corpus_name(corpus: Corpus) -> str:
    return f"figures ({corpus.look})" if isinstance(corpus, FiguresData) else corpus.corpus


def comparability(data: DataParams) -> str:
    """Say what must be known before a number measured here is held against a published one."""
    match data.source, data.target:
        case SurrealData() | SurrealRawData(), LspData():
            remarks = ["Same task as the first table.", *_shoulders(data), *_lsp_split(data)]
        case SurrealData() | SurrealRawData(), Human36mData():
            remarks = [f"Same task as the column {TASKS[1]}.", *_shoulders(data), *_human36m_draw(data)]
        case RhdData(), H3dData():
            remarks = [f"Same task as the column {TASKS[2]}."]
        case _:
            return (
                f"This report measures {task_name(data)} with the skeleton {data.skeleton}, not one of the "
                "papers' tasks: the tables are shown for orientation, and no number above can be held "
                "against them."
            )
    return " ".join(remarks)


def _shoulders(data: DataParams) -> Iterator[str]:
    if isinstance(data.source, SurrealData | SurrealRawData) and data.source.joint_map != "tllib":
        yield (
            f"But data.source.joint_map is {data.source.joint_map}: published numbers take SMPL collars as "
            "shoulders (tllib), so shoulders and All do not compare."
        )


def _lsp_split(data: DataParams) -> Iterator[str]:
    if isinstance(data.target, LspData) and data.target.split != "all":
        yield f"But data.target.split is {data.target.split}: the literature tests on all 2000 photos."


def _human36m_draw(data: DataParams) -> Iterator[str]:
    if isinstance(data.target, Human36mData) and data.target.test_draw != "literature":
        yield (
            f"But data.target.test_draw is {data.target.test_draw}: in the literature a test picture "
            "that was drawn twice counts twice."
        )
