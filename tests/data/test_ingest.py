import json
import shutil

import cv2
import numpy as np
import pytest
from corpus_files import (
    coco_content,
    coco_person,
    encoded,
    noise,
    real_data,
    run_ingest,
    surreal_entry,
    write_coco,
    write_folder,
    write_image,
    write_surreal,
)
from PIL import Image

from actupose.data.corpora.records import Record, Rejection
from actupose.data.image_store import ImageStore
from actupose.data.ingest import Ledger, StoredPicture, map_ordered
from actupose.params import FiguresData, FolderData
from actupose.skeleton import BODY16
from actupose.tables import keypoint_values, list_values


def column(table, name):
    return table.column(name).to_pylist()


def store_of(out):
    return ImageStore(out / "images.arrow")


def figures(train=5):
    counts = {"train": train, "val": 1, "test": 2}
    mix = (0.6, 0.3, 0.1)
    return FiguresData(corpus="figures", root=".", look="synthetic", pose_mix=mix, counts=counts, seed=3)


def test_a_square_of_the_stored_size_keeps_its_bytes(tmp_path):
    settings = write_surreal(tmp_path / "in", size=64)
    run_ingest(settings, tmp_path / "out", side=64)
    original = (tmp_path / "in/train/run0/train_0.jpg").read_bytes()
    assert bytes(store_of(tmp_path / "out").encoded(0)) == original


def test_other_pictures_are_encoded_once_as_squares(tmp_path):
    settings = write_surreal(tmp_path / "in", size=128)
    run_ingest(settings, tmp_path / "out", side=64)
    stored = store_of(tmp_path / "out").decode(0)
    shrunk = cv2.resize(noise(128, 128), (64, 64), interpolation=cv2.INTER_AREA)
    expected = cv2.cvtColor(shrunk, cv2.COLOR_BGR2RGB)
    assert stored.shape == (64, 64, 3)
    assert np.abs(stored.astype(int) - expected).mean() < 2


def test_two_ingests_give_the_same_bytes(tmp_path):
    settings = write_surreal(tmp_path / "in", size=50, per_split=20)
    for out in ("a", "b"):
        run_ingest(settings, tmp_path / out)
    for name in ("samples.parquet", "images.arrow", "rejected.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_nothing_else_is_left_beside_the_three_files(tmp_path):
    run_ingest(write_surreal(tmp_path / "in"), tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"samples.parquet", "images.arrow", "rejected.parquet"}


def test_samples_are_ordered_by_split_then_id_and_point_to_their_picture(tmp_path):
    settings = write_surreal(tmp_path / "in", size=64, per_split=12)
    samples, _ = run_ingest(settings, tmp_path / "out")
    ids = column(samples, "sample_id")
    assert column(samples, "split") == ["train"] * 12 + ["test"] * 12
    assert ids[:12] == sorted(ids[:12])
    store = store_of(tmp_path / "out")
    for sample_id, row in zip(ids, column(samples, "image_row"), strict=True):
        assert bytes(store.encoded(row)) == (tmp_path / "in" / sample_id).read_bytes()


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_work_done_by_threads_comes_back_in_order(chunk):
    squares = map_ordered(lambda number: number * number, iter(range(50)), chunk)
    assert list(squares) == [n * n for n in range(50)]


def test_work_is_taken_only_a_little_ahead(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    taken = []
    results = map_ordered(lambda item: item, (taken.append(n) or n for n in range(100)))
    next(results)
    assert len(taken) < 10
    results.close()


def test_an_exif_orientation_does_not_turn_a_labelled_picture(tmp_path):
    settings = write_surreal(tmp_path / "in", size=64)
    turned = tmp_path / "in/train/run0/train_0.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.open(turned).save(turned, exif=exif, quality=95)
    run_ingest(settings, tmp_path / "out")
    stored = store_of(tmp_path / "out").decode(0)
    expected = cv2.cvtColor(noise(64, 64), cv2.COLOR_BGR2RGB)
    assert np.abs(stored.astype(int) - expected).mean() < 4


def test_an_exif_orientation_turns_an_unlabelled_photo_upright(tmp_path):
    settings = write_folder(tmp_path / "in", count=4, size=64)
    photo = tmp_path / "in/0.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # the top row of the scene is the last column of the file: turn clockwise
    Image.open(photo).save(photo, exif=exif, quality=95)
    run_ingest(settings, tmp_path / "out")
    stored = store_of(tmp_path / "out").decode(0)
    expected = np.rot90(cv2.cvtColor(noise(64, 64), cv2.COLOR_BGR2RGB), k=-1)
    assert np.abs(stored.astype(int) - expected).mean() < 4


def test_figures_are_stored_with_their_labels(tmp_path):
    samples, rejected = run_ingest(figures(), tmp_path, side=32)
    assert column(samples, "sample_id") == [
        *(f"train/{i:06d}" for i in range(5)), "val/000000", "test/000000", "test/000001",
    ]  # fmt: skip
    assert rejected.num_rows == 0
    assert list_values(samples, "visible").sum(axis=1).min() >= 2
    assert store_of(tmp_path).decode(7).shape == (32, 32, 3)


def test_figures_of_21_keypoints_are_hands_and_the_same_bytes_again(tmp_path):
    samples, rejected = run_ingest(figures(), tmp_path / "a", skeleton="hand21")
    run_ingest(figures(), tmp_path / "b", skeleton="hand21")
    assert keypoint_values(samples, "keypoints").shape == (8, 21, 2)
    assert list_values(samples, "visible").shape == (8, 21) and rejected.num_rows == 0
    for name in ("samples.parquet", "images.arrow"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_keypoint_just_outside_keeps_its_place_but_is_not_visible(tmp_path):
    settings = write_surreal(tmp_path / "in", size=64)
    entry = surreal_entry("train_0.jpg")
    entry["keypoint2d"][7] = [-3.0, 70.0]  # SMPL L_ankle: the picture's right ankle
    (tmp_path / "in/train/run0.json").write_text(json.dumps([entry]))
    samples, _ = run_ingest(settings, tmp_path / "out")
    ankle = BODY16.index("right_ankle")
    np.testing.assert_array_equal(keypoint_values(samples, "keypoints")[0, ankle], [-3, 70])
    assert list_values(samples, "visible")[0].sum() == 15
    assert not list_values(samples, "visible")[0, ankle]


def test_coco_flags_and_means_become_labels(tmp_path):
    # Columns left_hip, right_hip, left_knee, right_knee.
    # The crop is 1.5 x 20 px around (20, 20), pixels 5..34, scaled by 64 / 30.
    people = [coco_person(7, [10, 20, 2, 20, 20, 1, 12, 30, 2, 0, 0, 0])]
    samples, _ = run_ingest(write_coco(tmp_path / "in", coco_content(people)), tmp_path / "out")
    assert column(samples, "sample_id") == ["train/a.jpg/7", "test/a.jpg/7"]
    keypoints, visible = keypoint_values(samples, "keypoints")[0], list_values(samples, "visible")[0]
    pelvis, left_knee, right_knee = (BODY16.index(n) for n in ("pelvis", "left_knee", "right_knee"))
    np.testing.assert_allclose(keypoints[pelvis], (np.array([10.5, 15.5])) * 64 / 30 - 0.5, rtol=1e-6)
    np.testing.assert_allclose(keypoints[left_knee], (np.array([7.5, 25.5])) * 64 / 30 - 0.5, rtol=1e-6)
    assert np.isnan(keypoints[right_knee]).all()
    assert visible[left_knee]
    assert not visible[[pelvis, right_knee]].any()  # one of the hips is hidden
    assert np.isfinite(keypoints).all(axis=1).sum() == 2


def test_coco_crops_around_the_keypoints_where_there_is_no_box(tmp_path):
    # Left hip (10, 20) to left knee (30, 40): 1.5 x 20 px around (20, 30) = 5..34, 15..44.
    people = [coco_person(7, [10, 20, 2, 10, 20, 2, 30, 40, 2, 0, 0, 0], bbox=None)]
    samples, _ = run_ingest(write_coco(tmp_path / "in", coco_content(people)), tmp_path / "out")
    knee = keypoint_values(samples, "keypoints")[0, BODY16.index("left_knee")]
    np.testing.assert_allclose(knee, np.array([25.5, 25.5]) * 64 / 30 - 0.5, rtol=1e-6)


def test_crowds_and_people_without_labels_are_listed_but_are_no_fault(tmp_path):
    labelled = [10, 20, 2, 20, 20, 2, 12, 30, 2, 22, 30, 2]
    hips_only = [10, 20, 2, *[0] * 9]
    people = [
        coco_person(1, labelled),
        coco_person(2, labelled),
        coco_person(3, labelled, iscrowd=1),
        coco_person(4, [0] * 12),
        coco_person(5, hips_only),
    ]
    settings = write_coco(tmp_path / "in", coco_content(people))
    samples, rejected = run_ingest(settings, tmp_path / "out", allowed=0.0)
    assert column(samples, "sample_id")[:2] == ["train/a.jpg/1", "train/a.jpg/2"]
    assert [path[-1] for path in column(rejected, "path")] == ["3", "3", "4", "4", "5", "5"]


@pytest.mark.parametrize(("fraction", "tested"), [(0.25, 2), (0.5, 4)])
def test_a_folder_is_split_by_a_seed(tmp_path, fraction, tested):
    for number in range(6):
        write_image(tmp_path / f"in/a/{number}.png", 50, 30, number)
    write_image(tmp_path / "in/b c/é.jpeg")
    write_image(tmp_path / "in/top.jpg")
    write_image(tmp_path / "in/.thumbnails/x.jpg")
    (tmp_path / "in/notes.txt").write_text("no image")
    splits = {}
    for seed in (0, 0, 1, 2):
        settings = FolderData(corpus="folder", root=tmp_path / "in", test_fraction=fraction, seed=seed)
        samples, _ = run_ingest(settings, tmp_path / "out", domain="target")
        assert column(samples, "split").count("test") == tested
        assert len(samples) == 8
        rows = zip(column(samples, "sample_id"), column(samples, "split"), strict=True)
        chosen = frozenset(name for name, split in rows if split == "test")
        assert splits.setdefault(seed, chosen) == chosen
    assert len(set(splits.values())) > 1
    assert np.isnan(keypoint_values(samples, "keypoints")).all()
    assert not list_values(samples, "visible").any()


def test_a_few_bad_inputs_are_listed_and_the_rest_is_stored(tmp_path):
    settings = write_folder(tmp_path / "in", count=9)
    (tmp_path / "in/5.jpg").write_text("no image")
    samples, rejected = run_ingest(settings, tmp_path / "out", allowed=0.2)
    assert len(samples) == 8
    assert sorted(column(samples, "image_row")) == list(range(8))
    assert rejected.to_pylist() == [
        {"path": "5.jpg", "reason": "not a readable image (JPEG, PNG, WEBP, BMP)"}
    ]


@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
@pytest.mark.parametrize("source", ["synthbody/train/run0/train_00000.jpg", "lsp/images/im0001.jpg"])
def test_a_real_photo_cut_short_is_refused(tmp_path, source, share):
    settings = write_folder(tmp_path / "in", count=4)
    whole = real_data(source).read_bytes()
    (tmp_path / "in/0.jpg").write_bytes(whole[: int(share * len(whole))])
    _, rejected = run_ingest(settings, tmp_path / "out", allowed=0.5)
    assert column(rejected, "reason") == ["truncated or damaged image"]


def test_a_png_cut_short_is_refused(tmp_path):
    settings = write_folder(tmp_path / "in", count=4)
    (tmp_path / "in/9.png").write_bytes(encoded(suffix=".png")[:-40])
    _, rejected = run_ingest(settings, tmp_path / "out", allowed=0.5)
    assert column(rejected, "reason") == ["truncated or damaged image"]


def test_a_link_that_stays_in_the_folder_is_followed(tmp_path):
    settings = write_folder(tmp_path / "in", count=4)
    (tmp_path / "in/link.jpg").symlink_to("0.jpg")
    samples, rejected = run_ingest(settings, tmp_path / "out")
    assert (len(samples), rejected.num_rows) == (5, 0)


def test_the_root_itself_may_be_a_link(tmp_path):
    write_surreal(tmp_path / "disk")
    (tmp_path / "in").symlink_to(tmp_path / "disk")
    settings = write_surreal(tmp_path / "in")
    samples, _ = run_ingest(settings, tmp_path / "out")
    assert len(samples) == 4
    shutil.rmtree(tmp_path / "disk")


def test_a_record_that_names_a_sample_twice_is_refused():
    picture = StoredPicture(
        Record("a.jpg", np.zeros((2, 2, 3), np.uint8), {"train": "a", "val": "a"}, label=None),
        encoded=b"",
        keypoints_px=np.zeros((16, 2), np.float32),
        visible=np.ones(16, bool),
    )
    ledger = Ledger()
    assert ledger.enter(picture) is None
    assert ledger.rejected == [Rejection("a.jpg", "sample id a is used twice")]
    assert (ledger.splits, ledger.image_rows, ledger.keypoints_px) == ({}, [], b"")
