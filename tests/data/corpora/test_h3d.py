"""Hand-3D-Studio, in its layout."""

import random

import numpy as np
import pytest
from corpus_files import assert_fails, assert_rejects, run_ingest, spread_hand, write_image
from tiny_corpora import h3d_entry, write_h3d

from actupose.data.corpora.splits import draw_test
from actupose.skeleton import HAND21
from actupose.tables import keypoint_values, list_values


def stored_numbers(samples):
    names = samples.column("sample_id").to_pylist()
    return {int(name.rsplit("/", 1)[1].removesuffix(".jpg")) for name in names}


@pytest.mark.parametrize(
    ("hands", "numbers"),
    [
        ("free", {n for n in range(15) if n % 3 != 2}),
        ("holding", {2, 5, 8, 11, 14}),
        ("all", set(range(15))),
    ],
)
def test_hands_are_chosen_by_what_they_hold(tmp_path, hands, numbers):
    samples, rejected = run_ingest(write_h3d(tmp_path / "in", hands=hands), tmp_path / "out")
    assert stored_numbers(samples) == numbers
    assert rejected.num_rows == 0


def test_a_fifth_of_the_chosen_is_tested_as_tllib_draws_it(tmp_path):
    samples, _ = run_ingest(write_h3d(tmp_path / "in"), tmp_path / "out")
    chosen = [f"part1/{number}.jpg" for number in range(15) if number % 3 != 2]
    random.seed(42)
    random.shuffle(chosen)
    ids = samples.column("sample_id").to_pylist()
    assert {name for name in ids if name.startswith("test/")} == {f"test/{name}" for name in chosen[:2]}


def test_at_most_3200_are_tested():
    assert len(draw_test(15_999, seed=42)) == 3199
    assert len(draw_test(50_000, seed=42)) == 3200
    assert draw_test(100, seed=0) != draw_test(100, seed=1)


def test_keypoints_of_a_stored_square_stay_where_they_are(tmp_path):
    samples, _ = run_ingest(write_h3d(tmp_path / "in"), tmp_path / "out", side=64)
    keypoints = keypoint_values(samples, "keypoints")
    np.testing.assert_allclose(keypoints[0], spread_hand(4, 8, 40), atol=1e-5)
    np.testing.assert_allclose(keypoints[0, HAND21.index("wrist")], [4, 8], atol=1e-5)
    np.testing.assert_allclose(keypoints[0, HAND21.index("little_tip")], [44, 28], atol=1e-5)
    assert list_values(samples, "visible").all()


@pytest.mark.parametrize(
    ("changes", "reason", "path"),
    [
        ({"keypoint2d": [[1.0, 2.0]] * 20}, "keypoint2d: List should have at least 21", None),
        ({"keypoint2d": [[1.0, 2.0, 3.0]] * 21}, "keypoint2d.0: List should have at most 2", None),
        ({"keypoint2d": [[float("nan"), 2.0]] * 21}, "not a finite number", "part1/0.jpg"),
        ({"without_object": "2"}, "without_object: Input should be '0', '1', 0 or 1", None),
        ({"name": "part1/99.jpg"}, "no such image file", "part1/99.jpg"),
        ({"name": "../outside.jpg"}, "leaves the data folder", "../outside.jpg"),
        ({"name": "/etc/hostname"}, "absolute path", "/etc/hostname"),
    ],
)
def test_a_bad_entry_is_one_rejected_row(tmp_path, changes, reason, path):
    write_image(tmp_path / "in/outside.jpg")
    settings = write_h3d(
        tmp_path / "in", [h3d_entry(0, **changes), *(h3d_entry(number) for number in range(1, 15))]
    )
    assert_rejects(settings, tmp_path, reason, path or "annotation.json[0]")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "annotation.json: no such file"),
        ("{}", "holds a JSON dict, expected a list"),
        ("[]", "split 'train' of corpus h3d has no sample"),
    ],
)
def test_a_file_that_is_not_h3ds_is_named(tmp_path, content, message):
    settings = write_h3d(tmp_path / "in")
    (tmp_path / "in/H3D_crop/annotation.json").unlink()
    if content is not None:
        (tmp_path / "in/H3D_crop/annotation.json").write_text(content)
    assert_fails(settings, tmp_path, message)
