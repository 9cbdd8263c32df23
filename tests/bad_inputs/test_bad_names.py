"""File names are data: one that leaves the root or comes twice is refused, all others are as good."""

import os
import unicodedata

import pytest
from corpus_files import (
    coco_content,
    coco_person,
    run_ingest,
    surreal_entry,
    write_coco,
    write_folder,
    write_surreal,
)
from spoilt import Rejected, as_link, as_pipe, holding, with_value
from tiny_corpora import COCO_KEYPOINTS, TINY_CORPORA, h3d_entry, human36m_image

LEAVES = "file name leaves the data folder"
ABSOLUTE = "file name is an absolute path"
ABSENT = "no such image file"
UNUSABLE = "not a usable file name"


def surreal_named(name, reason):
    entries = [surreal_entry(name), surreal_entry("train_1.jpg")]
    shown = name.replace("\0", "\\x00").replace("\n", "\\n")
    return Rejected("surreal", holding("train/run0.json", entries), {f"train/run0/{shown}": reason})


def coco_named(name, reason, also=lambda root: None):
    """A third person is in a picture of that name."""
    people = [coco_person(number, COCO_KEYPOINTS) for number in (1, 2, 3)]
    content = coco_content([*people[:2], people[2] | {"image_id": 2}])
    content["images"].append({"id": 2, "file_name": name})
    return Rejected(
        "coco",
        lambda root: (holding("train.json", content)(root), also(root)),
        {f"train.json#{name}/3": reason},
    )


def human36m_named(name, reason):
    spoil = with_value(
        "annotations/Human36M_subject1_data.json", ["images", 0], human36m_image(1, 0, file_name=name)
    )
    return Rejected("human36m", spoil, {f"images/{name}": reason})


def h3d_named(name, reason):
    return Rejected(
        "h3d", with_value("H3D_crop/annotation.json", [0], h3d_entry(0, name=name)), {name: reason}
    )


def linked(reader, file, path=None, reason=LEAVES):
    """The file is a link to one outside the root."""
    return Rejected(reader, as_link(file, "../" * (file.count("/") + 1) + "outside"), {path or file: reason})


NAMES = {
    "surreal: absolute": surreal_named("/etc/passwd", ABSOLUTE),
    "surreal: of another split": surreal_named("../../test/run0/test_0.jpg", LEAVES),
    "surreal: out of the root": surreal_named("../../../x.jpg", LEAVES),
    "surreal: absent": surreal_named("absent.jpg", ABSENT),
    "surreal: the folder itself": surreal_named(".", ABSENT),
    "surreal: with a null byte": surreal_named("a\0b.jpg", UNUSABLE),
    "surreal: half of a surrogate pair": Rejected(
        "surreal",
        with_value("train/run0.json", [0, "name"], "\ud800.jpg"),
        {
            "train/run0.json[0]": "name: Input should be a valid string, "
            "unable to parse raw data as a unicode string"
        },
    ),
    "surreal: of two lines": surreal_named("a\nb.jpg", ABSENT),
    "surreal: of 5000 letters": surreal_named("a" * 5000, UNUSABLE),
    "surreal: twice": surreal_named("train_1.jpg", "sample id train/run0/train_1.jpg is used twice"),
    "coco: absolute": coco_named("/etc/hostname", ABSOLUTE),
    "coco: an annotation file": coco_named("../people.json", LEAVES),
    "coco: absent": coco_named("b.jpg", ABSENT),
    "human36m: a label file": human36m_named("../annotations/Human36M_subject1_data.json", LEAVES),
    "human36m: in another case": human36m_named("S_01/000000.jpg", ABSENT),
    "h3d: out of the root and back": h3d_named("../../in/H3D_crop/../../x.jpg", LEAVES),
    "h3d: in the home folder": h3d_named("~/x.jpg", ABSENT),
}

LINKS = {
    "coco": coco_named(
        "b.jpg", LEAVES, also=lambda root: (root / "images/b.jpg").symlink_to("../../outside")
    ),
    "folder": linked("folder", "0.jpg"),
    "freihand": linked("freihand", "training/rgb/00000003.jpg"),
    "h3d": linked("h3d", "H3D_crop/part1/3.jpg", "part1/3.jpg"),
    "human36m": linked("human36m", "images/s_01/000000.jpg"),
    "lsp": linked("lsp", "images/im0003.jpg"),
    "rhd": linked("rhd", "RHD_published_v2/training/color/00000.png", "training/anno_training.pickle[0]"),
    "surreal": linked("surreal", "train/run0/train_0.jpg"),
    "surreal_raw": linked(
        "surreal_raw", "train/run0/01_01/01_01_c0001_info.mat", "train/run0/01_01/01_01_c0001"
    ),
    "a link to itself": Rejected("folder", as_link("0.jpg", "0.jpg"), {"0.jpg": UNUSABLE}),
    "a link to nothing": Rejected("folder", as_link("0.jpg", "gone.jpg"), {"0.jpg": ABSENT}),
    "a link to a device": Rejected("folder", as_link("0.jpg", "/dev/zero"), {"0.jpg": LEAVES}),
    "a pipe": Rejected("folder", as_pipe("0.jpg"), {"0.jpg": ABSENT}),
}


@pytest.mark.parametrize("bad", NAMES.values(), ids=NAMES)
def test_a_bad_name_is_one_rejected_row(bad, tmp_path, capsys):
    bad.assert_refused(tmp_path, capsys)


@pytest.mark.parametrize("bad", LINKS.values(), ids=LINKS)
def test_a_link_out_of_the_root_is_one_rejected_row(bad, tmp_path, capsys):
    bad.assert_refused(tmp_path, capsys)


def test_every_reader_of_files_is_among_the_links():
    assert set(TINY_CORPORA) - {"figures"} <= set(LINKS)


# Names that are unusual, and good.

COMPOSED = unicodedata.normalize("NFC", "Señor Müller é.jpg")
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)
GOOD_NAMES = {
    "composed accents": COMPOSED,
    "decomposed accents": DECOMPOSED,
    "spaces": "a b.jpg",
    "more spaces": " a  b .jpg",
    "a space that does not break": "9.41\u202fAM.jpg",
    "emoji": "\N{DANCER}\N{ZERO WIDTH JOINER}\N{MALE SIGN}.jpg",
    "Chinese": "\u59ff\u52bf.jpg",
    "right to left": "\u05e9\u05dc\u05d5\u05dd.jpg",
    "a minus": "-rf.jpg",
    "quotes and signs": "%d{}'\"#&;$(x)\\.jpg",
    "dots": "a..b...jpg",
    "200 letters": "x" * 200 + ".jpg",
}


@pytest.mark.parametrize("name", GOOD_NAMES.values(), ids=GOOD_NAMES)
def test_a_photo_of_any_name_is_stored_under_it(tmp_path, name):
    settings = write_folder(tmp_path / "in")
    (tmp_path / "in/0.jpg").rename(tmp_path / "in" / name)
    samples, rejected = run_ingest(settings, tmp_path / "out")
    assert (len(samples), rejected.num_rows) == (6, 0)
    assert name in samples.column("sample_id").to_pylist()


@pytest.mark.parametrize("name", GOOD_NAMES.values(), ids=GOOD_NAMES)
def test_a_label_of_any_name_finds_its_picture(tmp_path, name):
    settings = write_surreal(tmp_path / "in")
    (tmp_path / "in/train/run0/train_0.jpg").rename(tmp_path / "in/train/run0" / name)
    with_value("train/run0.json", [0], surreal_entry(name))(tmp_path / "in")
    samples, rejected = run_ingest(settings, tmp_path / "out")
    assert (len(samples), rejected.num_rows) == (4, 0)
    assert f"train/run0/{name}" in samples.column("sample_id").to_pylist()


def test_names_that_look_alike_are_different_photos(tmp_path):
    settings = write_folder(tmp_path / "in")
    alike = [COMPOSED, DECOMPOSED, "a b.jpg", "a  b.jpg", "a\u00a0b.jpg", "A b.jpg"]
    for number, name in enumerate(alike):
        (tmp_path / f"in/{number}.jpg").rename(tmp_path / "in" / name)
    samples, rejected = run_ingest(settings, tmp_path / "out")
    assert sorted(samples.column("sample_id").to_pylist()) == sorted(alike)
    assert rejected.num_rows == 0


def test_a_picture_of_coco_may_lie_in_a_folder_of_any_name(tmp_path):
    settings = write_coco(
        tmp_path / "in", coco_content([coco_person(1, COCO_KEYPOINTS)], file_name=f"{DECOMPOSED}/a.jpg")
    )
    (tmp_path / "in/images" / DECOMPOSED).mkdir()
    (tmp_path / "in/images/a.jpg").rename(tmp_path / "in/images" / DECOMPOSED / "a.jpg")
    samples, _ = run_ingest(settings, tmp_path / "out")
    assert samples.column("sample_id").to_pylist() == [
        f"{split}/{DECOMPOSED}/a.jpg/1" for split in ("train", "test")
    ]


@pytest.mark.parametrize(
    ("raw", "shown"),
    [(b"\xff0.jpg", "\\udcff0.jpg"), (b"a\nb.jpg", "a\\nb.jpg"), (b"\x1b[2J.jpg", "\\x1b[2J.jpg")],
    ids=["not UTF-8", "two lines", "a command to the terminal"],
)
def test_a_name_that_cannot_be_printed_is_kept_readable(tmp_path, raw, shown):
    settings = write_folder(tmp_path / "in")
    (tmp_path / "in/0.jpg").rename(tmp_path / "in" / os.fsdecode(raw))
    samples, _ = run_ingest(settings, tmp_path / "out")
    assert shown in samples.column("sample_id").to_pylist()


def test_a_name_that_is_anothers_readable_form_is_refused(tmp_path):
    settings = write_folder(tmp_path / "in")
    for number, name in enumerate(("a\nb.jpg", "a\\nb.jpg")):
        (tmp_path / f"in/{number}.jpg").rename(tmp_path / "in" / name)
    samples, rejected = run_ingest(settings, tmp_path / "out", allowed=0.5)
    assert len(samples) == 5
    assert rejected.to_pylist() == [{"path": "a\\nb.jpg", "reason": "sample id a\\nb.jpg is used twice"}]
