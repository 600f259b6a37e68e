"""Search for the numbers of steps N_j that use a fixed budget of network calls best  (Table 2, A.3).

Groups that follow one another walk one path of alpha whatever their intervals are, so with equal steps in t, intervals
and steps a group say the same thing: a group's interval is N_j / N of the whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gdm_jax.process.arrays import Integers, Numbers

__all__ = ["Found", "boundaries", "share_steps"]


class Found(NamedTuple):
    """What a search ended with.

    Attributes:
      steps: Best N_j.
      value: Value of the objective there.
      tried: Value of the objective at every N_j that was tried.
    """

    steps: tuple[int, ...]
    value: float
    tried: dict[tuple[int, ...], float]


def share_steps(
    objective: Callable[[tuple[int, ...]], float],
    start: Integers,
    *,
    most: int = 200,
    note: Callable[[tuple[int, ...], float, float], None] | None = None,
) -> Found:
    """The shares N_j of a budget that make an objective least, by a pattern search from `start`.

    Steps are moved from one group to another: the best of all moves of a stride is taken until none helps, then the
    stride is halved, from a quarter of the largest share down to one. Unless `most` cuts it short, the end is a local
    minimum: no single step moved makes it better.

    Args:
      objective: Function of N_j, a tuple of k positive whole numbers. It is asked once for each.
      start: N_j to begin with. Their sum is the budget.
      most: Most times to ask.
      note: Function called with (N_j, value, best value) after each.

    Raises:
      ValueError: if start is not whole numbers of at least 1.

    >>> share_steps(lambda n: 4 / n[0] + 1 / n[1], (6, 6)).steps
    (8, 4)
    """
    best = tuple(int(n) for n in start)
    if not best or min(best) < 1 or best != tuple(start):
        raise ValueError(f"search: steps to start with must be whole numbers of at least 1, got {start}")
    tried: dict[tuple[int, ...], float] = {}

    def ask(steps: tuple[int, ...]) -> float:
        if steps not in tried and len(tried) < most:
            tried[steps] = float(objective(steps))
            if note is not None:
                note(steps, tried[steps], min(tried.values()))
        return tried.get(steps, np.inf)

    ask(best)
    stride = max(1, max(best) // 4)
    while stride and len(tried) < most:
        moves = []
        for giver in range(len(best)):
            for taker in range(len(best)):
                if giver != taker and best[giver] > stride:
                    steps = list(best)
                    steps[giver] -= stride
                    steps[taker] += stride
                    moves.append(tuple(steps))
        chosen = min(moves, key=ask, default=best)
        if ask(chosen) < ask(best):
            best = chosen
        else:
            stride //= 2
    best = min(tried, key=tried.__getitem__)
    return Found(best, tried[best], tried)


def boundaries(steps: Integers, t_start: Numbers) -> tuple[float, ...]:
    """The rising times where intervals of lengths proportional to N_j meet.

    Args:
      steps: Number of steps of each group, N_j.
      t_start: Start of each group's interval in the schedule, by which the groups are ordered.

    >>> boundaries((4, 2, 2), [0.66, 0.33, 0.0])
    (0.25, 0.5)
    """
    ordered = np.asarray(steps)[np.argsort(t_start)]
    return tuple((np.cumsum(ordered)[:-1] / ordered.sum()).tolist())
