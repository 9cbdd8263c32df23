"""Rendered Hand Pose, in its layout: written here, and around the real sample pictures."""

import json
import pickle

import cv2
import numpy as np
import pytest
from corpus_files import assert_fails, assert_rejects, real_data, run_ingest, spread_hand, write_image
from tiny_corpora import ALL, FAR_LEFT, FAR_RIGHT, NONE, rhd_picture, write_rhd

from actupose.data.corpora.plain_pickle import PickledArray
from actupose.data.corpora.records import PersonBox
from actupose.data.corpora.rhd import Hand, overlap, read_hands, why_unfit
from actupose.data.crop import Cut
from actupose.data.image_store import ImageStore
from actupose.params import RhdData
from actupose.skeleton import HAND21
from actupose.tables import keypoint_values, list_values


def hand(keypoints, visible=ALL):
    return Hand("left", keypoints, visible > 0)


# Which keypoint is which.


def test_keypoints_are_taken_from_the_palm_outwards():
    # facts 2.4: 0, 4..1, 8..5, 12..9, 16..13, 20..17, and 21 more for the right hand
    order = [0, 4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13, 20, 19, 18, 17]
    rows = np.column_stack([np.arange(42.0), np.arange(42.0) + 100, np.ones(42)])
    left, right = read_hands({"uv_vis": PickledArray(rows)})
    assert left.keypoints_orig[:, 0].tolist() == order
    assert right.keypoints_orig[:, 1].tolist() == [121 + row for row in order]
    assert left.keypoints_orig[HAND21.index("thumb_tip")].tolist() == [1, 101]
    assert right.keypoints_orig[HAND21.index("little_mcp")].tolist() == [41, 141]


def test_visibility_is_the_third_column():
    rows = np.column_stack([np.zeros((42, 2)), np.arange(42) == 4])
    left, right = read_hands({"uv_vis": PickledArray(rows)})
    assert np.flatnonzero(left.visible).tolist() == [HAND21.index("thumb_mcp")]
    assert not right.visible.any()


# Which hands count.


@pytest.mark.parametrize(
    ("extent", "fit"),
    [(43, False), (44, True)],  # round(1.5 * 43) = 64 and its ends 63 apart; 66 and 65, more than 64
)
def test_a_hand_counts_when_its_box_is_wider_than_64_pixels(extent, fit):
    reason = why_unfit(hand(spread_hand(100, 100, extent)), hand(FAR_LEFT - 900))
    assert (reason is None) == fit
    assert fit or "64 pixels" in reason


@pytest.mark.parametrize(("seen", "fit"), [(16, False), (17, True)])
def test_a_hand_counts_when_more_than_16_keypoints_are_visible(seen, fit):
    reason = why_unfit(hand(FAR_LEFT, np.arange(21) < seen), hand(FAR_RIGHT))
    assert (reason is None) == fit


def test_overlap_is_a_share_of_the_scaled_box():
    # Pixels 10..19 by 10..19; the other box has 15..30 by 10..14: 5 columns by 5 rows of 100.
    assert overlap(Cut(10, 10, 10, 10), PersonBox((15.0, 10.0, 30.0, 14.0), 1.5)) == 0.25
    assert overlap(Cut(10, 10, 10, 10), PersonBox((20.0, 10.0, 30.0, 14.0), 1.5)) == 0.0
    assert overlap(Cut(10, 10, 10, 10), PersonBox((40.0, 40.0, 50.0, 50.0), 1.5)) == 0.0


@pytest.mark.parametrize(("right_end", "fit"), [(115, False), (114, True)])
def test_a_hand_that_the_other_covers_by_three_tenths_is_passed_over(right_end, fit):
    # 100..180 by 100..140 scales to columns 80..199, rows 60..179; 36 or 35 of its 120 columns are covered.
    other = np.resize([[50.0, 60.0], [right_end, 179.0]], (21, 2))
    assert (why_unfit(hand(spread_hand(100, 100, 80)), hand(other)) is None) == fit


def test_hands_that_do_not_count_are_listed_without_fault(tmp_path):
    pictures = {0: rhd_picture(right_visible=NONE), 1: rhd_picture(left=spread_hand(20, 60, 40))}
    samples, rejected = run_ingest(write_rhd(tmp_path / "in", evaluation=pictures), tmp_path / "out")
    assert samples.column("sample_id").to_pylist()[-2:] == [
        "evaluation/color/00000.png/left",
        "evaluation/color/00001.png/right",
    ]
    assert rejected.to_pylist() == [
        {
            "path": "evaluation/color/00000.png/right",
            "reason": "no more than 16 keypoints are visible",
        },
        {
            "path": "evaluation/color/00001.png/left",
            "reason": "its box is no more than 64 pixels wide",
        },
    ]


# What is stored.


def test_training_trains_and_evaluation_tests_with_a_sample_a_hand(tmp_path):
    samples, rejected = run_ingest(write_rhd(tmp_path / "in"), tmp_path / "out")
    assert samples.column("split").to_pylist() == ["train"] * 4 + ["test"] * 4
    assert samples.column("sample_id").to_pylist()[:2] == [
        "training/color/00000.png/left",
        "training/color/00000.png/right",
    ]
    assert rejected.num_rows == 0


def test_hidden_keypoints_keep_their_place(tmp_path):
    hidden = rhd_picture(left_visible=np.arange(21) > 0)
    samples, _ = run_ingest(write_rhd(tmp_path / "in", training={0: hidden}), tmp_path / "out")
    assert np.isfinite(keypoint_values(samples, "keypoints")).all()
    assert not list_values(samples, "visible")[0, HAND21.index("wrist")]
    assert list_values(samples, "visible")[0, 1:].all()


def test_a_right_hand_is_stored_as_a_left_one_with_its_keypoints(tmp_path):
    settings = write_rhd(tmp_path / "in", training={0: rhd_picture()})
    picture = np.zeros((320, 320, 3), np.uint8)
    for x, y in (FAR_LEFT[0], FAR_RIGHT[0]):
        cv2.circle(picture, (int(x), int(y)), 4, (255, 255, 255), -1)
    cv2.imwrite(str(tmp_path / "in/RHD_published_v2/training/color/00000.png"), picture)
    samples, _ = run_ingest(settings, tmp_path / "out", side=128)
    wrists = keypoint_values(samples, "keypoints")[:2, HAND21.index("wrist")]
    # The boxes 20..100 and 200..280 give crops of 120, of columns 0..119 and 180..299. Either wrist is in
    # column 20 of its crop, the right one from the other side in the mirror.
    left = (20 + 0.5) * 128 / 120 - 0.5
    np.testing.assert_allclose(wrists[:, 0], [left, 127 - left], atol=1e-4)
    stored = ImageStore(tmp_path / "out/images.arrow")
    for row, wrist in enumerate(wrists):
        rows, columns = np.nonzero(stored.decode(row)[..., 0] > 128)
        np.testing.assert_allclose([columns.mean(), rows.mean()], wrist, atol=0.5)


def test_the_sample_pictures_give_the_hands_they_are_labelled_with(tmp_path):
    folder = real_data("samples") / "rhd"
    labels = json.loads((folder / "test_rhd.json").read_text())["annotations"]
    pictures = {}
    settings = write_rhd(tmp_path / "in")
    colour = tmp_path / "in/RHD_published_v2/training/color"
    for label in labels:
        hands = {"left": FAR_LEFT - 900, "right": FAR_LEFT - 900}
        hands[label["hand_type"]] = np.array(label["keypoints"])[:, :2]
        seen = {"left_visible": NONE, "right_visible": NONE} | {f"{label['hand_type']}_visible": ALL}
        pictures[label["id"]] = rhd_picture(**hands, **seen)
        (colour / f"{label['id']:05d}.png").write_bytes((folder / f"{label['id']:05d}.png").read_bytes())
    (colour.parent / "anno_training.pickle").write_bytes(pickle.dumps(pictures))
    samples, _ = run_ingest(settings, tmp_path / "out")
    ids = samples.column("sample_id").to_pylist()[:3]
    assert [name.rsplit("/")[-2:] for name in ids] == [
        ["00111.png", "left"],
        ["01111.png", "left"],
        ["11111.png", "right"],
    ]
    # Picture 11111: x is 167.8..217.5, y 139.9..180.0, so the side is round(1.5 * 49.7) = 75, the left end
    # round((385.3 - 75) / 2) = 155, the upper round((319.9 - 75) / 2) = 122. The wrist (167.8, 154.1) goes to
    # x = 63 - (13.3 * 64 / 75 - 0.5) = 52.15067, y = 32.6 * 64 / 75 - 0.5 = 27.31867.
    wrist = keypoint_values(samples, "keypoints")[2, HAND21.index("wrist")]
    np.testing.assert_allclose(wrist, [52.15067, 27.31867], atol=1e-4)


# Bad inputs.


NAN = rhd_picture(left=np.where(np.arange(42).reshape(21, 2) == 3, np.nan, FAR_LEFT))


@pytest.mark.parametrize(
    ("number", "value", "reason"),
    [
        (0, {"uv_vis": np.zeros((41, 3))}, "uv_vis has shape (41, 3), expected (42, 3)"),
        (0, {"uv_vis": np.zeros((42, 2))}, "uv_vis has shape (42, 2)"),
        (0, {"uv_vis": "none"}, "no array 'uv_vis'"),
        (0, {"xyz": np.zeros((42, 3))}, "no array 'uv_vis'"),
        (0, 3, "no array 'uv_vis'"),
        (0, NAN, "not a finite number"),
        (7, rhd_picture(), "no such image file"),
        ("../0", rhd_picture(), "its key is no picture number"),
        (-1, rhd_picture(), "its key is no picture number"),
        (10**5000, rhd_picture(), "its key is no picture number"),
    ],
    ids=lambda part: str(part)[:30] if isinstance(part, str) else "",
)
def test_a_bad_entry_is_one_rejected_row(tmp_path, number, value, reason):
    settings = write_rhd(tmp_path / "in", training={1: rhd_picture(), number: value})
    assert_rejects(settings, tmp_path, reason, "training/anno_training.pickle[1]")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "anno_training.pickle: no such file"),
        (b"no pickle", "not a pickle of plain values"),
        (pickle.dumps([rhd_picture()]), "holds a list, expected a dict by picture number"),
        (pickle.dumps({0: print}), "it asks for builtins.print"),
    ],
)
def test_a_file_that_is_not_rhds_is_named(tmp_path, content, message):
    settings = write_rhd(tmp_path / "in")
    path = tmp_path / "in/RHD_published_v2/training/anno_training.pickle"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert_fails(settings, tmp_path, message)


def test_a_folder_without_the_published_sets_is_named(tmp_path):
    write_image(tmp_path / "in/a.png")
    assert_fails(RhdData(corpus="rhd", root=tmp_path / "in"), tmp_path, "is this the corpus' root folder?")
