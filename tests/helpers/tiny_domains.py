"""Two small domains on disk, as ingest and score leave them, and runs of a few steps on them.

People of 16 coloured dots on squares of 32 pixels; everything is written with the project's own writers.
"""

import copy
import json
from pathlib import Path

import cv2
import numpy as np
import torch

from actupose.data.dataset import Domain
from actupose.data.image_store import write_images
from actupose.evaluation.evaluate import Evaluation, evaluate
from actupose.evaluation.evaluate import Inputs as EvaluateInputs
from actupose.evaluation.predict import predict
from actupose.evaluation.predictions import ModelPredictions
from actupose.nets.pose_vae import build_vae
from actupose.params import Params, RunParams, check_params
from actupose.scoring.pose_score import save_vae
from actupose.skeleton import BODY16
from actupose.tables import SCORES, make_table, model_predictions_schema, samples_schema, write_table
from actupose.training.run_files import open_trainer, write_outputs
from actupose.training.trainer import Stopped
from actupose.training.training_data import Inputs

SIDE = 32
NUM_KEYPOINTS = 16
# right ankle, knee, hip, left hip, knee, ankle, pelvis, thorax, neck, head, right wrist .. left wrist
STANDING = np.float32(
    [
        *([11, 28], [12, 23], [13, 18], [18, 18], [19, 23], [20, 28], [16, 17], [16, 11], [16, 9], [16, 4]),
        *([7, 17], [9, 13], [12, 10], [20, 10], [22, 13], [24, 17]),
    ]
)

_VIEW = {
    "rotation": 30,
    "shear": 15,
    "translate": 0.05,
    "scale": [0.8, 1.2],
    "flip": 0.5,
    "color": 0.25,
    "blur": 0,
}
_FIGURES = {
    "corpus": "figures",
    "root": "figures",
    "pose_mix": [0.5, 0.3, 0.2],
    "counts": {"train": 24, "val": 4, "test": 4},
    "seed": 0,
}


_UNIFORM = {"name": "uniform", "num_bins": 6}
_HARD = {"name": "hard_mining", "num_bins": 6, "hard_fraction": 0.33}
_ACTIVE = {
    "name": "active", "num_bins": 6, "pace": 2.0, "sigma": 0.25, "score_axis": "rank", "confidence": "online",
}  # fmt: skip


MATCHED = {
    "name": "active_sampling", "num_bins": 6, "pace": 1.0, "sigma": 0.25, "score_axis": "rank",
    "confidence": "online", "clock": "adaptation", "floor": 0.1, "broadens": True, "target_share": 0.5,
}  # fmt: skip


def _supervised(supervision="source"):
    return {
        "kind": "supervised", "curriculum": _UNIFORM, "fidelity": "corrected", "supervision": supervision,
        "evalpose_weight": 0.0,
    }  # fmt: skip


def _mean_teacher(curriculum=_UNIFORM, evalpose=0.0, cross_domain=0.0):
    return {
        "kind": "mean_teacher",
        "curriculum": curriculum,
        "fidelity": "corrected",
        "ema_decay": 0.99,
        "mask_ratio": 0.5,
        "gate": "global",
        "views": 1,
        "teacher_norm": "own",
        "occlusion": {"rate": 0.5, "threshold": 0.05, "size": 0.04},
        "style": {"kind": "none", "rate": 0.5, "mix": [0.0, 1.0], "band": 0.05},
        "weights": {"udape": 1.0, "evalpose": evalpose, "cross_domain": cross_domain},
        "gamma": 1.0,
    }


TINY = {
    "data": {
        "skeleton": "body16",
        "image_size": SIDE,
        "source": _FIGURES | {"look": "synthetic"},
        "target": _FIGURES | {"look": "photo"},
    },
    "ingest": {"max_rejected_fraction": 0.01, "jpeg_quality": 95},
    "vae": {
        "hidden": [8], "latent": 2, "kl_weight": 0.01, "epochs": 3, "batch_size": 16, "lr": 0.001, "seed": 0,
        "mask": 0.0, "score_kl": 0.0,
    },
    "bins": {"source": 6, "target": 6},
    "network": {
        "backbone": "resnet", "depth": 18, "width": 0.125, "stages": 3, "deconv_channels": 8,
        "head_layers": 1, "pretrained": None, "frozen_stages": 0,
    },
    "heatmap": {"sigma": 1.5, "loss": "kl", "decode": "dark"},
    "augment": {"crop_area": [0.6, 1.0], "student": _VIEW, "teacher": dict(_VIEW)},
    "style_net": {
        "train": True, "encoder": None, "channels": 4, "style_weight": 1.0, "steps": 4, "batch_size": 4,
        "lr": 0.001, "seed": 0,
    },
    "schedule": {"epochs": 3, "pretrain_epochs": 1, "steps_per_epoch": 3, "batch_size": 4},
    "optim": {"lr": 0.003, "decay": "step", "milestones": [1, 2], "factor": 0.1},
    "evaluation": {"batch_size": 64, "threshold": 0.05, "every_epochs": 1, "promotion_split": "test"},
    "compute": {
        "device": "cpu",
        "precision": "32-true",
        "channels_last": False,
        "compile": False,
        "workers": 0,
        "checkpoint_minutes": 5,
    },
    "tracking": {"experiment": "tiny", "system_metrics": False},
    "train": {"methods": ["udape"], "seeds": [0]},
    "methods": {
        "source_only": _supervised(),
        "oracle": _supervised("target"),
        "regda": {
            "kind": "regda",
            "curriculum": _UNIFORM,
            "fidelity": "corrected",
            "head_layers": 2,
            "margin": 4.0,
            "trade_off": 1.0,
            "lr": 0.01,
            "head_lr": 0.1,
            "decay": {"gamma": 0.0001, "power": 0.75},
            "damping": {"high": 0.1, "steps": 1000},
        },
        "poseda": {
            "kind": "poseda", "curriculum": _UNIFORM, "fidelity": "corrected", "hidden": 8, "weight": 0.1,
        },
        "udape": _mean_teacher(),
        "udape_vae_hm": _mean_teacher(_HARD),
        "udape_vae_cl": _mean_teacher({"name": "progressive", "num_bins": 6}),
        "actupose": _mean_teacher(_ACTIVE, evalpose=0.1, cross_domain=0.01),
        "ensemble_teacher": _mean_teacher(MATCHED, evalpose=0.1, cross_domain=0.01) | {
            "kind": "ensemble_teacher", "gate": "soft", "views": 2, "mirrored": True, "calm": 0.5,
            "spread": 0.05, "implausible": 0.1, "student_flip": 0.5, "student_norm": "frozen",
            "mask": {"share": 0.3, "patch": 0.25},
            "pseudo_loss": "heatmap", "rate": {"lr": 0.002, "warmup": 0.2}, "last_decay": 0.995,
        },
    },
}  # fmt: skip


def tiny_tree(**changes):
    """Plain tree of settings with ``changes`` (dots written as __) set.

    What begins with a kind, as ``mean_teacher__views``, is set for all methods of it; with ``every__``, for
    all that a paper has.
    """
    tree = json.loads(json.dumps(TINY))  # methods share parts in TINY
    for key, value in changes.items():
        first, *path = key.split("__")
        methods = list(tree["methods"].values())
        published = [m for m in methods if m["kind"] != "ensemble_teacher"] if first == "every" else []
        entries = published or [m for m in methods if m["kind"] == first] or [tree[first]]
        for entry in entries:
            _set(entry, path, value) if path else tree.update({first: copy.deepcopy(value)})
    return tree


def _set(branch, path, value) -> None:
    *path, last = path
    for name in path:
        branch = branch[name]
    branch[last] = copy.deepcopy(value)


def tiny_params(**changes) -> Params:
    return check_params(tiny_tree(**changes), "tiny")


def tiny_poses(count: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    poses = STANDING + random.normal(0, 1.5, (count, NUM_KEYPOINTS, 2))
    return np.clip(poses, 1, SIDE - 2).astype(np.float32)


def draw_picture(keypoints: np.ndarray, background: int) -> bytes:
    image = np.full((SIDE, SIDE, 3), background, np.uint8)
    for index, (x, y) in enumerate(keypoints):
        colour = (40 + 13 * index, 255 - 13 * index, 120 * (index % 2))
        cv2.circle(image, (round(float(x)), round(float(y))), 1, colour, -1)
    return cv2.imencode(".png", image)[1].tobytes()


def write_samples(folder: Path, rows, keypoints: np.ndarray, visible: np.ndarray) -> None:
    """``rows``: (sample_id, split) in the table's order; picture i belongs to row i."""
    schema = samples_schema(NUM_KEYPOINTS)
    columns = {
        "sample_id": [sample_id for sample_id, _ in rows],
        "split": [split for _, split in rows],
        "corpus": ["tiny"] * len(rows),
        "image_row": np.arange(len(rows)),
        "keypoints": keypoints,
        "visible": visible,
    }
    write_table(folder / "samples.parquet", make_table(schema, columns), schema)


def write_domain(folder: Path, counts: dict[str, int], seed: int, background: int) -> np.ndarray:
    """Write samples.parquet and images.arrow; returns the keypoints."""
    rows = [
        (f"{folder.name}-{split}-{i:03d}", split) for split, count in counts.items() for i in range(count)
    ]
    keypoints = tiny_poses(len(rows), seed)
    visible = np.ones(keypoints.shape[:2], bool)
    visible[::5, 0] = False
    write_samples(folder, rows, keypoints, visible)
    write_images(
        folder / "images.arrow", ((draw_picture(pose, background), SIDE, SIDE) for pose in keypoints)
    )
    return keypoints


def write_scores(folder: Path, sample_ids: list[str], scores, split: str, num_bins: int = 6) -> None:
    """Scores table ordered by rank."""
    order = np.argsort(np.asarray(scores, np.float32), kind="stable")
    columns = {
        "sample_id": [sample_ids[i] for i in order],
        "split": [split] * len(order),
        "score": np.asarray(scores, np.float32)[order],
        "rank": np.arange(len(order)),
        "bin": np.arange(len(order)) * num_bins // max(len(order), 1),
    }
    write_table(folder / "scores.parquet", make_table(SCORES, columns), SCORES)


class Project:
    """Folders of a small project: 24 source training images, 18 of the target."""

    def __init__(self, root: Path, write: bool = True) -> None:
        self.root = root
        self.ingested, self.bins, self.vae = root / "ingested", root / "bins", root / "vae"
        self.inputs = Inputs(self.ingested, self.bins, self.vae, root / "style")
        self.predictions = root / "predictions.parquet"
        if write:
            self._write()

    def _write(self) -> None:
        write_domain(self.ingested / "source", {"train": 24, "val": 4, "test": 4}, seed=0, background=30)
        write_domain(self.ingested / "target", {"train": 18, "test": 12}, seed=1, background=90)
        scores = 1 + 0.001 * np.random.default_rng(2).gamma(2.0, 1.0, 24)  # so close that confidence re-ranks
        write_scores(self.bins / "source", [f"source-train-{i:03d}" for i in range(24)], scores, "train")
        write_scores(
            self.bins / "target", [f"target-test-{i:03d}" for i in range(12)], np.arange(12.0), "test"
        )
        settings = tiny_params().vae
        save_vae(self.vae, build_vae(NUM_KEYPOINTS, settings), settings, [])

    def trainer(
        self,
        params: Params,
        method: str = "actupose",
        state: str = "state",
        seed: int = 0,
        pretrained: Path | None = None,
    ):
        run = RunParams.of(params, method, seed)
        return open_trainer(run, params.compute, self.inputs, self.root / state, (), pretrained)

    def train(self, params: Params, method: str = "actupose", state: str = "state") -> Path:
        """Train without a break; returns the run's folder."""
        return self.finish(self.trainer(params, method, state), state)

    def finish(self, trainer, state: str = "state") -> Path:
        """Train to the end; returns the run's folder."""
        trainer.run(*quiet())
        out = self.root / "runs" / f"{state}-{trainer.params.method_name}"
        write_outputs(trainer, out)
        return out

    def predict(self, params: Params, run: Path) -> None:
        """Write what a run's model says."""
        write_table(self.predictions, predict(params, self.ingested, run), model_predictions_schema(16))

    def evaluate(self, params: Params, run: Path) -> Evaluation:
        """Score the predictions that are there."""
        source, target = (Domain(self.ingested / name, BODY16) for name in ("source", "target"))
        model = ModelPredictions(self.predictions, NUM_KEYPOINTS)
        return evaluate(params, EvaluateInputs(source, target, model, self.bins, self.vae, run))

    def relabel_target(self, keypoints: np.ndarray, visible: np.ndarray) -> None:
        """Give the target other labels."""
        rows = [(f"target-{s}-{i:03d}", s) for s, n in (("train", 18), ("test", 12)) for i in range(n)]
        write_samples(self.ingested / "target", rows, keypoints, visible)


def quiet(should_stop=lambda: False):
    """Arguments of Trainer.run for one who does not listen."""
    return (lambda epoch, metrics: None), should_stop, (lambda step: None)


def run_until_stopped(trainer, after_steps: int) -> None:
    """Run a trainer and stop it when it has done so many steps of its own."""
    done = []

    def should_stop() -> bool:
        done.append(1)
        return len(done) == after_steps

    try:
        trainer.run(*quiet(should_stop))
    except Stopped:
        return
    raise AssertionError(f"the run ended before it had done {after_steps} steps")


def random_images(count: int, side: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, side, side), generator=torch.Generator().manual_seed(seed)).byte()
