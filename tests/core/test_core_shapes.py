"""Signatures tell shapes, and the tests hold every call to them (checked_shapes)."""

import jaxtyping
import pytest
import torch

from actupose.core import affine, losses, metrics

POSES, VISIBLE = torch.rand(2, 3, 2), torch.ones(2, 3, dtype=torch.bool)


def test_one_matrix_moves_a_whole_batch():
    assert torch.equal(affine.transform_points(POSES, torch.eye(3)[None]), POSES)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda: affine.transform_points(POSES, torch.eye(2)[None]), id="no affine matrix"),
        pytest.param(lambda: metrics.pck(POSES, POSES, VISIBLE[:1], 64), id="another number of samples"),
        pytest.param(lambda: metrics.pck(POSES, POSES, VISIBLE.float(), 64), id="no booleans"),
        pytest.param(lambda: losses.masked_mean(VISIBLE.float(), VISIBLE[:, :1]), id="broadcast in silence"),
    ],
)
def test_a_wrong_shape_is_refused(call):
    with pytest.raises(jaxtyping.TypeCheckError):
        call()


def test_a_wrong_result_is_refused(monkeypatch):
    monkeypatch.setattr(metrics, "_is_near", lambda *_: VISIBLE[:, :2, None])
    with pytest.raises(jaxtyping.TypeCheckError, match="return value"):
        metrics.pck(POSES, POSES, VISIBLE, 64)
