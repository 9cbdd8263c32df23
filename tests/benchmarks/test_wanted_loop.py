"""The loop on a few figures: what is added, that the rest is as it was, and that the pipeline takes it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from shrunk_project import ROOT, environment, make_project, run_here

from actupose.core.coverage import bone_directions, pose_similarity
from actupose.core.pose import normalise_poses
from actupose.data.figures import place_keypoints
from actupose.data.image_store import ImageStore
from actupose.data.ingest import ingest
from actupose.skeleton import BODY16
from actupose.tables import (
    keypoint_values,
    list_values,
    make_table,
    read_table,
    samples_schema,
    wanted_schema,
    write_table,
)
from pipelines._settings import merge_settings

FOLDER, ALIKE = "evaluations/udape-0", 0.8
COUNTS = ("--sampled", "256", "--count", "6")
DEFICITS = (0.3, 0.1)


def poses() -> torch.Tensor:
    """Wanted poses are two that the source's own sampler draws."""
    mix = (0.65, 0.25, 0.10)
    keypoints = torch.from_numpy(place_keypoints(0, "wanted", range(3, 5), mix, 64))
    return normalise_poses(keypoints, torch.ones(2, 16, dtype=torch.bool))[0]


def write_wanted(project: Path) -> None:
    columns = {name: np.zeros(2) for name in wanted_schema(16).names}
    integers = {name: np.zeros(2, int) for name in ("rank", "bin", "target_count")}
    columns |= integers | {"sample_ids": [[], []], "source_ids": [[], []]}
    columns |= {"pose": poses().numpy(), "deficit": np.array(DEFICITS)}
    metadata = {"skeleton": "body16", "alike": repr(ALIKE)}
    path = project / FOLDER / "wanted.parquet"
    write_table(path, make_table(wanted_schema(16), columns, metadata), wanted_schema(16))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loop") / "project"
    make_project(folder, {"schedule.batch_size": 5})
    run_here(folder, "ingest", "source")
    write_wanted(folder)
    return folder


def close_loop(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks/wanted_loop.py"), FOLDER, *COUNTS, *arguments]
    return subprocess.run(
        command, cwd=project, env=environment(project), capture_output=True, text=True, check=False
    )


def test_wanted_and_random_figures_are_added_to_the_same_source(project, tmp_path, monkeypatch):
    output = tmp_path / "loop"
    done = close_loop(project, "--output", str(output))
    assert done.returncode == 0, done.stderr
    presets = {name: output / f"{name}.yaml" for name in ("wanted", "random")}
    commands = [f"python -m pipelines.run --preset {path}" for path in presets.values()]
    assert done.stdout.splitlines()[1:] == commands
    before = stored(project / "data/ingested/source")
    monkeypatch.chdir(project)
    wanted = bone_directions(poses(), torch.ones(2, 16, dtype=torch.bool), BODY16.bones)
    for name, preset in presets.items():
        _, params = merge_settings(str(preset), [])
        assert params.schedule.batch_size == 5  # as the project has it
        assert params.tracking.experiment == f"shrunk-{name}"
        ingest(params.data, "source", params.ingest, tmp_path / name)
        images, keypoints, visible = stored(tmp_path / name)
        assert images[:48] == before[0][:48] and images[54:] == before[0][48:]  # train, 6 more, val and test
        old = [*range(48), *range(54, len(images))]
        np.testing.assert_allclose(keypoints[old], before[1], atol=0.006)  # two decimals
        assert (visible[old] == before[2]).all()
        added = torch.from_numpy(keypoints[48:54])
        directions = bone_directions(added, torch.ones(6, 16, dtype=torch.bool), BODY16.bones)
        is_alike = (pose_similarity(wanted, directions).max(0).values >= ALIKE - 0.01).all()
        assert is_alike == (name == "wanted")


def stored(folder: Path) -> tuple[list[bytes], np.ndarray, np.ndarray]:
    """Encoded pictures, keypoints and visible, in the order of the samples."""
    samples = read_table(folder / "samples.parquet", samples_schema(16))
    store = ImageStore(folder / "images.arrow")
    images = [bytes(store.encoded(row)) for row in samples.column("image_row").to_pylist()]
    return images, keypoint_values(samples, "keypoints"), list_values(samples, "visible")


def test_candidates_share_the_deficit_of_what_they_are_alike_to(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from wanted_loop import weights_of

    alike = torch.tensor([[True, True, False, False], [False, True, False, False], [False] * 4])
    # 0.3 for two, 0.1 for one of them; what no candidate is alike to goes to none
    assert weights_of(alike, torch.tensor([0.3, 0.1, 0.5])).tolist() == pytest.approx([0.15, 0.25, 0, 0])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--count", "300"), "--count 300: at least 1, and at most --sampled 256"),
        (("--count", "250"), "sampled figures are alike to a wanted pose, 250 are to be added"),
        (
            ("--alike", "0.9999"),
            "raise --sampled, or lower --alike, here or of actupose wanted (it was 0.9999)",
        ),
        (("--output", "src"), "src: is there already; name another folder with --output"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(project, arguments, told):
    done = close_loop(project, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and told in done.stderr and done.stderr.count("\n") == 1
