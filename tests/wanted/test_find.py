"""Poses that the source lacks, on a source and photos made by hand (lacking_source)."""

import numpy as np
import pytest
import torch
from lacking_source import SHAPES, UPRIGHT, LackingSource

from actupose.errors import UserError
from actupose.skeleton import BODY16
from actupose.tables import WANTED_BINS, keypoint_values, table_metadata, wanted_schema
from actupose.wanted import find
from actupose.wanted.find import Search, find_wanted


@pytest.fixture
def project(tmp_path) -> LackingSource:
    return LackingSource(tmp_path)


def wanted(project: LackingSource, **search) -> find.Wanted:
    return find_wanted(project.inputs(), BODY16, Search(**search))


def test_the_pose_that_the_source_lacks_is_found_with_its_photos_and_nearest_source_poses(project):
    table = wanted(project).poses
    assert table.schema.equals(wanted_schema(16), check_metadata=False)
    (row,) = table.to_pylist()
    # Three of five sure photos, none of the source; of those who stand the source has more than enough.
    assert (row["rank"], row["target_count"]) == (0, 3)
    shares = [row["target_share"], row["source_share"], row["deficit"]]
    assert shares == pytest.approx([0.6, 0, 0.6])
    assert row["sample_ids"] == ["p6", "p5", "p3"]
    assert {*row["source_ids"][:2]} == {"s8", "s9"}  # across (0), then opposite (-1)
    assert len(row["source_ids"]) == 3
    assert row["score"] == pytest.approx(project.score("upside down"), rel=1e-5)
    assert table_metadata(table) == {"skeleton": "body16", "alike": "0.9"}


def test_its_pose_is_centred_and_of_size_one(project):
    (pose,) = keypoint_values(wanted(project).poses, "pose")
    np.testing.assert_allclose(pose.mean(0), 0, atol=1e-6)
    assert np.square(pose).sum(1).mean() == pytest.approx(1)
    np.testing.assert_allclose(pose / pose[0, 1], -UPRIGHT / -UPRIGHT[0, 1], atol=1e-5)


def test_the_sources_bins_are_counted_on_the_photos_that_the_model_is_surest_of(project):
    table = wanted(project).bins
    assert table.schema.equals(WANTED_BINS, check_metadata=False)
    counts = {"stands": (2, ["p7", "p4"]), "upside down": (3, ["p6", "p5", "p3"])}
    easy, hard = sorted(counts, key=project.score)
    found = list(
        zip(*(table.column(name).to_pylist() for name in ("target_count", "sample_ids")), strict=True)
    )
    assert found == [counts[easy], (0, []), counts[hard]]  # beyond the hardest is in the last
    shares = np.array([counts[easy][0], 0, counts[hard][0]]) / 5
    source = np.array([0.4, 0.3, 0.3])  # ten poses in three bins
    assert table.column("source_share").to_pylist() == pytest.approx(source.tolist())
    assert table.column("target_share").to_pylist() == pytest.approx(shares.tolist())
    assert table.column("deficit").to_pylist() == pytest.approx((shares - source).tolist())
    (row,) = wanted(project).poses.to_pylist()
    assert row["bin"] == (2 if hard == "upside down" else 0)


def test_where_nothing_lacks_there_is_no_pose_but_the_bins_are_counted(project):
    project.write_source([SHAPES["upside down"]] * 6 + [SHAPES["stands"]] * 4)
    found = wanted(project)
    assert found.poses.schema.equals(wanted_schema(16), check_metadata=False)
    assert len(found.poses) == 0 and len(found.bins) == 3


def test_no_more_poses_than_asked_for_the_most_lacking_first(project):
    project.write_source([SHAPES["lies"]] * 10)
    every = wanted(project).poses
    assert every.column("deficit").to_pylist() == pytest.approx([0.6, 0.4])
    assert wanted(project, count=1).poses.to_pylist() == every.slice(0, 1).to_pylist()


def test_the_limit_says_what_is_alike(project):
    bent = UPRIGHT.copy()
    bent[15] = bent[14] + [0, -4]  # the left forearm up instead of down: one bone of fifteen
    project.write_predictions([bent] * 8)
    cosine = float(
        torch.cosine_similarity(*torch.tensor([(UPRIGHT[15] - UPRIGHT[14]).tolist(), [0, -4]]), dim=0)
    )
    limit = (14 + cosine) / 15
    assert wanted(project, alike=limit - 1e-4).poses.column("source_share").to_pylist() == pytest.approx(
        [0.8]
    )
    assert wanted(project, alike=limit + 1e-4).poses.column("source_share").to_pylist() == [0]


def test_a_pose_in_one_place_is_wanted_of_nobody(project):
    project.write_predictions([np.zeros((16, 2))] * 8)
    found = wanted(project)
    assert len(found.poses) == 0
    assert sum(found.bins.column("target_count").to_pylist()) == 5


def test_many_photos_are_thinned_out_evenly(project, monkeypatch):
    monkeypatch.setattr(find, "MAX_POSES", 3)
    (row,) = wanted(project).poses.to_pylist()
    # of p7, p6, p5, p4, p3 the first, the middle and the last
    assert row["sample_ids"] == ["p5", "p3"] and row["target_share"] == pytest.approx(2 / 3)
    assert sum(wanted(project).bins.column("target_count").to_pylist()) == 5


def test_predictions_without_the_training_photos_are_a_users_mistake(project):
    project.write_predictions([SHAPES["stands"]] * 8, split="test")
    with pytest.raises(UserError, match=r"not of the images in split 'train' of the target; .*dvc repro"):
        wanted(project)


@pytest.mark.parametrize(
    ("search", "told"),
    [
        ({"count": 0}, "--count 0: a whole"),
        ({"alike": 1.0}, "--alike 1: a mean"),
        ({"alike": -0.1}, "--alike -0.1"),
    ],
)
def test_a_search_for_nothing_is_a_users_mistake(search, told):
    with pytest.raises(UserError, match=told):
        Search(**search)
