"""Say which poses of the target photos the synthetic source lacks: what to render next.

It needs no labels of the target: its poses are those that an evaluated run's model finds on the photos it was
adapted to, of which the surer half counts. Two poses are alike where the mean cosine of their bones reaches
--alike. The first table counts the source's bins, from the easiest poses to the hardest, among these photos:
where the deficit (the target's share less the source's) is large, the source has too few poses of such a
score. The second lists poses that stand for what is lacking most, with photos that show them and the source's
nearest poses. What to do with them: look at wanted.png, and whether the photos named show such poses, for the
model may be wrong. Then pose your renderer's figures as in wanted.json (COCO's keypoint format, one person in
each frame of 256 x 256) or wanted.parquet, vary body, camera and clothes as before, and render of each as
many as its deficit says: 2 % is 200 for a source of 10,000. Add them to the source's training images and run
the pipeline again; the deficits should have shrunk. Where nothing is lacking, no wanted.png is written.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from actupose.errors import UserError
from actupose.layout import BINS, EVALUATIONS, INGESTED, NORMALISED, PARAMS, PREDICTIONS, VAE

if TYPE_CHECKING:
    import pyarrow as pa

    from actupose.skeleton import Skeleton
    from actupose.wanted.find import Inputs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "name",
        nargs="?",
        metavar="RUN",
        help="an evaluated run, such as udape-0; may be left out where there is one",
    )
    parser.add_argument(
        "--count", type=int, default=25, metavar="N", help="poses at most; default: %(default)s"
    )
    parser.add_argument(
        "--alike",
        type=float,
        default=0.9,
        metavar="C",
        help="mean cosine of their bones from which two poses are alike: 0.9 is about 25 degrees; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("wanted"), metavar="FOLDER", help="default: %(default)s"
    )


def run(arguments: argparse.Namespace) -> int:
    """Search, print both tables and write the files."""
    from actupose.params import load_params  # --help needs no torch
    from actupose.report.terminal import console_for
    from actupose.skeleton import SKELETONS
    from actupose.wanted.find import Search, find_wanted
    from actupose.wanted.write import PICTURE, draw_wanted, write_wanted

    search = Search(arguments.count, arguments.alike)
    if arguments.output.exists() and not arguments.output.is_dir():
        raise UserError(f"{arguments.output}: is a file, not a folder; name another with --output")
    name = _evaluated_run(arguments.name)
    skeleton = SKELETONS[load_params(PARAMS).data.skeleton]
    wanted = find_wanted(_inputs(name, skeleton), skeleton, search)
    paths = write_wanted(arguments.output, wanted, skeleton)
    paths += draw_wanted(arguments.output / PICTURE, wanted.poses, skeleton)
    console = console_for(sys.stdout)
    console.print(_bins_table(wanted.bins))
    console.print(_poses_table(wanted.poses) if len(wanted.poses) else "The source lacks no pose of these.")
    print(f"{arguments.output}: {', '.join(path.name for path in paths)}")
    return 0


def _evaluated_run(name: str | None) -> str:
    """The run that is meant: the one named, or the only one."""
    names = sorted(path.parent.name for path in EVALUATIONS.glob("*/metrics.json"))
    if not names:
        raise UserError(f"{EVALUATIONS}: no run is evaluated here; run: dvc repro")
    if name is None and len(names) == 1:
        return names[0]
    if name not in names:
        asked = "name a run" if name is None else f"{name}: no such run"
        raise UserError(f"{asked}; evaluated are {', '.join(names)}")
    return name


def _inputs(name: str, skeleton: "Skeleton") -> "Inputs":
    from actupose.data.dataset import Domain
    from actupose.evaluation.predictions import ModelPredictions
    from actupose.wanted.find import Inputs

    return Inputs(
        ModelPredictions(PREDICTIONS / f"{name}.parquet", len(skeleton)),
        Domain(INGESTED / "target", skeleton, labels=False).sample_ids("train"),
        NORMALISED / "source.parquet",
        BINS / "source" / "scores.parquet",
        VAE,
    )


def _bins_table(bins: "pa.Table") -> Table:
    table = _empty_table("Bin", "Photos", "Target %", "Source %", "Deficit %", left="Surest photos")
    for row in bins.to_pylist():
        table.add_row(str(row["bin"]), str(row["target_count"]), *_percent(row), ", ".join(row["sample_ids"]))
    return table


def _poses_table(poses: "pa.Table") -> Table:
    columns = ("Rank", "Bin", "Covers", "Target %", "Source %", "Deficit %")
    table = _empty_table(*columns, left="Surest photos")
    table.add_column("Nearest of the source", overflow="fold")
    for row in poses.to_pylist():
        numbers = (str(row[key]) for key in ("rank", "bin", "target_count"))
        names = (", ".join(row[key]) for key in ("sample_ids", "source_ids"))
        table.add_row(*numbers, *_percent(row), *names)
    return table


def _empty_table(*numbers: str, left: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for title in numbers:
        table.add_column(title, justify="right")
    table.add_column(left, overflow="fold")
    return table


def _percent(row: dict[str, float]) -> tuple[str, str, str]:
    target, source, deficit = (100 * row[f] for f in ("target_share", "source_share", "deficit"))
    return f"{target:.1f}", f"{source:.1f}", f"{deficit:+.1f}"
