import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).parents[2]


def write_params(folder, **data):
    """The demo's params with another ``data`` section; figures so few that they are drawn at once."""
    params = yaml.safe_load((REPO / "params.yaml").read_text())
    for domain in ("source", "target"):
        params["data"][domain]["root"] = str(REPO / "src/actupose/data/figures")
        params["data"][domain]["counts"] = {"train": 3, "val": 1, "test": 2}
    params["data"].update({"image_size": 32} | data)
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def run_stage(folder, *arguments):
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_ingest_says_in_one_line_what_it_wrote(tmp_path):
    write_params(tmp_path)
    done = run_stage(tmp_path, "stages.ingest", "source")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "data/ingested/source: train 3, val 1, test 2, rejected 0\n"
    written = {path.name for path in (tmp_path / "data/ingested/source").iterdir()}
    assert written == {"samples.parquet", "images.arrow", "rejected.parquet"}


@pytest.mark.parametrize(
    ("root", "message"),
    [("absent", "data.target.root = absent: no such folder"), ("empty", "the folder is empty")],
)
def test_a_bad_corpus_is_one_line_and_status_2(tmp_path, root, message):
    (tmp_path / "empty").mkdir()
    target = {"corpus": "folder", "root": root, "test_fraction": 0.2, "seed": 0}
    write_params(tmp_path, target=target)
    done = run_stage(tmp_path, "stages.ingest", "target")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_too_many_rejected_inputs_fail_the_stage(tmp_path):
    for split in ("train", "test"):
        (tmp_path / "in" / split).mkdir(parents=True)
        entry = {"name": "a.jpg", "keypoint2d": [[1, 2]] * 13}
        (tmp_path / "in" / split / "run0.json").write_text(json.dumps([entry]))
    source = {"corpus": "surreal", "root": "in", "joint_map": "tllib"}
    write_params(tmp_path, source=source)
    done = run_stage(tmp_path, "stages.ingest", "source")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "2 of 2 inputs rejected" in done.stderr
    assert "train/run0.json[0]: keypoint2d: List should have at least 24 items" in done.stderr
    assert [path.name for path in (tmp_path / "data/ingested/source").iterdir()] == ["rejected.parquet"]


def test_help_names_the_domains(tmp_path):
    done = run_stage(tmp_path, "stages.ingest", "--help")
    assert done.returncode == 0
    assert "{source,target}" in done.stdout
