"""Published corpora of hands with labels that are not theirs; more in each reader's own tests."""

import pickle
import struct

import numpy as np
import pytest
from spoilt import Rejected, Told, as_folder, as_pipe, cut_short, holding, with_value, without
from tiny_corpora import INTRINSICS, h3d_entry, rhd_picture

NOT_FINITE = "a keypoint is not a finite number"

# Rendered Hand Pose.

PICKLE = "RHD_published_v2/training/anno_training.pickle"
NOT_PLAIN = "not a pickle of plain values: "


def rhd_told(says, spoil):
    return Told("rhd", spoil, f"{{root}}/{PICKLE}: {says}")


def with_first(value):
    """The first picture for training has other labels."""
    return holding(PICKLE, pickle.dumps({0: value, 1: rhd_picture()}))


def rhd_refused(reason, value):
    return Rejected("rhd", with_first(value), {"training/anno_training.pickle[0]": reason})


def lists_within_lists(levels=40):
    """Forty lists, each holding the next one ten times: more numbers than there are atoms in the earth."""
    value = 0.0
    for _ in range(levels):
        value = [value] * 10
    return value


# Opcodes: PROTO 2, EMPTY_DICT, then keep it at place 2^30 of a list that would take 16 GB.
FAR_PLACE = b"\x80\x02}r" + struct.pack("<I", 2**30) + b"."
LONG_BYTES = b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"."


class Exits:
    def __reduce__(self):
        return exit, ("unpickled",)


RHD = {
    "no labels": rhd_told("no such file; is this the corpus' root folder?", without(PICKLE)),
    "a folder": rhd_told("is not a file; is this the corpus' root folder?", as_folder(PICKLE)),
    "a pipe": rhd_told("is not a file; is this the corpus' root folder?", as_pipe(PICKLE)),
    "no bytes": rhd_told(NOT_PLAIN + "pickle exhausted before seeing STOP", holding(PICKLE, b"")),
    "labels cut short": rhd_told(NOT_PLAIN + "...", cut_short(PICKLE, 0.5)),
    "code to run": rhd_told(
        NOT_PLAIN + "it asks for _sitebuiltins.Quitter", holding(PICKLE, pickle.dumps({0: Exits()}))
    ),
    "a place far out": rhd_told(
        NOT_PLAIN + "place 1073741824 in a file of 9 bytes", holding(PICKLE, FAR_PLACE)
    ),
    "a place far out in text": rhd_told(
        NOT_PLAIN + "place 99999999999 in a file of 16 bytes", holding(PICKLE, b"}p99999999999\n0.")
    ),
    "a terabyte of bytes": rhd_told(
        NOT_PLAIN + "expected 1099511627776 bytes in a bytearray8, but only 1 remain",
        holding(PICKLE, LONG_BYTES),
    ),
    "an array of objects": rhd_told(
        NOT_PLAIN + "an array of 'O8'", with_first({"uv_vis": np.array([None] * 126)})
    ),
    "lists within lists": rhd_refused("no array 'uv_vis'", {"uv_vis": lists_within_lists()}),
    "a list of rows": rhd_refused("no array 'uv_vis'", {"uv_vis": rhd_picture()["uv_vis"].tolist()}),
    "infinite": rhd_refused(NOT_FINITE, rhd_picture() | {"uv_vis": np.full((42, 3), np.inf)}),
    "no rows": rhd_refused("uv_vis has shape (0, 3), expected (42, 3)", {"uv_vis": np.zeros((0, 3))}),
    "nobody": Told(
        "rhd", holding(PICKLE, pickle.dumps({})), "{root}: split 'train' of corpus rhd has no sample"
    ),
}

# FreiHAND.

XYZ, K = "training_xyz.json", "training_K.json"


def pose_refused(reason, spoil):
    """A pose has four pictures."""
    return Rejected(
        "freihand", spoil, {f"training/rgb/{number:08d}.jpg": reason for number in (0, 5, 10, 15)}
    )


FREIHAND = {
    "labels cut short": Told("freihand", cut_short(XYZ, 0.5), f"{{root}}/{XYZ}: not valid JSON: ..."),
    "one pose less": Told(
        "freihand", without(XYZ, [4]), "{root}: training_K.json has 5 poses, training_xyz.json 4"
    ),
    "a camera that is null": pose_refused("K: Input should be a valid list", with_value(K, [0], None)),
    "beyond all numbers": pose_refused(NOT_FINITE, with_value(XYZ, [0], [[1e308, 1e308, 1.0]] * 21)),
    "a depth of nearly nothing": pose_refused(NOT_FINITE, with_value(XYZ, [0], [[1.0, 1.0, 5e-324]] * 21)),
    "a camera of zeros": pose_refused("the person's box is empty", with_value(K, [0], [[0.0] * 3] * 3)),
    "a camera of another size": pose_refused(
        "a keypoint lies farther outside the image than the image is large",
        with_value(K, [0], [[1e6, 0.0, 0.0], *INTRINSICS[1:]]),
    ),
}

# Hand-3D-Studio.

ANNOTATION = "H3D_crop/annotation.json"


def h3d_refused(reason, path="annotation.json[0]", **changes):
    return Rejected("h3d", with_value(ANNOTATION, [0], h3d_entry(0, **changes)), {path: reason})


H3D = {
    "labels cut short": Told(
        "h3d", cut_short(ANNOTATION, 0.5), f"{{root}}/{ANNOTATION}: not valid JSON: ..."
    ),
    "all hold objects": Told(
        "h3d",
        holding(ANNOTATION, [h3d_entry(number, without_object="0") for number in range(15)]),
        "{root}: split 'train' of corpus h3d has no sample",
    ),
    "an entry that is null": Rejected(
        "h3d",
        with_value(ANNOTATION, [0], None),
        {"annotation.json[0]": "entry: Input should be a valid dictionary or instance of H3dEntry"},
    ),
    "an empty name": h3d_refused("name: String should have at least 1 character", name=""),
    "no keypoints": h3d_refused("keypoint2d: Input should be a valid list", keypoint2d=None),
    "a picture for training and for testing": Rejected(
        "h3d",
        with_value(ANNOTATION, [13], h3d_entry(12)),
        {"part1/12.jpg": "its picture is named twice"},
    ),
    "all outside": h3d_refused("no keypoint is visible", "part1/0.jpg", keypoint2d=[[-9.0, -9.0]] * 21),
}


@pytest.mark.parametrize("bad", RHD.values(), ids=RHD)
def test_bad_labels_of_rhd(bad, tmp_path, capsys):
    bad.assert_refused(tmp_path, capsys)


@pytest.mark.parametrize("bad", FREIHAND.values(), ids=FREIHAND)
def test_bad_labels_of_freihand(bad, tmp_path, capsys):
    bad.assert_refused(tmp_path, capsys)


@pytest.mark.parametrize("bad", H3D.values(), ids=H3D)
def test_bad_labels_of_h3d(bad, tmp_path, capsys):
    bad.assert_refused(tmp_path, capsys)
