"""The path of alpha as a solve walks it: straight pieces between the interval ends of all groups.

The ends cut [0, 1] into pieces, within each of which alpha moves along a straight line. Pauses, in which nothing moves,
are left out. Some groups may be held still: finished ones at alpha = 1, waiting ones at alpha = 0. What remains of the
path then is the generation of the rest given the finished (conditional generation), or of a prefix alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from gdm_jax.process.groups import check_groups
from gdm_jax.process.schedule import Schedule

MOST_STEPS = 10**6


class Path(NamedTuple):
    """Straight pieces in the order in which they are walked.

    Attributes:
      alpha_start, alpha_end: float32 `[pieces, k]`, alpha where the walk enters and leaves the piece.
      visible: float32 `[pieces, k]`, 1 for groups whose generation has begun once generation is within the piece.
      t_start, t_end: `[pieces]`, likewise; falling for generation.
      steps: int32 `[pieces]`, equal steps to take in each, or None where they adapt.
    """

    alpha_start: Any
    alpha_end: Any
    visible: Any
    t_start: Any
    t_end: Any
    steps: Any

    @property
    def moving(self) -> Any:
        """bool `[pieces, k]`, the groups that move."""
        return self.alpha_start != self.alpha_end

    def frame_times(self, frames: int) -> np.ndarray:
        """`[pieces, frames]` times that part each piece evenly, the last its end."""
        return self.t_start[:, None] + np.linspace(0, 1, frames + 1)[1:] * (self.t_end - self.t_start)[:, None]


def of(schedule: Schedule, *, steps=None, forward: bool, done: Sequence[int] = (), waiting: Sequence[int] = ()) -> Path:
    """The path of a schedule.

    Args:
      schedule: one for the whole batch, with concrete intervals.
      steps: over the whole schedule, shared out by length, at least one a piece; or one number a group, N_j, where
        one group moves at a time; or None to adapt. Holding groups still leaves the steps of the others as they are.
      forward: from data to noise.
      done: groups held at alpha = 1 throughout.
      waiting: groups held at alpha = 0 throughout.

    Raises:
      ValueError: for a traced schedule or one an example, steps that do not fit, or groups out of range.
    """
    if isinstance(schedule.t_start, jax.core.Tracer):
        raise ValueError(
            "path: the schedule is traced, so its pieces are not known; make it of plain numbers, in the function that "
            "jax.jit compiles or outside of it, instead of passing it as an argument"
        )
    start, end = np.asarray(schedule.t_start), np.asarray(schedule.t_end)
    if start.ndim != 1:
        raise ValueError(f"path: expected one schedule for the batch, [k], got intervals of shape {start.shape}")
    edges = np.unique(np.concatenate([start, end]))
    low, high = edges[:-1, None], edges[1:, None]

    def alpha(t):
        return np.clip((end - t) / (end - start), 0, 1, dtype=np.float32)

    pieces = Path(alpha(low), alpha(high), (end > low).astype(np.float32), low[:, 0], high[:, 0], None)
    pieces = _only(pieces, pieces.moving.any(1))
    pieces = pieces._replace(steps=None if steps is None else _share(steps, schedule.k, pieces))
    for groups, value in ((done, 1.0), (waiting, 0.0)):
        for leaf in pieces[:3]:
            leaf[:, check_groups(groups, schedule.k)] = value
    pieces = _only(pieces, pieces.moving.any(1))
    if forward:
        return pieces
    back = Path(*(None if leaf is None else leaf[::-1] for leaf in pieces))
    return back._replace(alpha_start=back.alpha_end, alpha_end=back.alpha_start, t_start=back.t_end, t_end=back.t_start)


def _only(path: Path, chosen) -> Path:
    return Path(*(None if leaf is None else leaf[chosen] for leaf in path))


def _share(steps, k: int, pieces: Path) -> np.ndarray:
    """Steps of each piece: a total shared out in proportion to length, at least one each, or one number per group."""
    count = len(pieces.t_start)
    if not np.issubdtype(np.asarray(steps).dtype, np.integer):
        raise ValueError(f"ode: steps must be whole numbers, a total or one a group, got {steps!r}")
    if np.max(steps, initial=0) > MOST_STEPS:
        raise ValueError(f"ode: steps must be at most {MOST_STEPS:,}, got {steps!r}")
    if np.ndim(steps) == 0:
        if steps < count:
            raise ValueError(f"ode: steps must be at least one per segment, {count} here, got {steps}")
        length = pieces.t_end - pieces.t_start
        ideal = int(steps) * length / length.sum()
        shares = np.maximum(np.floor(ideal + 1e-4), 1).astype(np.int32)
        while shares.sum() != steps:  # round where it costs least
            change = int(np.sign(steps - shares.sum()))
            shares[np.argmax(np.where(shares + change >= 1, change * (ideal - shares), -np.inf))] += change
        return shares
    steps, moving = np.asarray(steps, np.int32), pieces.moving
    if (moving.sum(1) > 1).any() or count != k:
        raise ValueError("ode: steps per group need groups that move one at a time; pass a total instead")
    if steps.shape != (k,) or (steps < 1).any():
        raise ValueError(f"ode: steps must be a total or {k} positive numbers, one per group, got {steps}")
    return steps[moving.argmax(1)]
