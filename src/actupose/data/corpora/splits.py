"""Random splits of corpora that come without one, as TLlib draws them (with seed 42)."""

import random

MAX_TEST = 3200


def draw_test(count: int, seed: int, at_most: int = MAX_TEST) -> frozenset[int]:
    """Positions of the test samples among ``count``: a fifth of them, but not more than ``at_most``."""
    order = list(range(count))
    random.Random(seed).shuffle(order)
    return frozenset(order[: min(count // 5, at_most)])


def draw_again(count: int, seed: int, draws: int = MAX_TEST) -> list[int]:
    """``draws`` positions among ``count``, drawn with replacement."""
    return random.Random(seed).choices(range(count), k=draws) if count else []
