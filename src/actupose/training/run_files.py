"""From inputs on disk to the outputs of a run: what the train stage calls."""

from pathlib import Path

import pyarrow as pa

import actupose
from actupose.nets.pose_model import save_model
from actupose.params import ComputeParams
from actupose.params.run import TrainingSettings
from actupose.tables import CURRICULUM, FLOW, HISTORY, epoch_predictions_schema, history_table, write_table
from actupose.training.checkpoint import checkpoint_key, remove_checkpoints
from actupose.training.epoch_predictions import gather_epoch_predictions, remove_epoch_predictions
from actupose.training.trainer import Trainer
from actupose.training.training_data import Inputs, input_files, open_training_data

CODE_FOLDERS = ("core", "data", "nets", "methods")


def open_trainer(
    settings: TrainingSettings, compute: ComputeParams, inputs: Inputs, checkpoints: Path
) -> Trainer:
    """A trainer whose folder below ``checkpoints`` is named by method, seed and key."""
    data = open_training_data(settings, inputs)  # before the key: it tells what is missing in one line
    decisive = settings.model_dump_json() + data.digest
    key = checkpoint_key(decisive, [*_code_files(), *input_files(settings, inputs)])
    folder = checkpoints / f"{settings.method_name}-{settings.seed}-{key}"
    return Trainer(settings, compute, data, folder, key)


def write_outputs(trainer: Trainer, out: Path) -> None:
    """Write everything of ``runs/<method>-<seed>/``, then drop what a resume needs: it is done."""
    num_keypoints = len(trainer.settings.skeleton)
    save_model(out, trainer.method.bare(trainer.adapted), trainer.method.student.info)
    write_table(out / "history.parquet", history_table(trainer.history), HISTORY)
    rows = pa.Table.from_pylist(trainer.curriculum_rows, schema=CURRICULUM)
    write_table(out / "curriculum.parquet", rows, CURRICULUM)
    flow = trainer.curriculum.flow() if trainer.curriculum is not None else []
    write_table(out / "flow.parquet", pa.Table.from_pylist(flow, schema=FLOW), FLOW)
    predictions = gather_epoch_predictions(trainer.folder, trainer.evaluated_epochs, num_keypoints)
    write_table(out / "epoch_predictions.parquet", predictions, epoch_predictions_schema(num_keypoints))
    remove_checkpoints(trainer.folder)
    remove_epoch_predictions(trainer.folder)


def _code_files() -> list[Path]:
    root = Path(actupose.__file__).parent
    rooms = (path for folder in CODE_FOLDERS for path in (root / folder).rglob("*.py"))
    return sorted([*root.glob("*.py"), *rooms])
