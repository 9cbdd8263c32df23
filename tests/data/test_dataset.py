import pickle

import cv2
import numpy as np
import pytest
import torch
from tiny_domains import SIDE, write_samples

from actupose.data.dataset import Domain, DomainImages, epoch_plan
from actupose.data.image_store import write_images
from actupose.errors import UserError
from actupose.skeleton import BODY16


def plain_picture(red: int) -> bytes:
    """All pixels (red, 5, 250)."""
    image = np.full((SIDE, SIDE, 3), (250, 5, red), np.uint8)  # cv2 writes blue first
    return cv2.imencode(".png", image)[1].tobytes()


@pytest.fixture
def folder(tmp_path):
    """Six rows; picture i is of red 10 i, its keypoint k lies at (i, k). Two splits, interleaved."""
    rows = [(f"s{i}", "train" if i % 3 else "test") for i in range(6)]
    keypoints = np.zeros((6, 16, 2), np.float32)
    keypoints[..., 0] = np.arange(6)[:, None]
    keypoints[..., 1] = np.arange(16)
    keypoints[2, 4] = np.nan
    visible = np.isfinite(keypoints).all(axis=2)
    visible[5, 0] = False
    write_samples(tmp_path, rows, keypoints, visible)
    write_images(tmp_path / "images.arrow", ((plain_picture(10 * i), SIDE, SIDE) for i in range(6)))
    return tmp_path


def reds(batch) -> list[int]:
    return batch.images[:, 0, 3, 7].tolist()


def training_images(folder) -> DomainImages:
    return Domain(folder, BODY16).images("train")


def test_a_split_holds_its_images_in_the_order_of_the_table(folder):
    images = training_images(folder)
    assert images.sample_ids == ["s1", "s2", "s4", "s5"]
    (batch,) = images.batches(torch.arange(len(images)).split(8), workers=0)
    assert batch.images.shape == (4, 3, SIDE, SIDE) and batch.images.dtype == torch.uint8
    assert reds(batch) == [10, 20, 40, 50]
    assert batch.images[0, :, 0, 0].tolist() == [10, 5, 250]
    assert batch.index.tolist() == [0, 1, 2, 3]


def test_labels_stand_in_the_order_of_the_images(folder):
    labels = Domain(folder, BODY16).labels("train")
    assert labels.keypoints.shape == (4, 16, 2) and labels.keypoints.dtype == torch.float32
    assert labels.keypoints[:, 0, 0].tolist() == [1, 2, 4, 5]
    assert labels.keypoints[3, :, 1].tolist() == list(range(16))
    assert labels.keypoints[1, 4].isnan().all()
    assert labels.visible.sum(dim=1).tolist() == [16, 15, 16, 15]
    assert not labels.visible[1, 4] and not labels.visible[3, 0]


def test_only_the_named_samples_are_kept_and_in_the_order_of_the_table(folder):
    opened = Domain(folder, BODY16)
    images = opened.images("train", ["s5", "s2", "s0"])
    labels = opened.labels("train", ["s5", "s2", "s0"])
    assert images.sample_ids == ["s2", "s5"]
    assert labels.keypoints[:, 0, 0].tolist() == [2, 5]


def test_a_sample_is_found_by_name(folder):
    assert Domain(folder, BODY16).image("s4")[0, 0].tolist() == [40, 5, 250]


def test_a_domain_opened_without_labels_has_none(folder):
    opened = Domain(folder, BODY16, labels=False)
    assert opened.sample_ids("train") == opened.images("train").sample_ids == ["s1", "s2", "s4", "s5"]
    with pytest.raises(KeyError, match="keypoints"):
        opened.labels("train")


def relabel(folder) -> None:
    rows = [(f"s{i}", "train" if i % 3 else "test") for i in range(6)]
    write_samples(folder, rows, np.full((6, 16, 2), 7, np.float32), np.ones((6, 16), bool))


def test_labels_count_in_the_digest_of_a_domain_that_was_opened_with_them(folder):
    def digests():
        return [Domain(folder, BODY16, labels=labels).digest() for labels in (False, True)]

    before = digests()
    assert digests() == before
    relabel(folder)
    assert [a == b for a, b in zip(digests(), before, strict=True)] == [True, False]


def test_the_table_and_the_store_are_opened_once_for_all_splits(folder):
    opened = Domain(folder, BODY16)
    train = opened.images("train")
    for name in ("samples.parquet", "images.arrow"):
        (folder / name).unlink()  # who has it open may go on
    assert opened.labels("test").keypoints[:, 0, 0].tolist() == [0, 3]
    assert [reds(images.__getitems__([0])) for images in (train, opened.images("test"))] == [[10], [0]]


def test_batches_follow_the_plan_row_by_row(folder):
    images = training_images(folder)
    plan = torch.tensor([[3, 0], [1, 1]])
    batches = list(images.batches(plan, workers=0))
    assert [reds(batch) for batch in batches] == [[50, 10], [20, 20]]
    assert [batch.index.tolist() for batch in batches] == plan.tolist()


def test_the_last_batch_of_a_plan_may_be_smaller(folder):
    images = training_images(folder)
    batches = list(images.batches(torch.arange(len(images)).split(3), workers=0))
    assert [batch.index.tolist() for batch in batches] == [[0, 1, 2], [3]]


def test_no_batches_are_no_batches(folder):
    assert list(training_images(folder).batches(torch.zeros(0, 2).long(), workers=0)) == []


def test_a_worker_process_decodes_the_same(folder):
    images = training_images(folder)
    plan = torch.tensor([[2, 1], [0, 3]])
    here, there = (list(images.batches(plan, workers)) for workers in (0, 1))
    assert all(torch.equal(a.images, b.images) for a, b in zip(here, there, strict=True))
    assert all(torch.equal(a.index, b.index) for a, b in zip(here, there, strict=True))


def test_a_pickled_copy_reads_the_same_file(folder):
    copy = pickle.loads(pickle.dumps(training_images(folder)))
    assert reds(copy.__getitems__([2])) == [40]


def test_an_empty_split_is_a_users_mistake(folder):
    with pytest.raises(UserError, match=r"samples\.parquet: split 'val' holds no sample"):
        Domain(folder, BODY16).images("val")
    assert not Domain(folder, BODY16).holds("val")
    assert len(Domain(folder, BODY16).labels("val").visible) == 0


def test_a_missing_store_or_table_names_itself(folder):
    (folder / "images.arrow").unlink()
    with pytest.raises(UserError, match=r"images\.arrow: no such image store"):
        training_images(folder)
    (folder / "samples.parquet").unlink()
    with pytest.raises(UserError, match=r"samples\.parquet: no such table"):
        training_images(folder)


def test_an_epochs_plan_takes_everyone_once_before_anyone_twice():
    pool = torch.tensor([3, 5, 8, 9, 11])
    plan = epoch_plan(pool, (3, 4), seed=0, stream="x", epoch=0).flatten()
    assert plan.shape == (12,)
    assert sorted(plan[:5].tolist()) == sorted(plan[5:10].tolist()) == pool.tolist()
    assert len(set(plan[10:].tolist())) == 2
    assert plan[:5].tolist() != plan[5:10].tolist()


def test_a_plan_longer_than_it_needs_to_be_is_cut():
    pool = torch.arange(100)
    plan = epoch_plan(pool, (2, 3), seed=0, stream="x", epoch=0)
    assert plan.shape == (2, 3)
    assert len(set(plan.flatten().tolist())) == 6


def test_a_plan_depends_on_seed_stream_and_epoch_alone():
    pool = torch.arange(50)
    torch.manual_seed(1)
    first = epoch_plan(pool, (5, 10), 0, "x", 0)
    torch.manual_seed(2)
    assert torch.equal(epoch_plan(pool, (5, 10), 0, "x", 0), first)
    others = [epoch_plan(pool, (5, 10), *use) for use in ((1, "x", 0), (0, "y", 0), (0, "x", 1))]
    assert not any(torch.equal(other, first) for other in others)
