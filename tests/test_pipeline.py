"""The whole pipeline, shrunk, in a copy of the project: every stage really runs."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
import yaml
from dvc.repo import Repo
from mlflow import MlflowClient
from mlflow.entities import Run
from recorded_reads import leaves, recorded_reads
from shrunk_project import EPOCHS, NUM_BINS, environment, make_project, run, run_here, set_params
from waiting import wait_until

from actupose import tables
from actupose.training.checkpoint import load_checkpoint

METHODS = (
    *("source_only", "oracle", "regda", "regda_vae_hm", "regda_vae_cl", "poseda"),
    *("udape", "udape_vae_hm", "udape_vae_cl", "actupose", "ensemble_teacher"),
)
PER_RUN = ("train", "predict", "evaluate")
BY_DVC = ("source_only", "actupose")
RUNS = tuple(f"{method}-0" for method in METHODS)
NUM_KEYPOINTS = 16


def started_stages(output: str) -> set[str]:
    return set(re.findall(r"^Running stage '([^']+)'", output, re.MULTILINE))


class Finished(NamedTuple):
    """A finished project, what ``dvc repro`` printed, and which keys of params.yaml stages have read."""

    folder: Path
    printed: str
    reads: dict[str, set[str]]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Most methods are run by stages within this process, which is quicker, and then made known to DVC."""
    folder = tmp_path_factory.mktemp("pipeline") / "project"
    make_project(folder, {"train.methods": list(BY_DVC)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
        printed = run(folder, "dvc", "repro")
        set_params(folder, {"train.methods": list(METHODS)})
        by_us = [(stage, m) for m in METHODS if m not in BY_DVC for stage in PER_RUN]
        reads = {f"{stage}@{method}-0": read_by(folder, stage, method, "0") for stage, method in by_us}
    run(folder, "dvc", "commit", "--force", *reads)
    run(folder, "dvc", "repro", "compare")
    return Finished(folder, printed, reads)


def read_by(project: Path, stage: str, *arguments: str) -> set[str]:
    """Run a stage within this process, and return the keys that it reads."""
    with recorded_reads() as keys:
        run_here(project, stage, *arguments)
    return keys


@pytest.fixture(scope="session")
def project(finished: Finished) -> tuple[Path, str]:
    """The finished project and what ``dvc repro`` printed."""
    return finished.folder, finished.printed


@pytest.fixture
def copied(project: tuple[Path, str], tmp_path: Path) -> Path:
    """A second finished project, without checkpoints and MLflow runs, that a test may change."""
    folder = tmp_path / "project"
    shutil.copytree(project[0], folder, symlinks=True, ignore=shutil.ignore_patterns(".state", "__pycache__"))
    return folder


@pytest.fixture
def tracked(project: tuple[Path, str]) -> tuple[MlflowClient, dict[str, Run]]:
    return tracked_runs(project[0])


def tracked_runs(project: Path) -> tuple[MlflowClient, dict[str, Run]]:
    client = MlflowClient(tracking_uri=f"sqlite:///{project / '.state' / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("shrunk").experiment_id])
    assert len({run.info.run_name for run in runs}) == len(runs), "a run is there twice"
    return client, {run.info.run_name: run for run in runs}


def model_bytes(project: Path, name: str) -> bytes:
    return (project / "runs" / name / "model.safetensors").read_bytes()


def test_one_command_runs_every_stage(project: tuple[Path, str]) -> None:
    domains = {f"{stage}@{d}" for stage in ("ingest", "normalise", "score") for d in ("source", "target")}
    per_run = {f"{stage}@{method}-0" for stage in PER_RUN for method in BY_DVC}
    assert started_stages(project[1]) == domains | per_run | {"train_vae", "train_style", "compare"}


def contract_tables() -> Iterator[tuple[str, Any]]:
    for domain in ("source", "target"):
        yield f"data/ingested/{domain}/samples.parquet", tables.samples_schema(NUM_KEYPOINTS)
        yield f"data/ingested/{domain}/rejected.parquet", tables.REJECTED
        yield f"data/normalised/{domain}.parquet", tables.normalised_schema(NUM_KEYPOINTS)
        yield f"data/normalised/{domain}_rejected.parquet", tables.REJECTED
        yield f"data/bins/{domain}/scores.parquet", tables.SCORES
        yield f"data/bins/{domain}/bins.parquet", tables.BINS
    for name in RUNS:
        yield f"runs/{name}/history.parquet", tables.HISTORY
        yield f"runs/{name}/curriculum.parquet", tables.CURRICULUM
        yield f"runs/{name}/epoch_predictions.parquet", tables.epoch_predictions_schema(NUM_KEYPOINTS)
        yield f"data/predictions/{name}.parquet", tables.model_predictions_schema(NUM_KEYPOINTS)
        yield f"evaluations/{name}/predictions.parquet", tables.predictions_schema(NUM_KEYPOINTS)
        yield f"evaluations/{name}/per_bin.parquet", tables.PER_BIN
        yield f"evaluations/{name}/wanted_bins.parquet", tables.WANTED_BINS
        yield f"evaluations/{name}/wanted.parquet", tables.wanted_schema(NUM_KEYPOINTS)


def test_every_table_is_there_with_its_columns(project: tuple[Path, str]) -> None:
    for name, schema in contract_tables():
        table = tables.read_table(project[0] / name, schema)
        assert len(table) or "rejected" in name or "oracle-0/curriculum" in name, name


def test_every_other_file_is_there(project: tuple[Path, str]) -> None:
    names = [f"data/ingested/{domain}/images.arrow" for domain in ("source", "target")]
    names += [f"runs/{name}/{file}" for name in RUNS for file in ("model.safetensors", "model.json")]
    names += [f"evaluations/{name}/wanted.json" for name in RUNS]
    names += [
        "reports/comparison.csv",
        "reports/comparison.json",
        "reports/comparison.md",
        "reports/report.html",
    ]
    assert [name for name in names if not (project[0] / name).is_file()] == []
    assert list((project[0] / "models" / "vae").glob("*.safetensors"))


def test_scores_are_ordered_and_bins_are_equal(project: tuple[Path, str]) -> None:
    scores = pq.read_table(project[0] / "data/bins/source/scores.parquet").to_pydict()
    assert scores["rank"] == list(range(48))
    assert scores["score"] == sorted(scores["score"])
    assert np.bincount(scores["bin"]).tolist() == [12] * NUM_BINS


@pytest.mark.parametrize("name", RUNS)
def test_metrics_name_both_selection_rules(project: tuple[Path, str], name: str) -> None:
    metrics = json.loads((project[0] / "evaluations" / name / "metrics.json").read_text())
    groups = {"shoulder", "elbow", "wrist", "hip", "knee", "ankle", "all"}
    for rule in ("last", "best_on_target"):
        assert {"pck", "pck_tllib", "evalpose_bone", "evalpose_angle"} <= set(metrics[rule])
        assert groups <= set(metrics[rule]["pck"])
        assert 0 <= metrics[rule]["pck"]["all"] <= 1
    assert 0 <= metrics["best_on_target"]["epoch"] < EPOCHS


def test_predictions_say_what_they_are_of(project: tuple[Path, str]) -> None:
    path = project[0] / "evaluations/actupose-0/predictions.parquet"
    metadata = tables.table_metadata(pq.read_table(path))
    assert {"skeleton": "body16", "selection": "last"}.items() <= metadata.items()
    assert float(metadata["image_side"]) == 64


def test_mlflow_has_one_finished_run_for_each_method_and_seed(
    tracked: tuple[MlflowClient, dict[str, Run]],
) -> None:
    _, runs = tracked
    assert set(runs) == set(RUNS)
    for found in runs.values():
        assert found.info.status == "FINISHED"
        assert {"params_hash", "dvc.lock", "skeleton", "source", "target"} <= set(found.data.tags)
        assert {"target/pck_0.05", "target/evalpose_bone", "source/pck_0.05"} <= set(found.data.metrics)
        assert "target/pck_0.05_hardest_third" in found.data.metrics
        assert "samples_per_second" in found.data.metrics
    stages = {found.data.tags["dvc.stage"] for found in runs.values() if "dvc.stage" in found.data.tags}
    assert stages == {f"train@{method}-0" for method in BY_DVC}


def test_mlflow_draws_bins_over_step(tracked: tuple[MlflowClient, dict[str, Run]]) -> None:
    client, runs = tracked
    for found in runs.values():
        for metric in ("pck_0.05", "evalpose_bone", "evalpose_angle", "keypoint_accuracy", "count"):
            history = client.get_metric_history(found.info.run_id, f"bins/{metric}")
            assert [point.step for point in history] == list(range(NUM_BINS)), metric


def test_mlflow_has_every_epoch_once(tracked: tuple[MlflowClient, dict[str, Run]]) -> None:
    client, runs = tracked
    for found in runs.values():
        steps = {
            metric: sorted(point.step for point in client.get_metric_history(found.info.run_id, metric))
            for metric in ("learning_rate", "target_epoch/pck_0.05", "samples_per_second")
        }
        trained_here = steps.pop("samples_per_second")  # not those that another run had trained already
        assert set(map(tuple, steps.values())) == {tuple(range(EPOCHS))}
        assert trained_here == list(range(EPOCHS))[-len(trained_here) :]


def test_mlflow_names_the_data_by_dvcs_hash(
    project: tuple[Path, str], tracked: tuple[MlflowClient, dict[str, Run]]
) -> None:
    lock = yaml.safe_load((project[0] / "dvc.lock").read_text())["stages"]
    for found in tracked[1].values():
        for item in found.inputs.dataset_inputs:
            outs = {out["path"]: out["md5"] for out in lock[f"ingest@{item.dataset.name}"]["outs"]}
            assert outs[f"data/ingested/{item.dataset.name}/samples.parquet"] == item.dataset.digest


def test_every_model_is_a_version_with_its_figures_for_promotion(
    tracked: tuple[MlflowClient, dict[str, Run]],
) -> None:
    client, runs = tracked
    versions = {found.run_id: found for found in client.search_model_versions("name = 'actupose-shrunk'")}
    assert set(versions) == {found.info.run_id for found in runs.values()}
    for found in runs.values():
        tags = versions[found.info.run_id].tags
        assert tags["actupose.run_key"] == found.data.tags["actupose.run_key"]
        for metric in ("promotion/pck_0.05", "promotion/pck_0.05_hardest_third"):
            assert float(tags[metric]) == found.data.metrics[metric]


def test_mlflow_shows_the_machine_of_every_training(tracked: tuple[MlflowClient, dict[str, Run]]) -> None:
    for found in tracked[1].values():
        machine = {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"}
        assert machine <= set(found.data.metrics)


def test_mlflow_has_tables_and_figures(tracked: tuple[MlflowClient, dict[str, Run]]) -> None:
    client, runs = tracked
    for found in runs.values():
        paths = {
            file.path
            for folder in ("evaluation", "run", "figures", "wanted")
            for file in client.list_artifacts(found.info.run_id, folder)
        }
        assert {
            "evaluation/per_bin.parquet",
            "evaluation/predictions.parquet",
            "run/curriculum.parquet",
            "wanted/wanted.json",
            "wanted/wanted.png",
        } <= paths
        assert {"figures/per_bin.png", "figures/predictions.png", "figures/learning_curves.png"} <= paths
        assert "figures/pose_gallery.png" not in paths, "what runs share is in the report"


def test_a_second_repro_runs_nothing(project: tuple[Path, str]) -> None:
    output = run(project[0], "dvc", "repro")
    assert started_stages(output) == set()
    assert "up to date" in output


# Read by stages that need not run again: where and how to compute, what is told to whom, what runs.
FOR_NO_RESULT = ("compute.channels_last", "compute.compile", "compute.device", "compute.workers",
                 "compute.checkpoint_minutes", "tracking.", "train.")  # fmt: skip


@pytest.fixture(scope="session")
def reads(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Keys of params.yaml that each stage reads when it really runs."""
    folder = tmp_path_factory.mktemp("reads") / "project"
    shutil.copytree(finished.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    set_params(folder, {"style_net.train": True, "style_net.steps": 2})
    stages = [(stage, d) for stage in ("ingest", "normalise", "score") for d in ("source", "target")]
    stages += [("train_vae",), ("train_style",)]
    return {"@".join(stage): read_by(folder, *stage) for stage in stages} | finished.reads


@pytest.fixture(scope="session")
def declared(project: tuple[Path, str]) -> dict[str, list[str]]:
    """Keys that dvc.yaml names for each stage; another value of one, or below one, runs the stage again."""
    with Repo(str(project[0])) as repo:
        stages = repo.index.stages
        return {s.name: [key for part in s.params for key in part.params] for s in stages}


def names(entries: list[str], key: str) -> bool:
    return any(key == entry or key.startswith(f"{entry}.") for entry in entries)


def test_each_key_reaches_the_stages_that_read_it_and_no_other(
    project: tuple[Path, str], reads: dict[str, set[str]], declared: dict[str, list[str]]
) -> None:
    tree = yaml.safe_load((project[0] / "params.yaml").read_text())
    keys = [key for key in leaves(tree) if not key.startswith(FOR_NO_RESULT)]
    assert len(keys) > 150
    for stage, found in reads.items():
        unnamed = [key for key in keys if key in found and not names(declared[stage], key)]
        assert unnamed == [], f"{stage} reads what dvc.yaml does not name"
    for stage in reads:  # a shared section counts as read where one of the methods reads it
        twins = [found for twin, found in reads.items() if twin.split("@")[0] == stage.split("@")[0]]
        unread = [e for e in declared[stage] if not any(names([e], key) for key in set().union(*twins))]
        assert unread == [], f"dvc.yaml names what {stage} does not read"


@pytest.mark.parametrize("method", METHODS)
def test_each_key_of_a_method_trains_that_method_again_and_no_other(
    project: tuple[Path, str], declared: dict[str, list[str]], method: str
) -> None:
    entry = yaml.safe_load((project[0] / "params.yaml").read_text())["methods"][method]
    keys = [f"methods.{method}.{key}" for key in leaves(entry)]
    assert len(keys) >= 5
    for key in keys:
        assert {s for s, entries in declared.items() if names(entries, key)} == {f"train@{method}-0"}, key


@pytest.mark.parametrize(
    ("change", "reached"),
    [
        ({"methods.actupose.gamma": 0.2}, {"train@actupose-0"}),
        ({"methods.udape_vae_cl.curriculum": {"name": "uniform", "num_bins": 4}}, {"train@udape_vae_cl-0"}),
        ({"evaluation.threshold": 0.1}, {f"evaluate@{name}" for name in RUNS}),
        ({"bins.target": 6}, {"score@target", *(f"evaluate@{name}" for name in RUNS)}),
        ({"evaluation.batch_size": 32}, {f"predict@{name}" for name in RUNS}),
        ({"evaluation.promotion_split": "test"}, {f"evaluate@{name}" for name in RUNS}),
        ({"tracking.experiment": "renamed"}, set()),
        ({"tracking.system_metrics": False}, set()),
        ({"compute.workers": 1}, set()),
        ({"style_net.steps": 7}, {"train_style"}),
        ({"data.target.seed": 7}, {"ingest@target"}),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else None,
)
def test_dvc_finds_changed_what_names_the_key(
    project: tuple[Path, str], change: dict[str, Any], reached: set[str]
) -> None:
    path = project[0] / "params.yaml"
    before = path.read_text()
    try:
        set_params(project[0], change)
        status = json.loads(run(project[0], "dvc", "status", "--json"))
    finally:
        path.write_text(before)
    changed = {stage for stage, why in status.items() if any("changed deps" in reason for reason in why)}
    by_params = {stage for stage in changed if "params.yaml" in json.dumps(status[stage])}
    assert by_params == reached | {"compare"}


def test_a_new_kind_of_method_is_one_file_and_one_entry(copied: Path) -> None:
    (copied / "src/actupose/methods/only_labels.py").write_text(ONLY_LABELS)
    entry = {
        "kind": "only_labels",
        "curriculum": {"name": "uniform", "num_bins": 4},
        "fidelity": "corrected",
        "rate": 0.01,
    }
    set_params(copied, {"methods.mine": entry, "train.methods": ["mine"]})
    run(copied, "dvc", "repro", "evaluate@mine-0")
    assert json.loads((copied / "evaluations/mine-0/metrics.json").read_text())["last"]["pck"]["all"] >= 0
    history = pq.read_table(copied / "runs/mine-0/history.parquet").to_pylist()
    assert {row["value"] for row in history if row["metric"] == "learning_rate"} == {0.01}
    set_params(copied, {"methods.mine.rate": 0.02})
    status = json.loads(run(copied, "dvc", "status", "--json", "train@mine-0"))
    assert "methods.mine" in json.dumps(status)


ONLY_LABELS = """
from typing import Literal

from actupose.methods import StepResult
from actupose.nets.runtime import descend, set_rate
from actupose.params import MethodParams, PositiveFloat


class OnlyLabelsParams(MethodParams):
    kind: Literal["only_labels"]
    rate: PositiveFloat


class OnlyLabels:
    def __init__(self, student, style_net):
        self.student, self.params = student, student.run.method
        self.networks = {"student": student.network}
        self.optimizers = {"student": student.optimizer}

    def wants_target(self, step):
        return False

    def prepare(self, step):
        pass

    def step(self, step, batch, target):
        set_rate(self.student.optimizer, self.params.rate)
        labels = self.student.labelled_view(step, batch)
        output = self.student.predict(labels.images)
        losses = self.student.losses(output, labels, {})
        descend(losses["source"], self.student.optimizer)
        return StepResult(losses, self.student.task.mean_peaks(output.heatmaps))

    def rate(self, step):
        return self.params.rate

    def predictor(self, steps):
        return self.student.network


PARAMS, METHOD = OnlyLabelsParams, OnlyLabels
"""


def test_what_follows_a_changed_method_runs_again_and_nothing_else(copied: Path) -> None:
    before = model_bytes(copied, "actupose-0")
    set_params(copied, {"methods.actupose.weights.evalpose": 0.3})
    output = run(copied, "dvc", "repro")
    assert started_stages(output) == {*(f"{stage}@actupose-0" for stage in PER_RUN), "compare"}
    assert model_bytes(copied, "actupose-0") != before


def test_a_new_threshold_and_a_new_number_of_bins_run_no_network(copied: Path) -> None:
    set_params(copied, {"evaluation.threshold": 0.1, "bins.target": 6})
    output = run(copied, "dvc", "repro", "evaluate@actupose-0")
    assert started_stages(output) == {"score@target", "evaluate@actupose-0"}


def test_nonsense_target_labels_change_no_model_but_the_oracles(copied: Path) -> None:
    path = copied / "data/ingested/target/samples.parquet"
    table = pq.read_table(path)
    nonsense = np.full((len(table), 2 * NUM_KEYPOINTS), 7.0, np.float32)
    column = table.schema.get_field_index("keypoints")
    table = table.set_column(column, table.schema.field(column), tables.fixed_lists(nonsense))
    path.unlink()  # it may be a link into DVC's cache
    tables.write_table(path, table, tables.samples_schema(NUM_KEYPOINTS))
    for name in ("oracle-0", "regda-0", "poseda-0", "actupose-0"):
        before = model_bytes(copied, name)
        shutil.rmtree(copied / "runs" / name)
        run_here(copied, "train", *name.split("-"))
        assert (model_bytes(copied, name) == before) is (name != "oracle-0"), name


def start_stage(project: Path, stage: str, ranks: int = 1) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dvc", "repro", "--force", "--single-item", stage]
    changed = environment(project) | {"ACTUPOSE_RANKS": str(ranks)}
    return subprocess.Popen(command, cwd=project, env=changed, start_new_session=True)


def start_training(project: Path, name: str, ranks: int = 1) -> subprocess.Popen[bytes]:
    """``dvc repro`` of one run in a process group of its own, somewhere after its first checkpoint."""
    child = start_stage(project, f"train@{name}", ranks)

    def has_saved() -> bool:
        assert child.poll() is None, "ended before it was stopped"
        return any((project / ".state" / "checkpoints").glob("*/step-*.ckpt"))

    wait_until(has_saved, 120, "no checkpoint", every=0.01)
    return child


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def group_members(group: int) -> list[int]:
    members = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return members


@pytest.mark.parametrize(
    ("send", "number", "status"),
    [
        pytest.param(os.killpg, signal.SIGKILL, "RUNNING", id="kill -9 of all"),
        pytest.param(os.killpg, signal.SIGTERM, "KILLED", id="SIGTERM to all"),
        pytest.param(os.killpg, signal.SIGINT, "KILLED", id="SIGINT to all"),
        pytest.param(os.kill, signal.SIGTERM, "KILLED", id="SIGTERM to dvc alone"),
    ],
)
def test_a_stopped_training_leaves_no_process_and_ends_as_if_never_stopped(
    copied: Path, send: Callable[[int, int], None], number: signal.Signals, status: str
) -> None:
    wanted = model_bytes(copied, "actupose-0")
    set_params(copied, {"compute.workers": 2})  # were they to end first, the training could not save
    child = start_training(copied, "actupose-0")
    family = psutil.Process(child.pid).children(recursive=True)
    assert len(family) >= 3, "a trainer and its workers"
    send(child.pid, number)
    assert child.wait(timeout=60) != 0
    wait_until(lambda: not any(map(is_alive, family)), 60)
    assert tracked_runs(copied)[1]["actupose-0"].info.status == status
    assert not (copied / "runs/actupose-0/model.safetensors").exists()

    run(copied, "dvc", "repro", "--force", "--single-item", "train@actupose-0")
    assert model_bytes(copied, "actupose-0") == wanted
    client, runs = tracked_runs(copied)
    assert runs["actupose-0"].info.status == "FINISHED"
    history = client.get_metric_history(runs["actupose-0"].info.run_id, "learning_rate")
    assert [point.step for point in history] == list(range(EPOCHS))


def knows_its_run(project: Path) -> bool:
    """Whether a stage has begun to tell MLflow."""
    links = (project / ".state/mlflow_runs").glob("*/mlflow_run.json")
    return any(json.loads(link.read_text())["run_id"] for link in links)


def test_a_stopped_evaluation_leaves_no_process_and_is_made_up_for(copied: Path) -> None:
    metrics = copied / "evaluations/udape-0/metrics.json"
    wanted = metrics.read_bytes()
    metrics.unlink()
    child = start_stage(copied, "evaluate@udape-0")
    wait_until(lambda: knows_its_run(copied), 120)
    os.kill(child.pid, signal.SIGTERM)  # DVC hands it on to nobody
    assert child.wait(timeout=60) != 0
    wait_until(lambda: group_members(child.pid) == [], 60)
    assert tracked_runs(copied)[1]["udape-0"].info.status == "KILLED"

    run(copied, "dvc", "repro", "--force", "--single-item", "evaluate@udape-0")
    assert metrics.read_bytes() == wanted
    client, runs = tracked_runs(copied)
    assert runs["udape-0"].info.status == "FINISHED"
    history = client.get_metric_history(runs["udape-0"].info.run_id, "bins/pck_0.05")
    assert sorted(point.step for point in history) == list(range(NUM_BINS))


def has_opened_images(group: int) -> bool:
    """Whether a process of a group reads an image store."""
    for pid in group_members(group):
        with suppress(psutil.NoSuchProcess):
            if any(part.path.endswith("images.arrow") for part in psutil.Process(pid).memory_maps()):
                return True
    return False


def test_a_prediction_that_is_interrupted_leaves_nothing_half_done(copied: Path) -> None:
    folder = copied / "data/predictions"
    wanted = {path.name: path.read_bytes() for path in folder.iterdir()}
    set_params(copied, {"compute.workers": 1})
    command = [sys.executable, "-m", "stages.predict", "udape", "0"]
    for _ in range(8):  # it may be through with its few images before it is met
        child = subprocess.Popen(command, cwd=copied, env=environment(copied), start_new_session=True)
        wait_until(lambda: child.poll() is not None or has_opened_images(child.pid), 120, every=0.01)  # noqa: B023
        family = psutil.Process(child.pid).children(recursive=True)
        os.killpg(child.pid, signal.SIGINT)  # what Ctrl-C does
        if child.wait(timeout=60):
            break
    assert child.returncode == 128 + signal.SIGINT
    wait_until(lambda: not any(map(is_alive, family)), 60)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == wanted


def stop_two_ranks(project: Path, send: Callable[[int, int], None]) -> None:
    child = start_training(project, "actupose-0", ranks=2)
    send(child.pid, signal.SIGTERM)
    assert child.wait(timeout=60) != 0
    wait_until(lambda: group_members(child.pid) == [], 60)
    assert tracked_runs(project)[1]["actupose-0"].info.status == "KILLED"
    assert not (project / "runs/actupose-0/model.safetensors").exists()


def test_two_ranks_told_to_end_leave_one_usable_checkpoint(copied: Path) -> None:
    stop_two_ranks(copied, os.killpg)
    (folder,) = (copied / ".state/checkpoints").iterdir()
    newest = max(folder.glob("step-*.ckpt"))
    state = load_checkpoint(folder, folder.name.rpartition("-")[2])
    assert state is not None and newest.name == f"step-{state['step']:09d}.ckpt"
    assert not list(folder.glob(".*")), "a rank was ended as it wrote"


def test_two_ranks_stop_when_dvc_dies_and_go_on(copied: Path) -> None:
    stop_two_ranks(copied, os.kill)
    run(copied, "stages.train", "actupose", "0", ACTUPOSE_RANKS="2")
    assert (copied / "runs/actupose-0/model.safetensors").exists()
    client, runs = tracked_runs(copied)
    history = client.get_metric_history(runs["actupose-0"].info.run_id, "learning_rate")
    assert [point.step for point in history] == list(range(EPOCHS)), "one rank logs"


def test_a_batch_that_ranks_cannot_share_is_a_line(copied: Path) -> None:
    set_params(copied, {"schedule.batch_size": 7})
    command = [sys.executable, "-m", "stages.train", "udape", "0"]
    changed = environment(copied) | {"ACTUPOSE_RANKS": "2"}
    done = subprocess.run(command, cwd=copied, env=changed, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: schedule.batch_size = 7: 2 processes cannot share it equally\n"
