"""What is seen of a model while it trains: its word on target test images, its source accuracy."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa

from actupose.core.metrics import group_means, pck
from actupose.data.dataset import Labels
from actupose.nets.pose_model import Prediction
from actupose.skeleton import Skeleton
from actupose.tables import epoch_predictions_schema, make_table, read_table, write_table


def save_epoch_predictions(folder: Path, epoch: int, sample_ids: list[str], prediction: Prediction) -> None:
    """Write one epoch's predictions; a run repeated from an earlier checkpoint writes the same again."""
    schema = epoch_predictions_schema(prediction.keypoints.shape[1])
    table = make_table(
        schema,
        {
            "epoch": np.full(len(sample_ids), epoch),
            "sample_id": sample_ids,
            "keypoints_pred": prediction.keypoints.numpy(),
            "confidence": prediction.confidence.numpy(),
            "cell": prediction.cell.numpy().astype(np.int32),
        },
    )
    write_table(_epoch_path(folder, epoch), table, schema)


def gather_epoch_predictions(folder: Path, epochs: list[int], num_keypoints: int) -> pa.Table:
    """The saved epochs in one table."""
    schema = epoch_predictions_schema(num_keypoints)
    tables = [read_table(_epoch_path(folder, epoch), schema) for epoch in epochs]
    return pa.concat_tables(tables) if tables else schema.empty_table()


def copy_epoch_predictions(folder: Path, other: Path) -> None:
    """Give another folder all that are saved in this one."""
    if (folder / "epochs").exists():
        shutil.copytree(folder / "epochs", other / "epochs", dirs_exist_ok=True)


def remove_epoch_predictions(folder: Path) -> None:
    """Drop the saved epochs."""
    shutil.rmtree(folder / "epochs", ignore_errors=True)


def source_pck(prediction: Prediction, labels: Labels, skeleton: Skeleton, image_size: int) -> float:
    """PCK@0.05 over the scored keypoints of labelled source images."""
    per_keypoint = pck(prediction.keypoints, labels.keypoints, labels.visible, image_size)
    return group_means(per_keypoint, skeleton.group_indices)["all"]


def _epoch_path(folder: Path, epoch: int) -> Path:
    return folder / "epochs" / f"epoch-{epoch:04d}.parquet"
