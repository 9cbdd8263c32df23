"""``actupose predict`` as a person calls it, on a saved model."""

import json
from pathlib import Path

import pytest
from tiny_domains import SIDE, draw_picture, tiny_params, tiny_poses

from actupose.nets.pose_model import ModelInfo, save_model
from actupose.nets.pose_resnet import build_network
from actupose.tables import people_schema, read_table
from pipelines.cli import main

PARAMS = tiny_params()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run and three photos, in which the command is called."""
    info = ModelInfo(skeleton="body16", image_size=SIDE, network=PARAMS.network, heatmap=PARAMS.heatmap)
    save_model(tmp_path / "runs/udape-0", build_network(16, PARAMS.network, 0), info)
    (tmp_path / "photos").mkdir()
    for name, pose in zip("abc", tiny_poses(3, 0), strict=True):
        (tmp_path / "photos" / f"{name}.png").write_bytes(draw_picture(pose, 60))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*words: str) -> int:
    return main([*words, "--model", "runs/udape-0"])


def test_a_folder_is_predicted_with_a_runs_model(place, capsys):
    assert call("predict", "photos") == 0
    told = capsys.readouterr()
    assert told.out.startswith("3 pictures, 3 people, mean confidence ")
    assert told.out.splitlines()[1:] == ["predictions: keypoints.json, keypoints.parquet, overlays"]
    assert told.err == ""
    assert read_table(place / "predictions/keypoints.parquet", people_schema(16)).num_rows == 3
    assert sorted(path.name for path in (place / "predictions/overlays").iterdir()) == [
        "a.png", "b.png", "c.png",
    ]  # fmt: skip


def test_options_say_where_and_what(place, capsys):
    boxes = {
        "images": [{"id": 1, "file_name": "b.png"}],
        "annotations": [{"image_id": 1, "bbox": [4, 4, 20, 20]}],
    }
    (place / "boxes.json").write_text(json.dumps(boxes))
    options = ["--boxes", "boxes.json", "--output", "found/here", "--no-overlays", "--min-confidence", "0"]
    assert call("predict", "photos", *options, "--device", "cpu", "--batch-size", "1") == 0
    assert capsys.readouterr().out.startswith("3 pictures, 1 people")
    assert sorted(path.name for path in Path("found/here").iterdir()) == [
        "keypoints.json",
        "keypoints.parquet",
    ]
    (person,) = json.loads(Path("found/here/keypoints.json").read_text())["annotations"]
    assert person["bbox"] == [4, 4, 20, 20] and person["keypoints"][2::3] == [2] * 16


def test_an_unreadable_picture_is_named_and_counted_and_the_others_are_predicted(place, capsys):
    Path("photos/b.png").write_bytes(b"no picture")
    assert call("predict", "photos") == 0
    told = capsys.readouterr()
    assert told.err.startswith("b.png: not a readable image")
    assert told.out.splitlines()[-1] == "1 of 3 files could not be read, or not to their end"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["predict", "absent"], "absent: no such file or folder"),
        (["predict", "photos", "--model", "photos"], "photos/model.json: no such file"),
        (["predict", "photos", "--boxes", "absent.json"], "absent.json: no such file"),
        (["predict", "photos", "--output", "photos/a.png"], "photos/a.png: is a file, not a folder"),
        (["predict", "photos", "--output", "photos/a.png/out"], "photos/a.png/out: Not a directory"),
        (["predict", "photos", "--batch-size", "0"], "--batch-size 0: a whole number above 0"),
        (["predict", "broken.jpg"], "broken.jpg: not a readable image"),
    ],
)
def test_a_users_mistake_is_one_line_and_status_2(place, words, told, capsys):
    Path("broken.jpg").write_bytes(b"no picture")
    assert main([words[0], "--model", "runs/udape-0", *words[1:]]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and told in error and error.count("\n") == 1
    assert not Path("predictions").exists()
