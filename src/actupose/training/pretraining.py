"""What a run learns before adaptation begins, left for every other run that would learn the same.

It is a checkpoint in a folder named by a key of all that decides it, with the predictions saved until then. A
run that takes it over ends as if it had trained through, on the CPU bit for bit. It is no stage of dvc.yaml:
the items of a matrix cannot depend on a file that each of their methods names.
"""

import os
import shutil
from pathlib import Path

from actupose.core.ranks import rank
from actupose.training.checkpoint import remove_checkpoints
from actupose.training.epoch_predictions import copy_epoch_predictions
from actupose.training.state import RunState

KEPT = 8  # the pretrainings used last: each is as large as a checkpoint
PARTS = ("network student", "optimizer student", "curriculum")  # nothing else has changed by then


class Pretraining:
    """The place of one pretraining.

    Args:
        root: of all pretrainings.
        key: names what decides this one; its folder bears it.
    """

    def __init__(self, root: Path, key: str) -> None:
        self.folder = root / key
        self.key = key

    def take_over(self, state: RunState, folder: Path) -> None:
        """Bring a run that has not begun to where adaptation begins, if a run before came there."""
        if not self.folder.exists():
            return
        os.utime(self.folder)  # before it is read: another run may be about to drop what was used least
        state.restore(self.folder, self.key, PARTS)
        if state.step > 0 and rank() == 0:
            copy_epoch_predictions(self.folder, folder)

    def leave(self, state: RunState, folder: Path) -> None:
        """Keep what a run has come to; of all pretrainings those used last stay."""
        copy_epoch_predictions(folder, self.folder)
        state.save(self.folder, self.key, PARTS)
        os.utime(self.folder)
        others = sorted(self.folder.parent.iterdir(), key=lambda place: place.stat().st_mtime, reverse=True)
        for place in others[KEPT:]:
            remove_checkpoints(place)  # first: without one, what else is left is nothing
            shutil.rmtree(place, ignore_errors=True)
