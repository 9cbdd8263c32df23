"""Small corpora written by the tests, and the way to the real ones."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from actupose.data.ingest import ingest
from actupose.errors import UserError
from actupose.params import CocoData, DataParams, FolderData, IngestParams, SurrealData
from actupose.skeleton import SKELETONS
from actupose.tables import REJECTED, read_table, samples_schema

REPO = Path(__file__).parents[2]
DATA = Path(os.environ.get("ACTUPOSE_DATA", REPO / "../shared/data")).resolve()
COCO_NAMES = ["left_hip", "right_hip", "left_knee", "right_knee"]


def real_data(name):
    """Folder of a real corpus, or a skipped test."""
    folder = DATA / name
    if not folder.exists():
        pytest.skip(f"{folder} is missing; ACTUPOSE_DATA names the folder of the trial data")
    return folder


def noise(width, height, seed=0):
    """Smooth (H, W, 3) picture: JPEG keeps it nearly as it is."""
    rough = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)


def encoded(width=40, height=40, seed=0, suffix=".jpg"):
    return cv2.imencode(suffix, noise(width, height, seed))[1].tobytes()


def write_image(path, width=40, height=40, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(width, height, seed, path.suffix))


def surreal_entry(name):
    return {"name": name, "keypoint2d": [[joint + 1.0, 30.0 - joint] for joint in range(24)]}


def write_surreal(root, size=40, per_split=2):
    """A run0 in train and test; returns the settings that read it."""
    for split in ("train", "test"):
        entries = [surreal_entry(f"{split}_{number}.jpg") for number in range(per_split)]
        for number, entry in enumerate(entries):
            write_image(root / split / "run0" / entry["name"], size, size, number)
        (root / split / "run0.json").write_text(json.dumps(entries))
    return SurrealData(corpus="surreal", root=root, joint_map="anatomical")


def coco_person(number, keypoints, **others):
    person = {"id": number, "image_id": 1, "category_id": 1, "keypoints": keypoints, "iscrowd": 0}
    return person | {"bbox": [10, 10, 20, 20]} | others


def coco_content(annotations, names=COCO_NAMES, file_name="a.jpg"):
    return {
        "images": [{"id": 1, "file_name": file_name, "width": 80, "height": 60}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": names}],
    }


def write_coco(root, content, **others):
    """One file that serves as train and test; returns the settings that read it."""
    write_image(root / "images" / "a.jpg", 80, 60)
    (root / "people.json").write_text(json.dumps(content))
    settings = {
        "corpus": "coco",
        "root": root,
        "annotations": {"train": "people.json", "test": "people.json"},
        "images": {"train": "images", "test": "images"},
        "keypoints": {"left_knee": "left_knee", "right_knee": "right_knee"}
        | {"pelvis": ("left_hip", "right_hip")},
        "crop_scale": 1.5,
    }
    return CocoData(**(settings | others))


def spread_hand(left, upper, extent):
    """(21, 2) keypoints on a line from the wrist at (left, upper) down to the right."""
    return np.linspace([left, upper], [left + extent, upper + extent / 2], 21)


def write_folder(root, count=6, size=40):
    for number in range(count):
        write_image(root / f"{number}.jpg", size, size, number)
    return FolderData(corpus="folder", root=root, test_fraction=0.5, seed=0)


def run_ingest(corpus, out, side=64, allowed=0.0, domain="source", skeleton="body16"):
    """Ingest one corpus; returns (samples, rejected) as tables."""
    skeleton = corpus.labelled_as or skeleton
    data = DataParams(skeleton=skeleton, image_size=side, source=corpus, target=corpus)
    ingest(data, domain, IngestParams(max_rejected_fraction=allowed, jpeg_quality=95), out)
    return read_samples(out, skeleton), read_table(out / "rejected.parquet", REJECTED)


def read_samples(out, skeleton="body16"):
    return read_table(out / "samples.parquet", samples_schema(len(SKELETONS[skeleton])))


def assert_fails(settings, tmp_path, message):
    """Ingesting ends with one line that holds ``message`` and leaves no data behind."""
    with pytest.raises(UserError) as caught:
        run_ingest(settings, tmp_path / "out")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    left = {path.name for path in (tmp_path / "out").iterdir()} if (tmp_path / "out").exists() else set()
    assert left <= {"rejected.parquet"}


def assert_rejects(settings, tmp_path, reason, path):
    """One input is refused for ``reason``, the others are stored; with no tolerance the stage fails."""
    samples, rejected = run_ingest(settings, tmp_path / "tolerant", allowed=0.9)
    assert rejected.num_rows == 1
    row = rejected.to_pylist()[0]
    assert reason in row["reason"]
    assert row["path"] == path
    assert len(samples) >= 2
    assert_fails(settings, tmp_path, f"{path}: {row['reason']}")
    assert read_table(tmp_path / "out/rejected.parquet", REJECTED).to_pylist() == [row]
