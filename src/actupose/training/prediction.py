"""What a model says of all images of a split, computed by all ranks together."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from actupose.core.ranks import gather_rows, share, world_size
from actupose.data.dataset import DomainImages
from actupose.nets.pose_model import PoseModel, Prediction, predict_batch

BATCH_SIZE = 64


def predict_all(
    model: PoseModel, images: DomainImages, device: torch.device, workers: int, batch_size: int = BATCH_SIZE
) -> Prediction:
    """Predictions (on the CPU) for all images of a split, in order; each rank predicts for its share.

    The model trains or evaluates afterwards as it did before.
    """
    number, ranks = len(images), world_size()
    padded = torch.arange(-(-number // ranks) * ranks) % number  # equal shares: the first come again
    rows = share(padded)
    batches = images.batches(rows.split(batch_size), workers)
    with _modes_kept(model), torch.compiler.set_stance("force_eager"):  # compiled are steps, of one shape
        parts = [predict_batch(model, batch.images.to(device, non_blocking=True)) for batch in batches]
    columns = (torch.cat(column) for column in zip(*parts, strict=True))
    return Prediction(*(gather_rows(column)[:number] for column in columns))


@contextmanager
def _modes_kept(model: nn.Module) -> Iterator[None]:
    """Set every part back to its own mode: parts of one model may differ, as a frozen norm does."""
    modes = [(part, part.training) for part in model.modules()]
    try:
        yield
    finally:
        for part, is_training in modes:
            part.training = is_training
