"""What a trained model says of the images of both domains, as the predict stage leaves it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from actupose.errors import UserError
from actupose.tables import (
    keypoint_values,
    list_values,
    model_predictions_schema,
    read_table,
    table_metadata,
)


@dataclass(frozen=True)
class SplitPredictions:
    """Of the N images of a split, in the order of the samples table.

    Attributes:
        keypoints: (N, K, 2) pixels of the stored image; confidence: (N, K).
        cell: (N, K) flat heat-map arg-max, -1 where the peak is not positive.
    """

    keypoints: Tensor
    confidence: Tensor
    cell: Tensor


class ModelPredictions:
    """The table of one model, read once.

    Attributes:
        heatmap_side, heatmap_sigma: of the model's heat maps, cells.

    Raises:
        UserError: the table is missing, damaged or of another skeleton.
    """

    def __init__(self, path: Path, num_keypoints: int) -> None:
        self.path = path
        self._table = read_table(path, model_predictions_schema(num_keypoints))
        try:
            metadata = table_metadata(self._table)
            self.heatmap_side = int(metadata["heatmap_side"])
            self.heatmap_sigma = float(metadata["heatmap_sigma"])
        except (KeyError, ValueError):
            raise UserError(f"{path}: does not say what a cell is; run its stage again") from None

    def of(self, domain: str, split: str, sample_ids: Sequence[str]) -> SplitPredictions:
        """Predictions for these images, which are all of a split.

        Raises:
            UserError: the table holds others.
        """
        table = self._table
        is_asked = pc.and_(pc.equal(table.column("domain"), domain), pc.equal(table.column("split"), split))
        rows: pa.Table = table.filter(is_asked)
        if rows.column("sample_id").to_pylist() != list(sample_ids):
            raise UserError(
                f"{self.path}: predictions are not of the images in split {split!r} of the {domain}; "
                "run its stage again (dvc repro)"
            )
        return SplitPredictions(
            torch.from_numpy(keypoint_values(rows, "keypoints_pred")),
            torch.from_numpy(list_values(rows, "confidence")),
            torch.from_numpy(list_values(rows, "cell")).long(),
        )
