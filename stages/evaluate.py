"""Score one trained run's predictions on the target's test images, over all and per bin; log to MLflow.

What the model finds on the target's training photos, which needs no label, says which poses the source lacks.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow as pa

from actupose.data.dataset import Domain
from actupose.evaluation.evaluate import Evaluation, Inputs, evaluate
from actupose.evaluation.predictions import ModelPredictions
from actupose.files import atomic_path
from actupose.layout import BINS, EVALUATIONS, INGESTED, NORMALISED, PREDICTIONS, RUNS, VAE
from actupose.params import Params
from actupose.report.compare import write_run_figures
from actupose.report.read import evaluated_run
from actupose.skeleton import SKELETONS, Skeleton
from actupose.tables import HISTORY, PER_BIN, predictions_schema, read_table, write_table
from actupose.wanted import find, write
from stages._entry import run_stage
from stages._run_arguments import RunArguments, read_run_arguments
from tracking import RunMirror, describe_run

FILES = ("metrics.json", "per_bin.parquet", "predictions.parquet")
BIN_METRICS = {  # column of per_bin.parquet -> line chart in MLflow, step = bin
    "pck_all": "bins/pck_0.05",
    "evalpose_bone": "bins/evalpose_bone",
    "evalpose_angle": "bins/evalpose_angle",
    "keypoint_accuracy": "bins/keypoint_accuracy",
    "count": "bins/count",
}


def main() -> None:
    """data/predictions/<method>-<seed>.parquet -> evaluations/<method>-<seed>."""
    args = read_run_arguments(__doc__)
    params, run = args.params, RUNS / args.name
    skeleton = SKELETONS[params.data.skeleton]
    source, target = (Domain(INGESTED / name, skeleton) for name in ("source", "target"))
    predictions = ModelPredictions(PREDICTIONS / f"{args.name}.parquet", len(skeleton))
    result = evaluate(params, Inputs(source, target, predictions, BINS, VAE, run))
    wanted = _find_wanted(predictions, target, skeleton)
    _write(args.name, params, result)
    lists = write.write_wanted(EVALUATIONS / args.name, wanted, skeleton)
    history = read_table(run / "history.parquet", HISTORY)
    with RunMirror.reopen(describe_run(params, args.method, args.seed)) as mirror:
        _track(mirror, args.name, result, history)
        _print_accuracy(args, result)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            mirror.log_files("figures", _drawn(args, partial(_draw, args, result, history, target, out)))
            picture = partial(write.draw_wanted, out / write.PICTURE, wanted.poses, skeleton)
            mirror.log_files("wanted", [*lists, *_drawn(args, picture)])


def _find_wanted(predictions: ModelPredictions, target: Domain, skeleton: Skeleton) -> find.Wanted:
    photos, source = target.sample_ids("train"), NORMALISED / "source.parquet"
    scores = BINS / "source" / "scores.parquet"
    return find.find_wanted(find.Inputs(predictions, photos, source, scores, VAE), skeleton)


def _draw(args: RunArguments, result: Evaluation, history: pa.Table, target: Domain, out: Path) -> list[Path]:
    """Figures of the run, in ``out``."""
    run = evaluated_run(args.method, args.seed, result, history, RUNS / args.name)
    return write_run_figures(run, target, out, args.params)


def _drawn(args: RunArguments, draw: Callable[[], list[Path]]) -> list[Path]:
    """What ``draw`` leaves; nothing, and a warning, where it cannot."""
    try:
        return draw()
    except Exception as error:  # whatever is wrong with a picture, what it shows is measured and written
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"warning: {args.name}: no figures: {reason}", file=sys.stderr)
        return []


def _print_accuracy(args: RunArguments, result: Evaluation) -> None:
    pck = result.metrics["last"].get("pck", {}).get("all")
    shown = "unknown" if pck is None else f"{100 * pck:.1f}"
    print(f"{args.name}: PCK@{args.params.evaluation.threshold:g} {shown}")


def _write(name: str, params: Params, result: Evaluation) -> None:
    folder = EVALUATIONS / name
    schema = predictions_schema(len(SKELETONS[params.data.skeleton]))
    metrics, per_bin, predictions = (folder / file for file in FILES)
    write_table(predictions, result.predictions, schema)
    write_table(per_bin, result.per_bin, PER_BIN)
    with atomic_path(metrics) as path:
        path.write_text(json.dumps(result.metrics, indent=2) + "\n")


def _track(mirror: RunMirror, name: str, result: Evaluation, history: pa.Table) -> None:
    run, last = RUNS / name, result.metrics["last"]
    mirror.log_epochs(history.to_pylist())
    mirror.log_series({"target_epoch/pck_0.05": dict(result.epochs)})
    bins = result.per_bin.to_pydict()
    mirror.log_series(
        {key: dict(zip(bins["bin"], bins[column], strict=True)) for column, key in BIN_METRICS.items()}
    )
    scalars = {
        "target/pck_0.05": last.get("pck", {}).get("all"),
        "target/pck_0.05_hardest_third": last.get("pck_all_hardest_third"),
        "target/evalpose_bone": last.get("evalpose_bone"),
        "target/evalpose_angle": last.get("evalpose_angle"),
        "source/pck_0.05": last.get("source_pck_all"),
    }
    mirror.log_scalars({key: value for key, value in scalars.items() if value is not None})
    mirror.log_files("evaluation", [EVALUATIONS / name / file for file in FILES])
    mirror.log_files("run", [run / "history.parquet", run / "curriculum.parquet"])
    mirror.log_datasets()
    mirror.log_model(run, result.metrics["promotion"])


if __name__ == "__main__":
    run_stage(main)
