import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml

from actupose.tables import REJECTED, make_table, normalised_schema, read_table, samples_schema, write_table

REPO = Path(__file__).parents[2]


def run_normalise(folder, domain):
    (folder / "params.yaml").write_text(yaml.safe_dump(yaml.safe_load((REPO / "params.yaml").read_text())))
    command = [sys.executable, "-m", "stages.normalise", domain]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def write_samples(folder, domain, keypoints):
    count = len(keypoints)
    columns = {
        "sample_id": [f"{row:03d}" for row in range(count)],
        "split": ["train"] * (count - 1) + ["test"],
        "corpus": ["lsp"] * count,
        "image_row": list(range(count)),
        "keypoints": np.asarray(keypoints, np.float32),
        "visible": np.isfinite(keypoints).all(axis=2),
    }
    schema = samples_schema(16)
    write_table(folder / "data/ingested" / domain / "samples.parquet", make_table(schema, columns), schema)


def test_normalise_writes_poses_and_rejected_apart_from_ingest(tmp_path):
    keypoints = np.random.default_rng(0).uniform(0, 64, (4, 16, 2))
    keypoints[1] = 5.0
    write_samples(tmp_path, "source", keypoints)
    done = run_normalise(tmp_path, "source")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "data/normalised/source.parquet: train 2, val 0, test 1, rejected 1\n"
    folder = tmp_path / "data/normalised"
    assert len(read_table(folder / "source.parquet", normalised_schema(16))) == 3
    assert read_table(folder / "source_rejected.parquet", REJECTED).column("path").to_pylist() == ["001"]


def test_a_target_without_labels_is_no_mistake_but_a_source_is(tmp_path):
    for domain, status in (("target", 0), ("source", 2)):
        write_samples(tmp_path, domain, np.full((3, 16, 2), np.nan))
        done = run_normalise(tmp_path, domain)
        assert done.returncode == status
        assert (tmp_path / f"data/normalised/{domain}.parquet").exists() == (status == 0)
    assert done.stderr == "error: the source has no labelled pose; data.source must be a corpus with labels\n"


def test_without_the_ingested_table_the_stage_says_what_to_run(tmp_path):
    done = run_normalise(tmp_path, "target")
    assert done.returncode == 2
    assert "samples.parquet: no such table" in done.stderr
    assert done.stderr.count("\n") == 1
