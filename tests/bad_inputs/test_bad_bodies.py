"""Published corpora of people with labels that are not theirs; more in each reader's own tests."""

import os
import shutil

import numpy as np
import pytest
from corpus_files import surreal_entry
from scipy.io import savemat
from spoilt import Rejected, Told, as_folder, as_pipe, cut_short, holding, with_value, without
from tiny_corpora import WORLD, lsp_joints, write_clip, write_video

FAR = "a keypoint lies farther outside the image than the image is large"
NOT_FINITE = "a keypoint is not a finite number"

# Preprocessed SURREAL.

RUN = "train/run0.json"
BY_POSITION = "train/run0.json[0]"


def run_told(says, spoil):
    return Told("surreal", spoil, "{root}/train/run0.json: " + says)


def entry_refused(reason, path="train/run0/train_0.jpg", **changes):
    """The first entry for training has other values."""
    entries = [surreal_entry(f"train_{number}.jpg") for number in (0, 1)]
    return Rejected("surreal", holding(RUN, [entries[0] | changes, entries[1]]), {path: reason})


def moved(x):
    """One joint has another column."""
    joints = surreal_entry("x")["keypoint2d"]
    joints[4] = [x, 5.0]
    return joints


SURREAL = {
    "a run that is not JSON": run_told("not valid JSON: Expecting property name...", holding(RUN, "{[")),
    "a run that is too deep": run_told(
        "not valid JSON: maximum recursion depth exceeded...", holding(RUN, "[" * 100_000)
    ),
    "a run that is not text": run_told("not valid JSON: ...", holding(RUN, b"\xff\xfe[]\x00")),
    "a run that is cut short": run_told("not valid JSON: ...", cut_short(RUN, 0.9)),
    "a run that is an object": run_told("holds a JSON dict, expected a list", holding(RUN, {"name": "x"})),
    "a run that is a folder": run_told("is not a file; is this the corpus' root folder?", as_folder(RUN)),
    "a run that is a pipe": run_told("is not a file; is this the corpus' root folder?", as_pipe(RUN)),
    "a run of nobody": Told(
        "surreal", holding(RUN, []), "{root}: split 'train' of corpus surreal has no sample"
    ),
    "no run for testing": Told(
        "surreal",
        without("test/run0.json"),
        "{root}: no test/run*.json; expected SURREAL's preprocessed layout",
    ),
    "13 joints": entry_refused(
        "keypoint2d: List should have at least 24 items after validation, not 13",
        BY_POSITION,
        keypoint2d=[[1.0, 2.0]] * 13,
    ),
    "joints in one dimension": entry_refused(
        "keypoint2d.0: List should have at least 2 items after validation, not 1",
        BY_POSITION,
        keypoint2d=[[1.0]] * 24,
    ),
    "a joint as text": entry_refused(
        "keypoint2d.0.0: Input should be a valid number", BY_POSITION, keypoint2d=[["1", 2.0]] * 24
    ),
    "a joint that is null": entry_refused(
        "keypoint2d.4.0: Input should be a valid number", BY_POSITION, keypoint2d=moved(None)
    ),
    "a joint of 400 digits": entry_refused(
        "keypoint2d.4.0: Input should be a valid number", BY_POSITION, keypoint2d=moved(10**400)
    ),
    "no joints": Rejected(
        "surreal", without(RUN, [0, "keypoint2d"]), {BY_POSITION: "keypoint2d: Field required"}
    ),
    "no name": Rejected("surreal", without(RUN, [0, "name"]), {BY_POSITION: "name: Field required"}),
    "a name that is a number": entry_refused("name: Input should be a valid string", BY_POSITION, name=3),
    "an entry that is null": Rejected(
        "surreal",
        with_value(RUN, [0], None),
        {BY_POSITION: "entry: Input should be a valid dictionary or instance of SurrealEntry"},
    ),
    "NaN": entry_refused(NOT_FINITE, keypoint2d=moved(float("nan"))),
    "infinite": entry_refused(NOT_FINITE, keypoint2d=moved(float("inf"))),
    "huge": entry_refused(FAR, keypoint2d=moved(1e300)),
    "far to the left": entry_refused(FAR, keypoint2d=moved(-40.5)),
    "far to the right": entry_refused(FAR, keypoint2d=moved(80.5)),
    "all outside": entry_refused("no keypoint is visible", keypoint2d=[[-5.0, -5.0]] * 24),
}

# SURREAL's clips.

CLIP = "train/run0/01_01/01_01_c0001"
NO_JOINTS = "no readable MATLAB variables 'joints3D' and 'camLoc'"


def clip_refused(reason, spoil, path=CLIP):
    return Rejected("surreal_raw", spoil, {path: reason})


def with_labels(**variables):
    return lambda root: write_clip(root, "train", "01_01", **variables)


def compressed(root):
    """A label file of 80 kilobytes that unpacks to 80 megabytes."""
    path = root / f"{CLIP}_info.mat"
    savemat(path, {"joints3D": np.zeros((3, 24, 150_000)), "camLoc": np.ones(3)}, do_compression=True)
    assert path.stat().st_size < 100_000


def with_huge_frames(root):
    write_video(root / f"{CLIP}.mp4", [(5, 5)] * 6, size=(4000, 3000))


def without_samples(root):
    """The video keeps its beginning and its index, but the frames lie elsewhere."""
    path = root / f"{CLIP}.mp4"
    path.write_bytes(path.read_bytes().replace(b"mdat", b"free"))


SURREAL_CLIPS = {
    "no labels in the file": clip_refused(
        NO_JOINTS, lambda root: savemat(root / f"{CLIP}_info.mat", {"x": 1})
    ),
    "labels cut short": clip_refused(NO_JOINTS, cut_short(f"{CLIP}_info.mat", 0.5)),
    "no bytes of labels": clip_refused(NO_JOINTS, holding(f"{CLIP}_info.mat", b"")),
    "labels as text": clip_refused(NO_JOINTS, with_labels(joints="some text")),
    "complex labels": clip_refused(NO_JOINTS, with_labels(joints=np.zeros((3, 24, 6), complex))),
    "labels of no frame": clip_refused(
        "joints3D has shape (3, 0), camLoc (3, 1), expected (3, 24, T) and (3, 1)",
        with_labels(joints=np.zeros((3, 0))),
    ),
    "a decompression bomb": clip_refused("a MATLAB variable of more than 80 million bytes", compressed),
    "a video of huge frames": clip_refused("a frame of its video is not 320 x 240 pixels", with_huge_frames),
    "an empty video": clip_refused("its video is not an MP4 file", holding(f"{CLIP}.mp4", b"")),
    "a frame beyond all numbers": Rejected(
        "surreal_raw",
        with_labels(joints=np.full((3, 24, 1), -1e308), camLoc=[1e308, 0, 0]),
        {f"{CLIP}#000": NOT_FINITE},
    ),
}

# Leeds Sports Pose.


def with_joints(joints):
    return lambda root: savemat(root / "joints.mat", {"joints": joints})


def spoilt_photos(root):
    """Five of the photos have a fault each."""
    joints = lsp_joints()
    joints[0, 3, 0] = np.nan
    joints[0, 3, 1] = -1e9
    joints[2, :, 2] = 1
    savemat(root / "joints.mat", {"joints": joints})
    without("images/im0004.jpg")(root)
    cut_short("images/im0005.jpg", 0.5)(root)


def lsp_told(says, spoil):
    return Told("lsp", spoil, "{root}/joints.mat: " + says)


LSP = {
    "no labels": lsp_told("no such file; an LSP folder holds joints.mat and images/", without("joints.mat")),
    "ten people": lsp_told(
        "joints has shape (3, 14, 10), expected (3, 14, 2000)", with_joints(np.zeros((3, 14, 10)))
    ),
    "axes in another order": lsp_told(
        "joints has shape (14, 3, 2000), expected (3, 14, 2000)", with_joints(np.zeros((14, 3, 2000)))
    ),
    "text": lsp_told("no readable MATLAB variable 'joints'", with_joints("some text")),
    "cells": lsp_told("no readable MATLAB variable 'joints'", with_joints(np.array([[1], "x"], object))),
    "a gigabyte": lsp_told(
        "more than 80 million bytes", lambda root: os.truncate(root / "joints.mat", 1 << 30)
    ),
    "another variable": lsp_told(
        "no readable MATLAB variable 'joints'", lambda root: savemat(root / "joints.mat", {"other": 1})
    ),
    "no bytes": lsp_told("no readable MATLAB variable 'joints'", holding("joints.mat", b"")),
    "no MATLAB file": lsp_told(
        "no readable MATLAB variable 'joints'", holding("joints.mat", b"no MATLAB file")
    ),
    "nothing but MATLAB's header": lsp_told(
        "no readable MATLAB variable 'joints'",
        holding("joints.mat", b"MATLAB 5.0 MAT-file" + b" " * 105 + b"\0\1IM\x0f\0"),
    ),
    "no photos": Told(
        "lsp",
        lambda root: shutil.rmtree(root / "images"),
        "2000 of 2000 inputs rejected, above ingest.max_rejected_fraction = 0; all are listed in ...; "
        "first: images/im0001.jpg: no such image file",
    ),
    "five bad photos": Rejected(
        "lsp",
        spoilt_photos,
        {
            "images/im0001.jpg": NOT_FINITE,
            "images/im0002.jpg": FAR,
            "images/im0003.jpg": "no keypoint is visible",
            "images/im0004.jpg": "no such image file",
            "images/im0005.jpg": "truncated or damaged image",
        },
    ),
}

# Human3.6M.

CAMERAS = "annotations/Human36M_subject5_camera.json"
JOINTS = "annotations/Human36M_subject5_joint_3d.json"


def subject_refused(reason, spoil):
    """Both pictures of a subject share its labels."""
    return Rejected("human36m", spoil, {f"images/s_05/00000{frame}.jpg": reason for frame in (0, 5)})


def labels(world):
    return holding(JOINTS, {"2": {"1": {str(frame): world for frame in range(6)}}})


HUMAN36M = {
    "no picture at all": Told(
        "human36m",
        lambda root: [
            holding(f"annotations/Human36M_subject{number}_data.json", {"images": []})(root)
            for number in (9, 11)
        ],
        "{root}: split 'test' of corpus human36m has no sample",
    ),
    "labels cut short": Told("human36m", cut_short(JOINTS, 0.5), f"{{root}}/{JOINTS}: not valid JSON: ..."),
    "NaN": subject_refused(NOT_FINITE, labels([[float("nan")] * 3, *WORLD[1:]])),
    "beyond all numbers": subject_refused(NOT_FINITE, labels([[1e308, 1e308, 0.0]] * 17)),
    "a joint without depth": subject_refused(
        "joint_3d.0: List should have at least 3 items after validation, not 2",
        labels([[1.0, 2.0], *WORLD[1:]]),
    ),
    "a focal length of zero": subject_refused(
        "the person's box is empty", with_value(CAMERAS, ["1", "f"], [0, 0])
    ),
    "a focal length that is negative and huge": subject_refused(
        FAR, with_value(CAMERAS, ["1", "f"], [-1e6, -1e6])
    ),
}


@pytest.mark.parametrize("bad", SURREAL.values(), ids=SURREAL)
def test_bad_labels_of_surreal(bad, tmp_path, capsys):
    bad.assert_refused(tmp_path, capsys)


@pytest.mark.parametrize("bad", SURREAL_CLIPS.values(), ids=SURREAL_CLIPS)
def test_a_bad_clip_of_surreal(bad, tmp_path, capsys):
    bad.assert_refused(tmp_path, capsys)


@pytest.mark.parametrize("bad", LSP.values(), ids=LSP)
def test_bad_labels_of_lsp(bad, tmp_path, capsys):
    bad.assert_refused(tmp_path, capsys)


@pytest.mark.parametrize("bad", HUMAN36M.values(), ids=HUMAN36M)
def test_bad_labels_of_human36m(bad, tmp_path, capsys):
    bad.assert_refused(tmp_path, capsys)
