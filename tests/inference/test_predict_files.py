"""Files in, a folder of keypoints and overlays out."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from brightest import finds_brightest, picture

from actupose.data.corpora import index_corpus
from actupose.errors import UserError
from actupose.inference.boxes import read_boxes
from actupose.inference.overlay import draw_people, write_picture
from actupose.inference.people import People
from actupose.inference.predict import Outcome, PredictOptions, predict_files
from actupose.inference.predictor import Predictor
from actupose.inference.sources import find_sources
from actupose.inference.video import VideoFile, count_frames, read_video
from actupose.params import CocoData
from actupose.skeleton import BODY16
from actupose.tables import keypoint_values, list_values, people_schema, read_table, table_metadata

SPOTS = {"a.png": (100, 80, 30, 40), "b/c.png": (60, 120, 20, 90)}  # width, height, x, y


@pytest.fixture(scope="module")
def finder() -> Predictor:
    return finds_brightest(64)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name, spot in SPOTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(folder / name, picture(*spot))
    return folder


def write_video(path: Path, spots: list[tuple[int, int]]) -> Path:
    with VideoFile(path, rate=10) as video:
        for x, y in spots:
            video.write(picture(96, 64, x, y))
    return path


def write_boxes(path: Path, boxes: dict[str, list[list[float]]]) -> Path:
    numbers = {name: number for number, name in enumerate(boxes)}
    images = [{"id": number, "file_name": name} for name, number in numbers.items()]
    annotations = [{"image_id": numbers[name], "bbox": box} for name, rows in boxes.items() for box in rows]
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return path


def predict(
    finder: Predictor, output: Path, *places: Path, boxes: Path | None = None, **changes: object
) -> Outcome:
    sources = find_sources(places, leave_out=output)
    known = read_boxes(boxes, {source.name for source in sources}) if boxes else None
    options = PredictOptions(**{"batch_size": 64, "min_confidence": 0.3, "overlays": True, **changes})
    return predict_files(finder, sources, known, output, options, lambda _: None)


def test_keypoints_of_a_folder_are_written_as_table_and_as_coco_file(finder, photos, tmp_path):
    outcome = predict(finder, tmp_path / "out", photos, batch_size=1)
    assert outcome.num_people == 2 and not outcome.refused
    assert outcome.mean_confidence == pytest.approx(15.1 / 16, abs=0.1)

    table = read_table(tmp_path / "out/keypoints.parquet", people_schema(16))
    assert table_metadata(table) == {"skeleton": "body16"}
    assert table.select(["image", "frame", "person", "width", "height"]).to_pylist() == [
        {"image": name, "frame": 0, "person": 0, "width": width, "height": height}
        for name, (width, height, _, _) in SPOTS.items()
    ]
    assert list_values(table, "box").tolist() == [[0, 0, 100, 80], [0, 0, 60, 120]]
    keypoints = keypoint_values(table, "keypoints")
    np.testing.assert_allclose(keypoints, [[[30, 40]] * 16, [[20, 90]] * 16], atol=0.3)

    coco = json.loads((tmp_path / "out/keypoints.json").read_text())
    assert [(image["id"], image["file_name"], image["width"]) for image in coco["images"]] == [
        (1, "a.png", 100),
        (2, "b/c.png", 60),
    ]
    (category,) = coco["categories"]
    assert category["keypoints"] == list(BODY16.keypoints)
    assert category["skeleton"][0] == [1, 2]  # right ankle to right knee, counted from 1
    person = coco["annotations"][0]
    assert person["keypoints"][2::3] == [1] + [2] * 15  # the first one's confidence is 0.1
    assert person["keypoints"][:2] == pytest.approx(keypoints[0, 0].tolist(), abs=0.01)
    assert person["score"] == pytest.approx(list_values(table, "confidence")[0].mean(), abs=1e-3)


def test_what_is_written_can_be_trained_on_as_a_coco_corpus(finder, photos, tmp_path):
    predict(finder, tmp_path / "out", photos)
    corpus = CocoData(
        corpus="coco",
        root=tmp_path,
        images={"train": "photos"},
        annotations={"train": "out/keypoints.json"},
        keypoints={name: name for name in BODY16.keypoints},
        crop_scale=1.25,
    )
    first, second = index_corpus(corpus, BODY16, 64)
    assert first.image == photos / "a.png" and second.image == photos / "b/c.png"
    np.testing.assert_allclose(first.label.keypoints_orig, [[30, 40]] * 16, atol=0.3)
    assert first.label.visible.tolist() == [False] + [True] * 15


def test_boxes_give_the_people_of_each_picture(finder, tmp_path):
    two = picture(200, 100, 40, 50)
    cv2.circle(two, (150, 60), 6, (255, 255, 255), -1)
    (tmp_path / "photos").mkdir()
    write_picture(tmp_path / "photos/two.png", two)
    write_picture(tmp_path / "photos/none.png", two)
    boxes = write_boxes(tmp_path / "boxes.json", {"two.png": [[20, 30, 40, 40], [130, 40, 40, 40]]})
    outcome = predict(finder, tmp_path / "out", tmp_path / "photos", boxes=boxes)
    assert len(outcome.found) == 2 and outcome.num_people == 2
    table = read_table(tmp_path / "out/keypoints.parquet", people_schema(16))
    assert table.column("person").to_pylist() == [0, 1]
    np.testing.assert_allclose(keypoint_values(table, "keypoints")[:, 0], [[40, 50], [150, 60]], atol=0.3)
    coco = json.loads((tmp_path / "out/keypoints.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["none.png", "two.png"]
    assert [person["bbox"] for person in coco["annotations"]] == [[20, 30, 40, 40], [130, 40, 40, 40]]
    assert [person["image_id"] for person in coco["annotations"]] == [2, 2]


def test_a_picture_without_people_is_a_picture_and_no_row(finder, photos, tmp_path):
    boxes = write_boxes(tmp_path / "boxes.json", {})
    outcome = predict(finder, tmp_path / "out", photos, boxes=boxes)
    assert len(outcome.found) == 2 and outcome.num_people == 0
    assert read_table(tmp_path / "out/keypoints.parquet", people_schema(16)).num_rows == 0


def test_overlays_show_the_right_in_orange_the_left_in_blue_and_unsure_bones_thin():
    shown = np.full((300, 300, 3), 128, np.uint8)
    keypoints = np.full((1, 16, 2), [125, 20], np.float32)
    keypoints[0, :6] = [[50, 250], [50, 150], [50, 50], [200, 50], [200, 150], [200, 250]]
    confidence = np.full((1, 16), 0.9, np.float32)
    confidence[0, [0, 5]] = [0.9, 0.1]  # the left ankle is unsure
    people = People("x", 0, (300, 300), np.array([[0, 0, 1500, 300]]), keypoints, confidence)
    drawn = draw_people(shown, people, BODY16, 0.3)
    assert (shown == 128).all()  # the picture itself is left as it was
    assert drawn[100, 50].tolist() == [255, 120, 0]
    assert drawn[100, 200].tolist() == [0, 160, 255]

    def width_of(row: int, columns: slice) -> int:
        return int((drawn[row, columns] != 128).any(axis=-1).sum())

    assert width_of(200, slice(30, 70)) > 2 * width_of(200, slice(180, 220)) > 0
    assert width_of(100, slice(30, 70)) == width_of(100, slice(180, 220))


def test_overlays_are_named_as_their_pictures(finder, photos, tmp_path):
    predict(finder, tmp_path / "out", photos)
    drawn = cv2.imread(str(tmp_path / "out/overlays/b/c.png"))
    assert drawn.shape == (120, 60, 3)
    assert (drawn != picture(*SPOTS["b/c.png"])).any()


def test_a_video_is_predicted_and_drawn_frame_by_frame(finder, tmp_path):
    spots = [(20, 20), (40, 30), (60, 40), (76, 50)]
    clip = write_video(tmp_path / "clip.avi", spots)
    outcome = predict(finder, tmp_path / "out", clip, batch_size=3)
    assert len(outcome.found) == 4 and not outcome.refused
    table = read_table(tmp_path / "out/keypoints.parquet", people_schema(16))
    assert table.column("image").to_pylist() == ["clip.avi"] * 4
    assert table.column("frame").to_pylist() == [0, 1, 2, 3]
    np.testing.assert_allclose(keypoint_values(table, "keypoints")[:, 3], spots, atol=1.5)
    drawn = list(read_video(tmp_path / "out/overlays/clip.avi.mp4"))
    assert len(drawn) == 4 and drawn[0].shape == (64, 96, 3)


def test_pictures_and_videos_keep_their_order(finder, photos, tmp_path):
    write_video(photos / "b/b.mp4", [(20, 20), (40, 30)])
    outcome = predict(finder, tmp_path / "out", photos)
    assert [people.image for people in outcome.found] == ["a.png", "b/b.mp4", "b/b.mp4", "b/c.png"]
    assert count_frames(tmp_path / "out/overlays/b/b.mp4") == 2


def test_a_video_that_breaks_off_is_told(finder, tmp_path):
    clip = write_video(tmp_path / "clip.mp4", [(20 + i % 50, 30) for i in range(60)])
    content = bytearray(clip.read_bytes())
    frames, index = content.index(b"mdat") + 4, content.index(b"moov") - 4
    half = (frames + index) // 2
    content[half:index] = bytes(index - half)
    clip.write_bytes(content)
    outcome = predict(finder, tmp_path / "out", clip)
    assert 0 < len(outcome.found) < 60
    assert outcome.refused[0].reason == f"{len(outcome.found)} of 60 frames could be read"


def test_a_picture_that_cannot_be_read_is_named_and_left_out(finder, photos, tmp_path):
    (photos / "b/broken.jpg").write_bytes(b"no picture")
    outcome = predict(finder, tmp_path / "out", photos)
    assert len(outcome.found) == 2
    (refused,) = outcome.refused
    assert refused.path == "b/broken.jpg" and "not a readable image" in refused.reason


def test_a_box_outside_its_picture_leaves_the_picture_out(finder, photos, tmp_path):
    boxes = write_boxes(tmp_path / "boxes.json", {"a.png": [[100, 0, 10, 10]], "b/c.png": [[5, 70, 30, 30]]})
    outcome = predict(finder, tmp_path / "out", photos, boxes=boxes)
    assert [people.image for people in outcome.found] == ["b/c.png"]
    assert outcome.refused[0].reason == "box 100, 0, 10, 10 lies outside the picture, 100 x 80"


def test_where_nothing_can_be_read_nothing_is_written(finder, tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(
        UserError, match=r"none of 2 files could be read; first: a\.jpg: not a readable image"
    ):
        predict(finder, tmp_path / "out", tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert not (tmp_path / "out").exists()


def test_a_second_prediction_replaces_the_first_and_nothing_else(finder, photos, tmp_path):
    out = tmp_path / "out"
    predict(finder, out, photos)
    (out / "notes.txt").write_text("mine")
    (photos / "a.png").unlink()
    predict(finder, out, photos)
    assert sorted(path.name for path in out.iterdir()) == [
        "keypoints.json", "keypoints.parquet", "notes.txt", "overlays",
    ]  # fmt: skip
    assert [path.name for path in (out / "overlays").rglob("*.png")] == ["c.png"]
    predict(finder, out, photos, overlays=False)
    assert not (out / "overlays").exists()


def test_overlays_of_another_origin_are_not_replaced(finder, photos, tmp_path):
    (tmp_path / "mine/overlays").mkdir(parents=True)
    with pytest.raises(UserError, match="overlays: is there, and not from a prediction"):
        predict(finder, tmp_path / "mine", photos)


def test_a_folder_within_the_pictures_is_not_predicted_on(finder, photos):
    predict(finder, photos / "out", photos)
    outcome = predict(finder, photos / "out", photos)
    assert len(outcome.found) == 2


def test_a_failure_on_the_way_leaves_what_was_there(photos, tmp_path):
    class Fails(Predictor):
        def predict(self, images, *_, **__):
            raise RuntimeError("out of memory")

    out = tmp_path / "out"
    predict(finds_brightest(64), out, photos)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(RuntimeError, match="out of memory"):
        predict(Fails(finds_brightest(64).model), out, photos)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert len(list(out.iterdir())) == 3


def test_the_same_pictures_give_the_same_bytes(finder, photos, tmp_path):
    for name in ("one", "two"):
        predict(finder, tmp_path / name, photos)
    for name in ("keypoints.json", "keypoints.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"batch_size": 0}, "--batch-size 0"), ({"min_confidence": 1.5}, "--min-confidence 1.5")],
)
def test_an_impossible_option_is_a_users_mistake(change, message):
    with pytest.raises(UserError, match=message):
        PredictOptions(**{"batch_size": 1, "min_confidence": 0, "overlays": False, **change})
