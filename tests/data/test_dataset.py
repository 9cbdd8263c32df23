import pickle

import cv2
import numpy as np
import pytest
import torch
from tiny_domains import SIDE, write_samples

from actupose.data.dataset import DomainImages, epoch_plan, read_labels
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


def test_a_split_holds_its_images_in_the_order_of_the_table(folder):
    images = DomainImages(folder, "train", BODY16)
    assert images.sample_ids == ["s1", "s2", "s4", "s5"]
    (batch,) = images.batches(torch.arange(len(images)).split(8), workers=0)
    assert batch.images.shape == (4, 3, SIDE, SIDE) and batch.images.dtype == torch.uint8
    assert reds(batch) == [10, 20, 40, 50]
    assert batch.images[0, :, 0, 0].tolist() == [10, 5, 250]
    assert batch.index.tolist() == [0, 1, 2, 3]


def test_labels_stand_in_the_order_of_the_images(folder):
    labels = read_labels(folder, "train", BODY16)
    assert labels.keypoints.shape == (4, 16, 2) and labels.keypoints.dtype == torch.float32
    assert labels.keypoints[:, 0, 0].tolist() == [1, 2, 4, 5]
    assert labels.keypoints[3, :, 1].tolist() == list(range(16))
    assert labels.keypoints[1, 4].isnan().all()
    assert labels.visible.sum(dim=1).tolist() == [16, 15, 16, 15]
    assert not labels.visible[1, 4] and not labels.visible[3, 0]


def test_only_the_named_samples_are_kept_and_in_the_order_of_the_table(folder):
    images = DomainImages(folder, "train", BODY16, ["s5", "s2", "s0"])
    labels = read_labels(folder, "train", BODY16, ["s5", "s2", "s0"])
    assert images.sample_ids == ["s2", "s5"]
    assert labels.keypoints[:, 0, 0].tolist() == [2, 5]


def test_batches_follow_the_plan_row_by_row(folder):
    images = DomainImages(folder, "train", BODY16)
    plan = torch.tensor([[3, 0], [1, 1]])
    batches = list(images.batches(plan, workers=0))
    assert [reds(batch) for batch in batches] == [[50, 10], [20, 20]]
    assert [batch.index.tolist() for batch in batches] == plan.tolist()


def test_the_last_batch_of_a_plan_may_be_smaller(folder):
    images = DomainImages(folder, "train", BODY16)
    batches = list(images.batches(torch.arange(len(images)).split(3), workers=0))
    assert [batch.index.tolist() for batch in batches] == [[0, 1, 2], [3]]


def test_no_batches_are_no_batches(folder):
    assert list(DomainImages(folder, "train", BODY16).batches(torch.zeros(0, 2).long(), workers=0)) == []


def test_a_worker_process_decodes_the_same(folder):
    images = DomainImages(folder, "train", BODY16)
    plan = torch.tensor([[2, 1], [0, 3]])
    here, there = (list(images.batches(plan, workers)) for workers in (0, 1))
    assert all(torch.equal(a.images, b.images) for a, b in zip(here, there, strict=True))
    assert all(torch.equal(a.index, b.index) for a, b in zip(here, there, strict=True))


def test_a_pickled_copy_reads_the_same_file(folder):
    copy = pickle.loads(pickle.dumps(DomainImages(folder, "train", BODY16)))
    assert reds(copy.__getitems__([2])) == [40]


def test_an_empty_split_is_a_users_mistake(folder):
    with pytest.raises(UserError, match=r"samples\.parquet: split 'val' holds no sample"):
        DomainImages(folder, "val", BODY16)
    assert len(read_labels(folder, "val", BODY16).visible) == 0


def test_a_missing_store_or_table_names_itself(folder):
    (folder / "images.arrow").unlink()
    with pytest.raises(UserError, match=r"images\.arrow: no such image store"):
        DomainImages(folder, "train", BODY16)
    (folder / "samples.parquet").unlink()
    with pytest.raises(UserError, match=r"samples\.parquet: no such table"):
        DomainImages(folder, "train", BODY16)


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
