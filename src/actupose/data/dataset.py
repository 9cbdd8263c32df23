"""Stored images and their labels as batches of tensors."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from actupose.core.rng import generator
from actupose.data.image_store import ImageStore
from actupose.errors import UserError
from actupose.skeleton import Skeleton
from actupose.tables import keypoint_values, list_values, read_table, samples_schema


@dataclass(frozen=True)
class ImageBatch:
    """uint8 RGB images (B, 3, S, S) and positions (B,) in the domain's split.

    Of a batch that is shared by ranks: this rank's images, and everyone's positions.
    """

    images: Tensor
    index: Tensor

    def pin_memory(self) -> "ImageBatch":
        """In memory from which a GPU copies while the host goes on; the loader calls it."""
        return ImageBatch(self.images.pin_memory(), self.index.pin_memory())

    def to(self, device: torch.device) -> "ImageBatch":
        """Copy to a device without waiting."""
        return ImageBatch(self.images.to(device, non_blocking=True), self.index.to(device, non_blocking=True))


class DomainImages(Dataset[Any]):
    """Images of one split of one domain, in the order of its samples table; holds no labels.

    Args:
        folder: what ingest wrote of the domain.
        split: train, val or test.
        skeleton: of the table.
        only: ids to keep, None for all.

    Raises:
        UserError: no sample is left, or the images are not those of the table.
    """

    def __init__(
        self, folder: Path, split: str, skeleton: Skeleton, only: Sequence[str] | None = None
    ) -> None:
        table = read_table(
            folder / "samples.parquet", samples_schema(len(skeleton)), ["sample_id", "split", "image_row"]
        )
        chosen = _select(table, split, only)
        if len(chosen) == 0:
            raise UserError(f"{folder / 'samples.parquet'}: split {split!r} holds no sample")
        self.sample_ids: list[str] = chosen.column("sample_id").to_pylist()
        self._rows = chosen.column("image_row").to_numpy()
        self._store = ImageStore(folder / "images.arrow")
        if not 0 <= self._rows.min() <= self._rows.max() < len(self._store):
            raise UserError(f"{folder}: samples.parquet names images that images.arrow lacks; ingest again")
        self._plan = _Plan()
        self._loader: DataLoader[Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_loader": None}  # of what a worker process is sent

    def __len__(self) -> int:
        return len(self._rows)

    def __getitems__(self, index: Sequence[int]) -> ImageBatch:
        images = np.stack([self._store.decode(int(self._rows[i])) for i in index])
        return ImageBatch(
            torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.tensor(list(index))
        )

    def batches(self, plan: Sequence[Tensor] | Tensor, workers: int) -> Iterator[ImageBatch]:
        """Batches at the positions of each row of ``plan``, decoded by ``workers`` processes (0: here).

        The processes stay for the next plan: starting them would hold up every epoch.
        """
        if self._loader is None or self._loader.num_workers != workers:
            self._loader = DataLoader(
                self,
                batch_sampler=self._plan,
                num_workers=workers,
                collate_fn=_identity,
                worker_init_fn=_leave_group,
                pin_memory=torch.cuda.is_available(),
                persistent_workers=workers > 0,
            )
        self._plan.rows = [row.tolist() for row in plan]
        return iter(self._loader)


class _Plan:
    """Positions of every batch to come."""

    def __init__(self) -> None:
        self.rows: list[list[int]] = []

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def _leave_group(_worker: int) -> None:
    """A signal to the whole group is for the parent, which fails if its workers end before it has saved.

    They end with it all the same: it signals them, and they check for it every few seconds.
    """
    os.setpgrp()


def _identity(batch: Any) -> Any:  # noqa: ANN401 - the loader believes it is a list of samples
    return batch


@dataclass(frozen=True)
class Labels:
    """Keypoints (N, K, 2) in pixels of the stored image and visible (N, K), of one split."""

    keypoints: Tensor
    visible: Tensor

    def to(self, device: torch.device) -> "Labels":
        """Copy to a device."""
        return Labels(self.keypoints.to(device), self.visible.to(device))


def read_labels(folder: Path, split: str, skeleton: Skeleton, only: Sequence[str] | None = None) -> Labels:
    """Labels of a split, in the order of :class:`DomainImages`."""
    table = read_table(
        folder / "samples.parquet",
        samples_schema(len(skeleton)),
        ["sample_id", "split", "keypoints", "visible"],
    )
    chosen = _select(table, split, only)
    return Labels(
        torch.from_numpy(keypoint_values(chosen, "keypoints")),
        torch.from_numpy(list_values(chosen, "visible")),
    )


def epoch_plan(pool: Tensor, size: tuple[int, int], seed: int, stream: str, epoch: int) -> Tensor:
    """Positions of an epoch, ``size`` = (steps, B): the pool (M,) shuffled, again and again until full."""
    random = generator(seed, stream, epoch)
    needed = size[0] * size[1]
    rounds = -(-needed // len(pool))
    shuffled = torch.cat([pool[torch.randperm(len(pool), generator=random)] for _ in range(rounds)])
    return shuffled[:needed].view(size)


def _select(table: pa.Table, split: str, only: Sequence[str] | None) -> pa.Table:
    chosen = table.filter(pc.equal(table.column("split"), split))
    if only is None:
        return chosen
    return chosen.filter(pc.is_in(chosen.column("sample_id"), pa.array(only, pa.string())))
