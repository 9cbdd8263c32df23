"""SURREAL's clips: real labels with videos written here."""

import numpy as np
import pytest
from corpus_files import assert_fails, assert_rejects, real_data, run_ingest
from scipy.io import loadmat
from tiny_corpora import PIXELS, in_world, shifted, write_clip, write_surreal_raw, write_video

from actupose.data.corpora import index_corpus
from actupose.data.corpora.camera import project
from actupose.data.corpora.surreal import SMPL24
from actupose.data.corpora.surreal_raw import INTRINSICS, read_points
from actupose.data.image_store import ImageStore
from actupose.params import SurrealRawData
from actupose.skeleton import BODY16
from actupose.tables import keypoint_values

# Keypoints.


@pytest.mark.parametrize("clip", ["01_01_c0001", "bodynet_03_01_c0008", "bodynet_40_02_c0010"])
def test_the_projection_rounds_to_the_published_keypoints(clip):
    path = real_data("samples") / f"surreal/{clip}_info.mat"
    points_cam, published = read_points(path), loadmat(path)["joints2D"]
    assert points_cam.shape == (100, 24, 3)
    for frame in range(100):
        np.testing.assert_array_equal(
            np.round(project(points_cam[frame], INTRINSICS)), published[..., frame].T
        )


@pytest.mark.parametrize(
    ("joint_map", "shoulders"),
    [
        ("anatomical", ("left_shoulder", "right_shoulder")),
        ("tllib", ("left_collar", "right_collar")),
    ],
)
def test_the_sides_are_exchanged_as_in_the_preprocessed_set(tmp_path, joint_map, shoulders):
    record = next(index_corpus(write_surreal_raw(tmp_path, joint_map=joint_map), BODY16, 64))
    named = dict(zip(BODY16.keypoints, record.label.keypoints_orig.tolist(), strict=True))
    for keypoint, joint in (
        ("right_ankle", "left_ankle"),
        ("left_wrist", "right_wrist"),
        ("thorax", "spine3"),
        ("head_top", "head"),
        ("right_shoulder", shoulders[0]),
        ("left_shoulder", shoulders[1]),
    ):
        assert named[keypoint] == pytest.approx(PIXELS[SMPL24.index(joint)].tolist())


def test_the_crop_is_half_as_large_again_as_the_box_of_all_24_joints(tmp_path):
    samples, rejected = run_ingest(write_surreal_raw(tmp_path / "in"), tmp_path / "out")
    assert rejected.num_rows == 0
    # Frame 0: x 100..192, y 60..175, so a side of round(1.5 * 115) = 172 around (146, 117.5): left end 60,
    # upper round(31.5) = 32. The pelvis (100, 60) goes to 40.5 * 64 / 172 - 0.5 = 14.56977 and
    # 28.5 * 64 / 172 - 0.5 = 10.10465.
    pelvis = keypoint_values(samples, "keypoints")[0, BODY16.index("pelvis")]
    np.testing.assert_allclose(pelvis, [14.56977, 10.10465], atol=1e-4)


# Frames.


def test_every_frame_has_the_keypoints_of_its_own_moment(tmp_path):
    samples, _ = run_ingest(write_surreal_raw(tmp_path / "in"), tmp_path / "out", side=128)
    keypoints, store = keypoint_values(samples, "keypoints"), ImageStore(tmp_path / "out/images.arrow")
    for row, image_row in enumerate(samples.column("image_row").to_pylist()):
        rows, columns = np.nonzero(store.decode(image_row)[..., 1] > 128)
        spot = [columns.mean(), rows.mean()]
        np.testing.assert_allclose(spot, keypoints[row, BODY16.index("pelvis")], atol=0.75)


def test_stride_leaves_frames_out(tmp_path):
    samples, _ = run_ingest(write_surreal_raw(tmp_path / "in", stride=4), tmp_path / "out")
    assert samples.column("sample_id").to_pylist() == [
        f"{split}/run0/{name}/{name}_c0001#{frame:03d}"
        for split in ("train", "test")
        for name in ("01_01", "01_02")
        for frame in (0, 4)
    ]


def test_a_clip_of_one_frame_is_read(tmp_path):
    settings = write_surreal_raw(tmp_path / "in", stride=6)
    write_clip(tmp_path / "in", "train", "01_03", frames=1, joints=in_world(PIXELS))
    samples, _ = run_ingest(settings, tmp_path / "out")
    assert "train/run0/01_03/01_03_c0001#000" in samples.column("sample_id").to_pylist()


def test_frames_that_the_person_has_left_are_listed_without_fault(tmp_path):
    settings = write_surreal_raw(tmp_path / "in")
    joints = np.stack([in_world(PIXELS), in_world(shifted(300))], axis=-1)
    write_clip(tmp_path / "in", "train", "01_01", frames=2, joints=joints)
    _, rejected = run_ingest(settings, tmp_path / "out")
    assert rejected.to_pylist() == [
        {"path": "train/run0/01_01/01_01_c0001#001", "reason": "the person is outside the picture"}
    ]


# Bad inputs.


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"joints": np.zeros((3, 23, 6))}, "joints3D has shape (3, 23, 6)"),
        ({"joints": np.zeros((3, 24, 6, 2))}, "joints3D has shape (3, 24, 6, 2)"),
        ({"camLoc": [1.0, 2.0]}, "camLoc (1, 2), expected (3, 24, T) and (3, 1)"),
        ({"camLoc": "here"}, "no readable MATLAB variables"),
    ],
)
def test_bad_labels_reject_their_clip(tmp_path, variables, reason):
    settings = write_surreal_raw(tmp_path / "in", stride=6)
    write_clip(tmp_path / "in", "train", "01_03", **variables)
    assert_rejects(settings, tmp_path, reason, "train/run0/01_03/01_03_c0001")


def test_a_video_with_fewer_frames_than_labels_is_told_and_its_frames_are_kept(tmp_path):
    settings = write_surreal_raw(tmp_path / "in", stride=6)
    write_clip(tmp_path / "in", "train", "01_03", joints=np.repeat(in_world(PIXELS)[..., None], 7, axis=2))
    clip = "train/run0/01_03/01_03_c0001"
    assert_rejects(settings, tmp_path, "its video has 6 readable frames, its labels 7", clip)
    samples, _ = run_ingest(settings, tmp_path / "out", allowed=0.5)
    assert f"{clip}#000" in samples.column("sample_id").to_pylist()


@pytest.mark.parametrize(
    ("joints", "reason"),
    [
        (np.full((3, 24, 1), np.nan), "not a finite number"),
        (np.full((3, 24, 1), 7.0), "behind the camera"),
        (in_world(np.full((24, 2), 50))[..., None], "box is empty"),
    ],
)
def test_a_bad_frame_is_one_rejected_row(tmp_path, joints, reason):
    settings = write_surreal_raw(tmp_path / "in", stride=6)
    write_clip(tmp_path / "in", "train", "01_03", frames=1, joints=joints)
    assert_rejects(settings, tmp_path, reason, "train/run0/01_03/01_03_c0001#000")


def not_there(path):
    path.unlink()


def no_video(path):
    path.write_bytes(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n")


def damaged(path):
    path.write_bytes(path.read_bytes()[:48])


def too_small(path):
    write_video(path, [(5, 5)] * 6, size=(64, 48))


def a_link_out_of_the_folder(path):
    outside = path.parents[5] / "outside.mp4"
    path.rename(outside)
    path.symlink_to(outside)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (not_there, "no video (.mp4) beside its labels"),
        (no_video, "its video is not an MP4 file"),
        (damaged, "its video cannot be opened"),
        (too_small, "a frame of its video is not 320 x 240 pixels"),
        (a_link_out_of_the_folder, "leaves the data folder"),
    ],
)
def test_a_bad_video_rejects_its_clip(tmp_path, spoil, reason):
    settings = write_surreal_raw(tmp_path / "in", stride=6)
    spoil(write_clip(tmp_path / "in", "train", "01_03") / "01_03_c0001.mp4")
    assert_rejects(settings, tmp_path, reason, "train/run0/01_03/01_03_c0001")


def test_a_damaged_label_file_rejects_its_clip(tmp_path):
    settings = write_surreal_raw(tmp_path / "in", stride=6)
    (write_clip(tmp_path / "in", "train", "01_03") / "01_03_c0001_info.mat").write_bytes(b"no MATLAB file")
    assert_rejects(settings, tmp_path, "no readable MATLAB variables", "train/run0/01_03/01_03_c0001")


def test_a_folder_without_clips_is_named(tmp_path):
    write_clip(tmp_path / "in", "train", "01_01")
    settings = SurrealRawData(corpus="surreal_raw", root=tmp_path / "in", joint_map="tllib", stride=1)
    assert_fails(settings, tmp_path, "no *_info.mat below test/")
