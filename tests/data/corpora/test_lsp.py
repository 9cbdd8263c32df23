"""Leeds Sports Pose, on a file of its shape whose 2000 photos are one."""

from collections import Counter

from tiny_corpora import write_lsp

from actupose.data.corpora.lsp import index_lsp
from actupose.skeleton import BODY16


def outcomes(root, split):
    settings = write_lsp(root).model_copy(update={"split": split})
    return list(index_lsp(settings, BODY16))


def test_the_official_split_is_half_and_half(tmp_path):
    found = outcomes(tmp_path, "official")
    assert [one.origin for one in (found[0], found[-1])] == ["images/im0001.jpg", "images/im2000.jpg"]
    assert len(found) == 2000


def test_development_looks_at_no_official_test_photo(tmp_path):
    found = outcomes(tmp_path, "development")
    assert [one.origin for one in (found[0], found[-1])] == ["images/im0001.jpg", "images/im1000.jpg"]
    assert len(found) == 1000


def test_development_tests_on_the_last_300_training_photos(tmp_path):
    records = outcomes(tmp_path, "development")
    assert Counter(split for record in records for split in record.ids) == {"train": 700, "test": 300}
    assert records[700].ids == {"test": "test/im0701"}
