"""Write the tables that all stages before ``compare`` leave behind: small, real files, no mocks."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import yaml

from actupose.data.image_store import write_images
from actupose.params import Curriculum, Params, check_params
from actupose.report.read import Folders
from actupose.skeleton import BODY16
from actupose.tables import (
    BINS,
    CURRICULUM,
    FLOW,
    HISTORY,
    PER_BIN,
    SCORES,
    make_table,
    normalised_schema,
    predictions_schema,
    samples_schema,
    write_table,
)

SIDE = 64
REPOSITORY = Path(__file__).parents[2]
GROUPS = tuple(BODY16.group_indices)
STANDING = np.array(  # one upright person, y down, about one unit tall on each side of the centre
    [[-0.3, 1.6], [-0.3, 0.9], [-0.25, 0.2], [0.25, 0.2], [0.3, 0.9], [0.3, 1.6], [0, 0.2], [0, -0.8],
     [0, -1.0], [0, -1.5], [-0.8, 0.2], [-0.7, -0.4], [-0.4, -0.9], [0.4, -0.9], [0.7, -0.4], [0.8, 0.2]]
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """Target test photographs and their labels (NaN = none), from the easiest bin to the hardest."""

    images: list[np.ndarray]
    keypoints: np.ndarray
    is_labelled: bool = True


def demo_params(num_bins: int = 5, **train: Any) -> Params:
    """The repository's params with fewer bins and the given ``train`` section."""
    tree = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    tree["bins"] = {"source": num_bins, "target": num_bins}
    for method in tree["methods"].values():
        method["curriculum"]["num_bins"] = num_bins
    tree["train"] |= train
    return check_params(tree, "params")


def folders_below(root: Path) -> Folders:
    data = root / "data"
    return Folders(
        evaluations=root / "evaluations",
        runs=root / "runs",
        bins=data / "bins",
        normalised=data / "normalised",
        ingested=data / "ingested",
        style=root / "models" / "style",
    )


def write_params(path: Path, params: Params) -> None:
    path.write_text(yaml.safe_dump(params.model_dump(mode="json")))


def drawn_people(count: int = 20, is_labelled: bool = True) -> Target:
    """Grey squares with a person of growing oddness drawn in white."""
    rng = np.random.default_rng(5)
    oddness = np.linspace(0, 0.4, count)[:, None, None]
    keypoints = (STANDING + oddness * rng.normal(size=(count, 16, 2))) * 14 + SIDE / 2
    images = []
    for pose in keypoints:
        image = np.full((SIDE, SIDE, 3), 110, np.uint8)
        for start, end in BODY16.bones:
            cv2.line(image, *(pose[[start, end]].round().astype(int).tolist()), (240, 240, 240), 2)
        images.append(image)
    return Target(images, keypoints.astype(np.float32), is_labelled)


def flat_metrics(value: float) -> dict[str, Any]:
    """Every figure of a labelled run at one value, the best epoch a tenth above it."""

    def figures(level: float) -> dict[str, Any]:
        keys = dict.fromkeys(GROUPS, level)
        single = ("evalpose_bone", "evalpose_angle", "pck_all_hardest_third", "source_pck_all")
        return {"pck": keys, "pck_tllib": keys, **dict.fromkeys(single, level)}

    return {"last": figures(value), "best_on_target": {**figures(value + 0.1), "epoch": 3}}


UNLABELLED_METRICS: dict[str, Any] = {"last": {"source_pck_all": 0.9}, "best_on_target": {}}


def write_project(
    root: Path, params: Params, metrics: Callable[[str, int], Mapping[str, Any]], target: Target | None = None
) -> None:
    """Every input of ``compare`` below ``root``; ``metrics(method, seed)`` is that run's ``metrics.json``."""
    target = target or drawn_people()
    num_bins = params.bins.target
    _write_source(root, num_bins)
    _write_target(root, target, num_bins)
    for place, method in enumerate(params.train.methods):
        for seed in params.train.seeds:
            evaluation = root / "evaluations" / f"{method}-{seed}"
            rng = np.random.default_rng([place, seed])
            _write_predictions(evaluation, target, num_bins, rng, error=3.5 - 0.5 * place)
            _write_per_bin(evaluation, target, num_bins, rng, level=0.5 + 0.06 * place)
            (evaluation / "metrics.json").write_text(json.dumps(metrics(method, seed)))
            _write_run(root / "runs" / f"{method}-{seed}", params, method, rng)


def _write_source(root: Path, num_bins: int, count_per_bin: int = 12) -> None:
    rng = np.random.default_rng(1)
    bins = np.repeat(np.arange(num_bins), count_per_bin)
    oddness = (0.03 + 0.25 * bins / num_bins)[:, None, None]
    poses = STANDING + oddness * rng.normal(size=(len(bins), 16, 2))
    names = [f"source/{row:05d}" for row in range(len(bins))]
    columns = {
        "sample_id": names,
        "split": ["train"] * len(bins),
        "pose": poses.astype(np.float32),
        "visible": np.ones((len(bins), 16), bool),
        "center": np.zeros((len(bins), 2), np.float32),
        "scale": np.ones(len(bins), np.float32),
    }
    schema = normalised_schema(16)
    write_table(root / "data/normalised/source.parquet", make_table(schema, columns), schema)
    _write_bins(root / "data/bins/source", names, bins, num_bins, hardness=0.0)


def _write_target(root: Path, target: Target, num_bins: int) -> None:
    folder, count = root / "data/ingested/target", len(target.images)
    encoded = [cv2.imencode(".png", image[..., ::-1])[1].tobytes() for image in target.images]
    write_images(folder / "images.arrow", [(data, SIDE, SIDE) for data in encoded])
    columns = {
        "sample_id": _target_names(count),
        "split": ["test"] * count,
        "corpus": ["figures"] * count,
        "image_row": np.arange(count),
        "keypoints": target.keypoints,
        "visible": np.full((count, 16), target.is_labelled),
    }
    write_table(folder / "samples.parquet", make_table(samples_schema(16), columns), samples_schema(16))
    names, bins = (
        (_target_names(count), _target_bins(count, num_bins))
        if target.is_labelled
        else ([], np.array([], int))
    )
    _write_bins(root / "data/bins/target", names, bins, num_bins if target.is_labelled else 0, hardness=0.8)


def _target_names(count: int) -> list[str]:
    return [f"target/{row:05d}" for row in range(count)]


def _target_bins(count: int, num_bins: int) -> np.ndarray:
    return np.arange(count) * num_bins // count


def _write_bins(folder: Path, names: list[str], bins: np.ndarray, num_bins: int, hardness: float) -> None:
    scores = np.sort(np.random.default_rng(2).lognormal(hardness - 1, 0.9, len(names))).astype(np.float32)
    columns = {"sample_id": names, "split": ["train"] * len(names), "score": scores,
               "rank": np.arange(len(names)), "bin": bins}  # fmt: skip
    write_table(folder / "scores.parquet", make_table(SCORES, columns), SCORES)
    own = [scores[bins == number] for number in range(num_bins)]
    spread = np.array([0.1 + 0.02 * number + 0.1 * hardness for number in range(num_bins)])
    summary: dict[str, Any] = {
        "bin": np.arange(num_bins),
        "count": [len(part) for part in own],
        "score_min": [part.min() for part in own],
        "score_mean": [part.mean() for part in own],
        "score_max": [part.max() for part in own],
    }
    shares = {"mean": 1, "std": 0.3, "q05": 0.5, "q25": 0.8, "q50": 1, "q75": 1.2, "q95": 1.6}
    summary |= {f"variation_{name}": spread * share for name, share in shares.items()}
    write_table(folder / "bins.parquet", make_table(BINS, summary), BINS)


def _write_predictions(
    folder: Path, target: Target, num_bins: int, rng: np.random.Generator, error: float
) -> None:
    count = len(target.images)
    wrong = error * np.linspace(0.3, 1.4, count)[:, None, None]
    predicted = target.keypoints + wrong * rng.normal(size=target.keypoints.shape)
    unknown = np.full(count, np.nan)
    columns = {
        "sample_id": _target_names(count),
        "bin": _target_bins(count, num_bins),
        "keypoints_pred": predicted.astype(np.float32),
        "confidence": np.full((count, 16), 0.8, np.float32),
        "keypoints_true": target.keypoints if target.is_labelled else np.full_like(target.keypoints, np.nan),
        "visible": np.full((count, 16), target.is_labelled),
        "evalpose_angle": np.full(count, 0.7) if target.is_labelled else unknown,
        "evalpose_bone": np.full(count, 0.7) if target.is_labelled else unknown,
    }
    metadata = {"image_side": str(SIDE), "skeleton": "body16", "selection": "last"}
    table = make_table(predictions_schema(16), columns, metadata)
    write_table(folder / "predictions.parquet", table, predictions_schema(16))


def _write_per_bin(
    folder: Path, target: Target, num_bins: int, rng: np.random.Generator, level: float
) -> None:
    bins = np.arange(num_bins)
    falling = level + 0.1 - 0.4 * bins / num_bins + 0.02 * rng.normal(size=num_bins)
    known = falling if target.is_labelled else np.full(num_bins, np.nan)
    columns = {"bin": bins, "count": np.bincount(_target_bins(len(target.images), num_bins))}
    columns |= dict.fromkeys(("keypoint_accuracy", "pck_all", "evalpose_angle", "evalpose_bone"), known)
    write_table(folder / "per_bin.parquet", make_table(PER_BIN, columns), PER_BIN)


def _write_run(folder: Path, params: Params, method: str, rng: np.random.Generator, epochs: int = 6) -> None:
    terms = {"source": 2.0, "learning_rate": 0.001}
    if params.methods[method].kind == "mean_teacher":
        terms |= {"consistency": 1.0, "kept": 0.6}
    rows = [
        (epoch, name, level / (epoch + 1) + 0.02 * rng.random())
        for epoch in range(epochs)
        for name, level in terms.items()
    ]
    columns = zip(*rows, strict=True)
    history = make_table(HISTORY, dict(zip(HISTORY.names, columns, strict=True)))
    write_table(folder / "history.parquet", history, HISTORY)
    weights = _weights(params, params.methods[method].curriculum, epochs)
    write_table(folder / "curriculum.parquet", _curriculum_table(weights), CURRICULUM)
    bins = np.arange(params.bins.target)
    stayed = {"vae_bin": bins, "bin": bins, "count": np.full(len(bins), 120)}
    write_table(folder / "flow.parquet", make_table(FLOW, stayed), FLOW)


def _weights(params: Params, curriculum: Curriculum, epochs: int) -> np.ndarray:
    """(epochs, bins): what each curriculum takes of every bin."""
    num_bins = params.bins.target
    bins, epoch = np.arange(num_bins)[None], np.arange(epochs)[:, None]
    if curriculum.name == "active":
        peak = np.minimum(curriculum.pace * num_bins * epoch // epochs, num_bins - 1)
        return np.exp(-(((bins - peak) / (num_bins - 1)) ** 2) / (2 * curriculum.sigma**2))
    if curriculum.name == "hard_mining":
        return np.broadcast_to(bins >= num_bins * 0.67, (epochs, num_bins)).astype(float)
    if curriculum.name == "progressive":
        return (bins < num_bins * (1 + 3 * epoch // epochs) / 3).astype(float)
    return np.ones((epochs, num_bins))


def _curriculum_table(weights: np.ndarray, available: int = 120) -> pa.Table:
    epoch, number = (grid.ravel() for grid in np.indices(weights.shape))
    flat = weights.ravel()
    columns = {
        "epoch": epoch,
        "bin": number,
        "mean_score": 0.1 * number,
        "weight": flat,
        "available": np.full(len(flat), available),
        "drawn": np.rint(flat * available).astype(int),
        "moved": np.zeros(len(flat), int),
    }
    return make_table(CURRICULUM, columns)
