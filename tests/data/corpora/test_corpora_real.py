from collections import Counter

import numpy as np
import pytest
from corpus_files import real_data, run_ingest

from actupose.data.corpora import index_corpus
from actupose.data.corpora.lsp import read_joints
from actupose.data.corpora.records import Record, Rejection
from actupose.data.image_store import ImageStore
from actupose.params import CocoData, LspData, SurrealData
from actupose.skeleton import BODY16
from actupose.tables import keypoint_values, list_values

LIMBS = ("ankle", "knee", "hip", "wrist", "elbow", "shoulder")


def surreal(joint_map):
    return SurrealData(corpus="surreal", root=real_data("synthbody"), joint_map=joint_map)


def first_records(settings, count):
    records = index_corpus(settings, BODY16, 64)
    return [next(records) for _ in range(count)]


@pytest.fixture(scope="module")
def lsp_all(tmp_path_factory):
    out = tmp_path_factory.mktemp("lsp")
    settings = LspData(corpus="lsp", root=real_data("lsp"), split="all")
    return out, *run_ingest(settings, out, side=256)


def test_synthbody_has_every_sample_of_every_split():
    records = list(index_corpus(surreal("anatomical"), BODY16, 64))
    assert all(isinstance(record, Record) for record in records)
    assert Counter(split for r in records for split in r.ids) == {"train": 5400, "val": 300, "test": 600}
    assert records[0].ids == {"train": "train/run0/train_00000.jpg"}
    assert len({name for r in records for name in r.ids.values()}) == 6300


def test_the_two_joint_maps_differ_in_the_shoulders_alone():
    pairs = zip(first_records(surreal("anatomical"), 20), first_records(surreal("tllib"), 20), strict=True)
    shoulders = {BODY16.index("right_shoulder"), BODY16.index("left_shoulder")}
    for anatomical, tllib in pairs:
        differs = (anatomical.label.keypoints_orig != tllib.label.keypoints_orig).any(axis=1)
        assert set(np.flatnonzero(differs)) == shoulders


def test_synthbody_exchanges_the_sides():
    # First entry of train/run0.json: SMPL 7, L_ankle, is (158.62, 199.07); 16, L_shoulder, (131.76, 76.08).
    label = first_records(surreal("anatomical"), 1)[0].label
    np.testing.assert_allclose(label.keypoints_orig[BODY16.index("right_ankle")], [158.62, 199.07])
    np.testing.assert_allclose(label.keypoints_orig[BODY16.index("right_shoulder")], [131.76, 76.08])


def test_lsp_official_split_has_every_photo_once():
    settings = LspData(corpus="lsp", root=real_data("lsp"), split="official")
    records = list(index_corpus(settings, BODY16, 64))
    assert Counter(split for r in records for split in r.ids) == {"train": 1000, "test": 1000}
    assert records[999].ids == {"train": "train/im1000"}
    assert records[1000].ids == {"test": "test/im1001"}


def test_lsp_all_has_every_photo_in_both_splits_and_stores_it_once(lsp_all):
    out, samples, rejected = lsp_all
    assert Counter(samples.column("split").to_pylist()) == {"train": 2000, "test": 2000}
    assert rejected.num_rows == 0
    rows = dict(zip(*(samples.column(name).to_pylist() for name in ("sample_id", "image_row")), strict=True))
    assert rows["train/im0007"] == rows["test/im0007"] == 6
    assert len(ImageStore(out / "images.arrow")) == 2000


def test_lsp_keypoints_land_where_the_padding_rule_puts_them(lsp_all):
    # im0001.jpg is 70 x 160; its right ankle is (29.74645941, 143.34544031) with MATLAB's first pixel 1.
    # s = 256 / 160 = 1.6, stored width 112, left border 72:
    # x = (28.74645941 + 0.5) * 1.6 - 0.5 + 72 = 118.29433; y = (142.34544031 + 0.5) * 1.6 - 0.5 = 228.05270
    _, samples, _ = lsp_all
    row = samples.column("sample_id").to_pylist().index("train/im0001")
    keypoints = keypoint_values(samples, "keypoints")[row]
    np.testing.assert_allclose(keypoints[BODY16.index("right_ankle")], [118.29433, 228.05270], atol=1e-4)


def test_lsp_leaves_pelvis_and_thorax_open_and_keeps_occluded_keypoints(lsp_all):
    _, samples, _ = lsp_all
    keypoints, visible = keypoint_values(samples, "keypoints"), list_values(samples, "visible")
    open_ = [BODY16.index("pelvis"), BODY16.index("thorax")]
    assert np.isnan(keypoints[:, open_]).all()
    assert not visible[:, open_].any()
    assert np.isfinite(np.delete(keypoints, open_, axis=1)).all()
    occluded = read_joints(real_data("lsp") / "joints.mat")[..., 2].sum()
    # One wrist of the 2000 photos lies outside its picture, so it is hidden as well; two splits.
    assert (~np.delete(visible, open_, axis=1)).sum() == 2 * (occluded + 1)


def test_coco_sample_file_gives_one_crop_a_labelled_person(tmp_path):
    limbs = {f"{side}_{limb}": f"{side}_{limb}" for side in ("left", "right") for limb in LIMBS}
    root = real_data("samples") / "coco"
    settings = CocoData(
        corpus="coco",
        root=root,
        annotations={"train": "test_coco.json", "test": "test_coco_wholebody.json"},
        images={"train": ".", "test": "."},
        keypoints=limbs | {"pelvis": ("left_hip", "right_hip")},
        crop_scale=1.25,
    )
    samples, rejected = run_ingest(settings, tmp_path)
    assert Counter(samples.column("split").to_pylist())["train"] == 12  # 14 annotations, 2 without labels
    assert set(rejected.column("reason").to_pylist()) == {"a crowd or a person without labelled keypoints"}
    visible, keypoints = list_values(samples, "visible"), keypoint_values(samples, "keypoints")
    assert ((keypoints[visible] > -0.5) & (keypoints[visible] < 63.5)).all()
    # The skier's mid hip lies halfway between the hips.
    hips = keypoints[0][[BODY16.index("left_hip"), BODY16.index("right_hip")]]
    np.testing.assert_allclose(keypoints[0][BODY16.index("pelvis")], hips.mean(axis=0), atol=1e-4)


def test_no_real_record_is_rejected_by_its_reader():
    assert not [r for r in index_corpus(surreal("tllib"), BODY16, 64) if isinstance(r, Rejection)]
