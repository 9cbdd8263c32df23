"""Randomness as a function of seed, stream and step."""

import torch

from actupose.core import rng


def test_the_same_use_gets_the_same_numbers_and_every_other_use_different_ones():
    uses = [(0, "order", 0), (1, "order", 0), (0, "coin", 0), (0, "order", 1)]
    draws = [torch.rand(4, generator=rng.generator(*use)) for use in uses]
    assert torch.equal(draws[0], torch.rand(4, generator=rng.generator(*uses[0])))
    assert len({tuple(draw.tolist()) for draw in draws}) == 4


def test_seeds_are_the_same_on_every_machine_and_fit_63_bits():
    # First eight bytes of sha256("0/order/0"), little-endian, halved: worked out with sha256sum.
    assert rng.derive_seed(0, "order", 0) == int.from_bytes(bytes.fromhex("6dcae06b2febca6e"), "little") // 2
    assert all(0 <= rng.derive_seed(seed, "x") < 2**63 for seed in range(100))


def test_numpy_draws_repeat_too():
    assert rng.numpy_generator(3, "files", 2).random() == rng.numpy_generator(3, "files", 2).random()
    assert rng.numpy_generator(3, "files", 2).random() != rng.numpy_generator(3, "files", 3).random()
