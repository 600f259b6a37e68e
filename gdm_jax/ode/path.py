"""The path of alpha as a solve walks it: straight pieces between the interval ends of all groups  (Eq. 10).

The ends cut [0, 1] into pieces, within each of which alpha moves along a straight line. Pauses, in which nothing moves,
are left out. Some groups may be held still: finished ones at alpha = 1, waiting ones at alpha = 0. What remains of the
path then is the generation of the other groups given the finished ones (conditional generation), or of a prefix alone.

A path is made from a schedule of plain numbers. Its arrays may be traced afterwards, so that a compiled function which
takes a path serves every schedule with as many pieces.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jax.core import Tracer
from jaxtyping import Bool, Float, Int

from gdm_jax.process.arrays import AnyArray, Integers
from gdm_jax.process.groups import check_groups
from gdm_jax.process.schedule import Schedule, linear_fall

__all__ = ["MOST_STEPS", "Path", "Steps", "along", "of"]

MOST_STEPS = 10**6
Steps = int | np.integer | Integers | None  # a total, or one number for each group; None adapts them


class Path(NamedTuple):
    """Straight pieces in the order in which they are walked, by `of` from data to noise.

    Attributes:
      alpha_start: alpha where the walk enters each piece.
      alpha_end: alpha where it leaves the piece.
      visible: 1 for the groups whose generation has begun once generation is within the piece.
      t_start: Time at which the walk enters each piece.
      t_end: Time at which it leaves the piece.
      steps: Number of equal steps in each piece, or None where the steps adapt.
    """

    alpha_start: Float[AnyArray, "pieces k"]
    alpha_end: Float[AnyArray, "pieces k"]
    visible: Float[AnyArray, "pieces k"]
    t_start: Float[AnyArray, " pieces"]
    t_end: Float[AnyArray, " pieces"]
    steps: Int[AnyArray, " pieces"] | None

    @property
    def k(self) -> int:
        """Number of groups."""
        return self.alpha_start.shape[-1]

    @property
    def moving(self) -> Bool[AnyArray, "*pieces k"]:
        """The groups that move in each piece."""
        return self.alpha_start != self.alpha_end

    def reversed(self) -> Path:
        """The same pieces walked the other way, from noise to data."""
        start, end, visible, t_start, t_end = (leaf[::-1] for leaf in self[:5])
        return Path(end, start, visible, t_end, t_start, None if self.steps is None else self.steps[::-1])

    def frame_times(self, frames: int) -> Float[AnyArray, "pieces frames"]:
        """Times that part each piece evenly; the last one is its end."""
        return self.t_start[:, None] + np.linspace(0, 1, frames + 1)[1:] * (self.t_end - self.t_start)[:, None]


def of(
    schedule: Schedule,
    *,
    steps: Steps = None,
    done: Integers = (),
    waiting: Integers = (),
) -> Path:
    """The path of a schedule, from data to noise.

    Args:
      schedule: One schedule for the whole batch, with concrete intervals.
      steps: Total number of steps over the whole schedule, shared out by the length of the pieces with at least one
        step a piece; or one number a group, N_j, where one group moves at a time; or None to adapt the steps. `steps`
        always counts the whole schedule, even when some groups are held.
      done: Groups held at alpha = 1.
      waiting: Groups held at alpha = 0.

    Raises:
      ValueError: for a traced schedule or one schedule an example, for steps that do not fit, or for groups out of
        range.
    """
    if isinstance(schedule.t_start, Tracer):
        raise ValueError(
            "path: the schedule is traced, so its pieces are not known; make it of plain numbers, in the function that "
            "jax.jit compiles or outside of it, or pass a Path instead"
        )
    start, end = np.asarray(schedule.t_start), np.asarray(schedule.t_end)
    if start.ndim != 1:
        raise ValueError(f"path: expected one schedule for the batch, [k], got intervals of shape {start.shape}")
    edges = np.unique(np.concatenate([start, end]))
    low, high = edges[:-1, None], edges[1:, None]
    begun = schedule.visible(low[:, 0]).astype(np.float32)
    alpha_low, alpha_high = (linear_fall(t, start, end) for t in (low, high))
    pieces = Path(alpha_low, alpha_high, begun, low[:, 0], high[:, 0], None)
    pieces = _only(pieces, pieces.moving.any(1))
    pieces = pieces._replace(steps=None if steps is None else _share(steps, schedule.k, pieces))
    for groups, value in ((done, 1.0), (waiting, 0.0)):
        for leaf in pieces[:3]:
            leaf[:, check_groups(groups, schedule.k)] = value
    return _only(pieces, pieces.moving.any(1))


def along(
    way: Schedule | Path,
    *,
    steps: Steps = None,
    done: Integers = (),
    waiting: Integers = (),
) -> Path:
    """A path as it is, or that of a schedule; arguments and errors are those of `of`.

    Raises:
      ValueError: also if steps, done or waiting are given beside a path, which has its own.
    """
    if not isinstance(way, Path):
        return of(way, steps=steps, done=done, waiting=waiting)
    if steps is not None or len(done) or len(waiting):
        raise ValueError("path: has its own steps, done and waiting; leave them out where you pass a Path")
    return way


def _only(path: Path, chosen) -> Path:
    start, end, visible, t_start, t_end = (leaf[chosen] for leaf in path[:5])
    return Path(start, end, visible, t_start, t_end, None if path.steps is None else path.steps[chosen])


def _share(steps, k: int, pieces: Path) -> np.ndarray:
    """Steps of each piece: a total shared out in proportion to length, at least one each, or one number a group."""
    count = len(pieces.t_start)
    if not np.issubdtype(np.asarray(steps).dtype, np.integer):
        raise ValueError(f"steps: must be whole numbers, a total or one a group, got {steps!r}")
    if np.max(steps, initial=0) > MOST_STEPS:
        raise ValueError(f"steps: must be at most {MOST_STEPS:,}, got {steps!r}")
    if np.ndim(steps) == 0:
        if steps < count:
            raise ValueError(f"steps: must be at least one for each piece of the path, {count} here, got {steps}")
        length = pieces.t_end - pieces.t_start
        ideal = int(steps) * length / length.sum()
        shares = np.maximum(np.floor(ideal + 1e-4), 1).astype(np.int32)
        while shares.sum() != steps:  # round where it costs least
            change = int(np.sign(steps - shares.sum()))
            shares[np.argmax(np.where(shares + change >= 1, change * (ideal - shares), -np.inf))] += change
        return shares
    steps, moving = np.asarray(steps, np.int32), pieces.moving
    if (moving.sum(1) > 1).any() or count != k:
        raise ValueError("steps: one number for each group needs groups that move one at a time; pass a total")
    if steps.shape != (k,) or (steps < 1).any():
        raise ValueError(f"steps: must be a total or {k} positive numbers, one per group, got {steps}")
    return steps[moving.argmax(1)]
