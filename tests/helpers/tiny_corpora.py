"""A small good corpus for each reader: what the readers' tests look at and what the bad inputs spoil."""

import json
import os
import pickle

import cv2
import numpy as np
from corpus_files import (
    coco_content,
    coco_person,
    spread_hand,
    write_coco,
    write_folder,
    write_image,
    write_surreal,
)
from scipy.io import savemat

from actupose.params import (
    FiguresData,
    FreihandData,
    H3dData,
    Human36mData,
    LspData,
    RhdData,
    SurrealRawData,
)

# SURREAL's clips.

LOCATION = [[6.0], [-1.0], [0.0]]  # the camera looks along -x of the world
# Joint k lies at (100 + 4 k, 60 + 5 k) pixels.
PIXELS = np.column_stack([100 + 4 * np.arange(24), 60 + 5 * np.arange(24)])


def in_world(pixels, depth=6.0):
    """(24, 2) pixels to (3, 24) joints at that depth; the camera's axes are (-z, y, -x) of the world."""
    x, y = ((np.asarray(pixels, float) - [160, 120]) * depth / 600.0).T
    return np.stack([np.full(24, 6.0 - depth), y - 1.0, -x])


def shifted(columns):
    return PIXELS + np.array([columns, 0])


def write_video(path, spots, size=(320, 240)):
    """One frame a spot, white on black."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25, size)
    for x, y in np.round(spots).astype(int).tolist():
        video.write(cv2.circle(np.zeros((size[1], size[0], 3), np.uint8), (x, y), 6, (255, 255, 255), -1))
    video.release()


def write_clip(root, split, name, frames=6, joints=None, **variables):
    """A clip whose person moves two pixels to the right a frame, a spot on the pelvis; returns its folder."""
    folder = root / split / "run0" / name
    folder.mkdir(parents=True, exist_ok=True)
    moved = [shifted(2 * frame) for frame in range(frames)]
    joints = np.stack([in_world(pixels) for pixels in moved], axis=-1) if joints is None else joints
    savemat(folder / f"{name}_c0001_info.mat", {"joints3D": joints, "camLoc": LOCATION} | variables)
    write_video(folder / f"{name}_c0001.mp4", [pixels[0] for pixels in moved])
    return folder


def write_surreal_raw(root, stride=1, joint_map="anatomical"):
    for split in ("train", "test"):
        for name in ("01_01", "01_02"):
            write_clip(root, split, name)
    return SurrealRawData(corpus="surreal_raw", root=root, joint_map=joint_map, stride=stride)


# Leeds Sports Pose.


def lsp_joints():
    """(3, 14, 2000): joint k of every photo at (5 + 2 k, 8 + k) as MATLAB counts, none occluded."""
    one = np.stack([5.0 + 2 * np.arange(14), 8.0 + np.arange(14), np.zeros(14)])
    return np.repeat(one[..., None], 2000, axis=2)


def write_lsp(root, joints=None):
    """The same photo under all 2000 names; returns the settings."""
    write_image(root / "images/im0001.jpg")
    for number in range(2, 2001):
        os.link(root / "images/im0001.jpg", root / f"images/im{number:04d}.jpg")
    savemat(root / "joints.mat", {"joints": lsp_joints() if joints is None else joints})
    return LspData(corpus="lsp", root=root, split="official")


# Human3.6M.

SUBJECTS = (1, 5, 6, 7, 8, 9, 11)
CAMERA = {"R": np.eye(3).tolist(), "t": [0, 0, 1000], "f": [100, 100], "c": [50, 40]}
# A metre before the camera a millimetre is a tenth of a pixel: joint k lies at (30 + k, 20 + 2 k) pixels.
WORLD = [[10.0 * (30 + k - 50), 10.0 * (20 + 2 * k - 40), 0.0] for k in range(17)]


def human36m_image(subject, frame, **changes):
    entry = {"file_name": f"s_{subject:02d}/{frame:06d}.jpg", "frame_idx": frame, "cam_idx": 1}
    return entry | {"action_idx": 2, "subaction_idx": 1} | changes


def write_subject(root, subject, images, cameras, joints):
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    for part, content in (("data", {"images": images}), ("camera", cameras), ("joint_3d", joints)):
        (root / f"annotations/Human36M_subject{subject}_{part}.json").write_text(json.dumps(content))


def write_human36m(root, frames=6, stride=5, test_draw="distinct"):
    """Frames 0, 5, ... of seven subjects have a picture; returns the settings."""
    joints = {"2": {"1": {str(frame): WORLD for frame in range(frames)}}}
    for subject in SUBJECTS:
        images = [human36m_image(subject, frame) for frame in range(frames)]
        write_subject(root, subject, images, {"1": CAMERA}, joints)
        for frame in range(0, frames, stride):
            write_image(root / f"images/s_{subject:02d}/{frame:06d}.jpg", 100, 80, frame)
    return Human36mData(corpus="human36m", root=root, stride=stride, test_draw=test_draw, seed=42)


# Rendered Hand Pose.

FAR_LEFT, FAR_RIGHT = spread_hand(20, 60, 80), spread_hand(200, 60, 80)
ALL, NONE = np.ones(21), np.zeros(21)


def rhd_picture(left=FAR_LEFT, right=FAR_RIGHT, left_visible=ALL, right_visible=ALL):
    """One picture's entry; the keypoints are in the file's order."""
    rows = np.column_stack([np.concatenate([left, right]), np.concatenate([left_visible, right_visible])])
    return {"uv_vis": rows, "xyz": np.zeros((42, 3)), "K": np.eye(3)}


def write_rhd(root, training=None, evaluation=None):
    """Two pictures with two hands each in either set, unless told otherwise; returns the settings."""
    for name, pictures in (("training", training), ("evaluation", evaluation)):
        pictures = {0: rhd_picture(), 1: rhd_picture()} if pictures is None else pictures
        folder = root / "RHD_published_v2" / name
        for number in (0, 1):
            write_image(folder / f"color/{number:05d}.png", 320, 320, number)
        (folder / f"anno_{name}.pickle").write_bytes(pickle.dumps(pictures, 2))
    return RhdData(corpus="rhd", root=root)


# FreiHAND.

INTRINSICS = [[100.0, 0.0, 112.0], [0.0, 100.0, 112.0], [0.0, 0.0, 1.0]]


def in_space(keypoints, depth=2.0):
    """(21, 2) pixels back to (21, 3) metres before the camera of ``INTRINSICS``."""
    offsets = (np.asarray(keypoints) - 112.0) * depth / 100.0
    return np.column_stack([offsets, np.full(len(offsets), depth)]).tolist()


def write_freihand(root, xyz=None, split="by_pose"):
    """Five poses with four pictures each; returns the settings."""
    xyz = [in_space(spread_hand(50 + pose, 60, 80)) for pose in range(5)] if xyz is None else xyz
    for number in range(4 * len(xyz)):
        write_image(root / f"training/rgb/{number:08d}.jpg", 224, 224, number)
    (root / "training_K.json").write_text(json.dumps([INTRINSICS] * len(xyz)))
    (root / "training_xyz.json").write_text(json.dumps(xyz))
    return FreihandData(corpus="freihand", root=root, split=split, seed=42)


# Hand-3D-Studio.


def h3d_entry(number, **changes):
    """Every third hand holds an object."""
    held = {"without_object": "0" if number % 3 == 2 else "1"}
    return {"name": f"part1/{number}.jpg", "keypoint2d": spread_hand(4, 8, 40).tolist()} | held | changes


def write_h3d(root, entries=None, hands="free", size=64):
    """Fifteen pictures; returns the settings."""
    for number in range(15):
        write_image(root / f"H3D_crop/part1/{number}.jpg", size, size, number)
    entries = [h3d_entry(number) for number in range(15)] if entries is None else entries
    (root / "H3D_crop/annotation.json").write_text(json.dumps(entries))
    return H3dData(corpus="h3d", root=root, hands=hands, seed=42)


# All of them.

COCO_KEYPOINTS = [10, 20, 2, 20, 20, 2, 12, 30, 2, 22, 30, 2]


def write_two_people(root):
    """Two people in a picture, in a file for training and one for testing; returns the settings."""
    content = coco_content([coco_person(number, COCO_KEYPOINTS) for number in (1, 2)])
    settings = write_coco(root, content, annotations={"train": "train.json", "test": "people.json"})
    (root / "train.json").write_text(json.dumps(content))
    return settings


def write_figures(root):
    """The root of figures is the code that draws them: any file will do; returns the settings."""
    root.mkdir(parents=True)
    (root / "draw.py").write_text("")
    counts, mix = {"train": 2, "val": 1, "test": 1}, (0.6, 0.3, 0.1)
    return FiguresData(corpus="figures", root=root, look="synthetic", pose_mix=mix, counts=counts, seed=3)


TINY_CORPORA = {
    "coco": write_two_people,
    "figures": write_figures,
    "folder": write_folder,
    "freihand": write_freihand,
    "h3d": write_h3d,
    "human36m": write_human36m,
    "lsp": write_lsp,
    "rhd": write_rhd,
    "surreal": write_surreal,
    "surreal_raw": write_surreal_raw,
}
