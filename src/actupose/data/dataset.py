"""Stored images and their labels as batches of tensors."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
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
from actupose.tables import keypoint_values, list_values, read_table, samples_schema, table_digest

IMAGE_COLUMNS = ("sample_id", "split", "image_row")
LABEL_COLUMNS = ("keypoints", "visible")


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


@dataclass(frozen=True)
class Labels:
    """Keypoints (N, K, 2) in pixels of the stored image and visible (N, K), of one split."""

    keypoints: Tensor
    visible: Tensor

    def to(self, device: torch.device) -> "Labels":
        """Copy to a device."""
        return Labels(self.keypoints.to(device), self.visible.to(device))


class Domain:
    """What ingest wrote of one domain: its samples table, read once, and its images, opened when asked for.

    Args:
        folder: of the domain.
        skeleton: of the table.
        labels: whether to read them; a domain without has none to give away.

    Raises:
        UserError: the table is missing or damaged.
    """

    def __init__(self, folder: Path, skeleton: Skeleton, *, labels: bool = True) -> None:
        columns = IMAGE_COLUMNS + LABEL_COLUMNS if labels else IMAGE_COLUMNS
        self.folder = folder
        self._samples = read_table(folder / "samples.parquet", samples_schema(len(skeleton)), columns)

    def holds(self, split: str) -> bool:
        """Whether a split has any sample."""
        return bool(pc.any(pc.equal(self._samples.column("split"), split)).as_py())

    def images(self, split: str, only: Sequence[str] | None = None) -> "DomainImages":
        """Images of a split (train, val or test), in the table's order; ``only`` these ids, None for all.

        Raises:
            UserError: no sample is left, or the images are not those of the table.
        """
        chosen = self._chosen(split, only)
        if len(chosen) == 0:
            raise UserError(f"{self.folder / 'samples.parquet'}: split {split!r} holds no sample")
        images = DomainImages(
            chosen.column("sample_id").to_pylist(), chosen.column("image_row").to_numpy(), self._store
        )
        if not images.are_stored():
            raise UserError(
                f"{self.folder}: samples.parquet names images that images.arrow lacks; ingest again"
            )
        return images

    def labels(self, split: str, only: Sequence[str] | None = None) -> Labels:
        """Labels of a split, in the order of :meth:`images`; of an empty one no rows."""
        chosen = self._chosen(split, only)
        return Labels(
            torch.from_numpy(keypoint_values(chosen, "keypoints")),
            torch.from_numpy(list_values(chosen, "visible")),
        )

    def sample_ids(self, split: str) -> list[str]:
        """Names of a split's samples, in the order of :meth:`images`."""
        names: list[str] = self._chosen(split, None).column("sample_id").to_pylist()
        return names

    def image(self, sample_id: str) -> np.ndarray:
        """(S, S, 3) uint8 RGB image of one sample."""
        is_meant = pc.equal(self._samples.column("sample_id"), sample_id)
        (row,) = self._samples.column("image_row").filter(is_meant).to_pylist()
        return self._store.decode(row)

    def digest(self) -> bytes:
        """Name what was read of the table: of a domain without labels they make no difference."""
        return table_digest(self._samples)

    @cached_property
    def _store(self) -> ImageStore:
        return ImageStore(self.folder / "images.arrow")

    def _chosen(self, split: str, only: Sequence[str] | None) -> pa.Table:
        chosen = self._samples.filter(pc.equal(self._samples.column("split"), split))
        if only is None:
            return chosen
        return chosen.filter(pc.is_in(chosen.column("sample_id"), pa.array(only, pa.string())))


class DomainImages(Dataset[Any]):
    """Images of one split of one :class:`Domain`; holds no labels.

    Args:
        sample_ids: names of the N images.
        rows: (N,) where the store has them.
        store: of the domain.
    """

    def __init__(self, sample_ids: list[str], rows: np.ndarray, store: ImageStore) -> None:
        self.sample_ids = sample_ids
        self._rows = rows
        self._store = store
        self._plan = _Plan()
        self._loader: DataLoader[Any] | None = None

    def are_stored(self) -> bool:
        """Whether the store has all of them."""
        return bool(0 <= self._rows.min() <= self._rows.max() < len(self._store))

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


def epoch_plan(pool: Tensor, size: tuple[int, int], seed: int, stream: str, epoch: int) -> Tensor:
    """Positions of an epoch, ``size`` = (steps, B): the pool (M,) shuffled, again and again until full."""
    random = generator(seed, stream, epoch)
    needed = size[0] * size[1]
    rounds = -(-needed // len(pool))
    shuffled = torch.cat([pool[torch.randperm(len(pool), generator=random)] for _ in range(rounds)])
    return shuffled[:needed].view(size)
