"""From inputs on disk to the outputs of a run: what the train stage calls."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from actupose.files import sha256_of, short_digest
from actupose.nets.pose_model import save_model
from actupose.params import ComputeParams, RunParams
from actupose.tables import CURRICULUM, FLOW, HISTORY, epoch_predictions_schema, history_table, write_table
from actupose.training.checkpoint import remove_checkpoints
from actupose.training.epoch_predictions import gather_epoch_predictions, remove_epoch_predictions
from actupose.training.pretraining import Pretraining
from actupose.training.trainer import Trainer
from actupose.training.training_data import Inputs, adaptation_files, input_files, open_training_data


def open_trainer(
    params: RunParams,
    compute: ComputeParams,
    inputs: Inputs,
    checkpoints: Path,
    code: Iterable[Path] = (),
    pretrained: Path | None = None,
) -> Trainer:
    """A trainer whose folder below ``checkpoints`` is named by method, seed and key.

    ``code`` are the files whose content decides the weights: another one begins another run. Below
    ``pretrained`` lies what runs share until adaptation begins; None shares nothing.
    """
    data = open_training_data(params, inputs)  # before the key: it tells what is missing in one line
    content = data.digest + "".join(map(sha256_of, [*code, *input_files(params, inputs)]))
    later = "".join(map(sha256_of, adaptation_files(params, inputs)))
    key = short_digest((params.model_dump_json() + content + later).encode())
    folder = checkpoints / f"{params.method_name}-{params.seed}-{key}"
    pretraining = None
    if pretrained is not None and params.pretraining is not None:
        pretraining = Pretraining(pretrained, short_digest((params.pretraining + content).encode()))
    return Trainer(params, compute, data, folder, key, pretraining)


def write_outputs(trainer: Trainer, out: Path) -> None:
    """Write everything of ``runs/<method>-<seed>/``, then drop what a resume needs: it is done.

    So is what other params, code or inputs left of the same method and seed: nothing leads back to them.
    """
    state, num_keypoints = trainer.state, len(trainer.params.skeleton)
    save_model(out, trainer.network, trainer.info)
    write_table(out / "history.parquet", history_table(state.history), HISTORY)
    rows = pa.Table.from_pylist(state.curriculum_rows, schema=CURRICULUM)
    write_table(out / "curriculum.parquet", rows, CURRICULUM)
    flow = state.curriculum.flow() if state.curriculum is not None else []
    write_table(out / "flow.parquet", pa.Table.from_pylist(flow, schema=FLOW), FLOW)
    predictions = gather_epoch_predictions(trainer.folder, trainer.evaluated_epochs, num_keypoints)
    write_table(out / "epoch_predictions.parquet", predictions, epoch_predictions_schema(num_keypoints))
    for folder in _folders_of(trainer):
        remove_checkpoints(folder)
        remove_epoch_predictions(folder)


def _folders_of(trainer: Trainer) -> list[Path]:
    """Folders of the run's method and seed, under whatever key: 16 hex digits."""
    name = f"{trainer.params.method_name}-{trainer.params.seed}"
    return sorted(trainer.folder.parent.glob(f"{name}-{'[0-9a-f]' * 16}"))
