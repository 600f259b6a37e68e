"""The path alpha(t): who diffuses when  (Eq. 10, A.3).

Group j is diffused during [t_start_j, t_end_j], and alpha_j falls linearly from 1 (data) to 0 (noise) over it:

    alpha_j(t) = 1                                           t <  t_start_j
                 (t_end_j - t) / (t_end_j - t_start_j)       t_start_j <= t < t_end_j
                 0                                           t >= t_end_j

so alpha(0) = 1 and alpha(1) = 0. Generation runs from t = 1 to t = 0: the group generated first has the last interval.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Bool, Float, Integer, Real

from gdm_jax.process.arrays import AnyArray, Integers, Leaf, Numbers
from gdm_jax.process.groups import check_groups

__all__ = [
    "SHORTEST", "Schedule", "check_order", "check_prefix", "from_boundaries", "from_intervals", "linear_fall",
    "overlapping", "scalar", "uniform",
]

SHORTEST = 1e-6  # length of a group's interval; float32 times cannot tell much shorter ones apart


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Schedule:
    """Time intervals of k groups.

    Attributes:
      t_start: float32 `[..., k]` in [0, 1), where each group's diffusion begins.
      t_end: float32 `[..., k]` in (0, 1], where it ends. Leading axes hold one schedule per example.

    Build one with a constructor of this module. The constructors validate, this class does not. They make NumPy arrays,
    so that a schedule is known wherever it is made, even inside a function that JAX is compiling.
    """

    t_start: Leaf
    t_end: Leaf

    @property
    def k(self) -> int:
        return self.t_start.shape[-1]

    @jax.jit
    def alpha(self, t: Real[ArrayLike, "*times"]) -> Float[Array, "*#times k"]:
        """alpha(t), Eq. 10, in [0, 1]."""
        return jnp.asarray(linear_fall(jnp.asarray(t, jnp.float32)[..., None], self.t_start, self.t_end))

    @jax.jit
    def rate(self, t: Real[ArrayLike, "*times"]) -> Float[Array, "*#times k"]:
        """alpha'(t): -1 / (t_end - t_start) on [t_start, t_end) and 0 elsewhere."""
        t = jnp.asarray(t, jnp.float32)[..., None]
        active = (self.t_start <= t) & (t < self.t_end)
        return jnp.where(active, -1.0 / (self.t_end - self.t_start), 0.0)

    def piece(self, t: Real[ArrayLike, "*times"]) -> tuple[Float[Array, "*#times"], Float[Array, "*#times"]]:
        """Start and end of t's piece of the path, between two times at which a group begins or ends.

        alpha is a straight line on it. 0 and 1 bound the first piece and the last; t may be its piece's start.
        """
        t = jnp.asarray(t, jnp.float32)[..., None]
        edges = jnp.concatenate([jnp.asarray(self.t_start), jnp.asarray(self.t_end)], axis=-1)
        start, end = jnp.where(edges <= t, edges, 0), jnp.where(edges > t, edges, 1)
        return jnp.max(start, axis=-1), jnp.min(end, axis=-1)

    def visible(self, t: Real[ArrayLike, "*times"]) -> Bool[AnyArray, "*#times k"]:
        """Groups whose generation has begun, walking from t = 1 to t: t < t_end_j, which is alpha_j(t) > 0.

        A solver, which stands on the ends of intervals as well, asks for the earliest t of its step or piece.
        """
        t = t if isinstance(t, Tracer) else np.asarray(t)
        return t[..., None] < self.t_end

    def reorder(self, order: Integer[AnyArray, "*orders k"] | Sequence) -> Schedule:
        """The same intervals given out in another order of generation.

        Args:
          order: Permutation of 0..k-1: order[n] is the group that takes the interval of this schedule's group n. For a
            schedule built with the default order, that is the group generated n-th. Leading axes make one schedule
            per example.

        Raises:
          ValueError: If a concrete order is not a permutation.
        """
        traced = any(isinstance(leaf, Tracer) for leaf in (order, self.t_start))
        if not traced:
            check_order(order, self.k)
        xp: Any = jnp if traced else np
        place = xp.argsort(xp.asarray(order), axis=-1)
        shape = np.broadcast_shapes(place.shape, self.t_start.shape)
        place = xp.broadcast_to(place, shape)
        start, end = (xp.broadcast_to(xp.asarray(leaf), shape) for leaf in (self.t_start, self.t_end))
        return Schedule(xp.take_along_axis(start, place, axis=-1), xp.take_along_axis(end, place, axis=-1))

    def prefixes(self) -> list[tuple[int, ...]]:
        """Sets of groups that are data while the others are still noise, smallest first. Given one, the rest follows.

        >>> uniform(3, order=(2, 0, 1)).prefixes()
        [(2,), (0, 2)]
        """
        start, end = np.asarray(self.t_start), np.asarray(self.t_end)
        order = np.argsort(-start, kind="stable")
        cuts = (n for n in range(1, self.k) if start[order[:n]].min() >= end[order[n:]].max())
        return [tuple(sorted(order[:n].tolist())) for n in cuts]


def linear_fall(t: AnyArray, t_start: AnyArray, t_end: AnyArray) -> AnyArray:
    """Eq. 10: the value at t of what falls linearly from 1 to 0 over [t_start, t_end].

    The three broadcast against one another. NumPy's arrays give NumPy's, so that a known path stays known while JAX
    is compiling. A compiler may divide by multiplying with the reciprocal, so that 1 is given and not computed.
    """
    begun = t > t_start
    return ((t_end - t) / (t_end - t_start)).clip(0, 1) * begun + ~begun


def uniform(k: int, *, order: Integers | None = None) -> Schedule:
    """k equal intervals. order[n] is the group generated n-th. None means 0, 1, ..., k-1.

    >>> uniform(2).alpha(0.25).tolist()
    [1.0, 0.5]
    """
    if k < 1:
        raise ValueError(f"schedule: k must be at least 1, got {k}")
    return from_boundaries(np.arange(1, k) / k, order=order)


def scalar() -> Schedule:
    """k = 1: alpha(t) = 1 - t, ordinary diffusion."""
    return uniform(1)


def from_boundaries(boundaries: Numbers, *, order: Integers | None = None) -> Schedule:
    """Adjacent intervals that meet at the k - 1 boundaries, rising in (0, 1).

    The first interval [0, boundaries[0]] goes to the group generated last (Table 2: with bands, the highest).

    Raises:
      ValueError: If the boundaries do not rise strictly between 0 and 1, or order is not a permutation.
    """
    edges = np.concatenate([[0.0], np.asarray(boundaries, np.float64).ravel(), [1.0]])
    if not (np.diff(edges.astype(np.float32)) > 0).all():
        raise ValueError(f"boundaries: must rise strictly between 0 and 1, got {tuple(boundaries)}")
    return _ordered(edges[:-1][::-1], edges[1:][::-1], order)


def overlapping(k: int, overlap: float | int, *, order: Integers | None = None) -> Schedule:
    """Equal intervals of length 1/k + overlap (1 - 1/k), evenly spread. 0 is `uniform`, 1 diffuses all groups at once.

    Raises:
      ValueError: If overlap is outside [0, 1].
    """
    if not 0 <= overlap <= 1:
        raise ValueError(f"schedule: overlap must be between 0 (one after another) and 1 (all at once), got {overlap}")
    if overlap == 0 or k <= 1:
        return uniform(k, order=order)
    length = 1 / k + overlap * (1 - 1 / k)
    start = (1 - length) * np.arange(k)[::-1] / (k - 1)
    return _ordered(start, np.minimum(start + length, 1.0), order)


def from_intervals(t_start: Numbers, t_end: Numbers) -> Schedule:
    """Any intervals, one per group, overlapping or with pauses between them.

    Raises:
      ValueError: If the two differ in length, or an interval is empty or leaves [0, 1].
    """
    start, end = np.asarray(t_start, np.float32), np.asarray(t_end, np.float32)
    if start.shape != end.shape or start.ndim != 1 or not start.size:
        raise ValueError(f"schedule: t_start and t_end must be [k] alike, got {start.shape} and {end.shape}")
    for j, (a, b) in enumerate(zip(start, end)):
        if not (0 <= a < b <= 1 and b - a >= SHORTEST):
            rule = f"0 <= t_start < t_end <= 1 and be at least {SHORTEST:g} long"
            raise ValueError(f"schedule: interval {j} must satisfy {rule}, got [{a:g}, {b:g}]")
    return Schedule(start, end)


def _ordered(start: np.ndarray, end: np.ndarray, order: Integers | None) -> Schedule:
    """Give interval n to group order[n]."""
    order = np.arange(len(start)) if order is None else order
    check_order(order, len(start))
    place = np.argsort(order)
    return from_intervals(start[place], end[place])


def check_order(order: AnyArray | Sequence, k: int, field: str = "order") -> None:
    """Raises ValueError unless `order` is a permutation of 0..k-1, or an array of such, `[..., k]`.

    Args:
      order: What is to be checked, known numbers.
      k: Number of groups.
      field: What the order was given as, for the error.
    """
    given = np.asarray(order)
    whole = np.issubdtype(given.dtype, np.integer)
    if not whole or given.shape[-1:] != (k,) or (np.sort(given, axis=-1) != np.arange(k)).any():
        raise ValueError(f"{field}: expected a permutation of {k} groups, 0..{k - 1}, got {order}")


def check_prefix(schedule: Schedule, groups: Integers, name: str = "keep") -> list[int]:
    """The groups, sorted.

    Raises:
      ValueError: Unless the schedule finishes exactly these groups before it begins the rest.
    """
    chosen = check_groups(groups, schedule.k)
    if not 0 < len(chosen) < schedule.k:
        raise ValueError(f"{name}: name at least one of {schedule.k} groups and not all, got {chosen}")
    possible = schedule.prefixes()
    if tuple(chosen) not in possible:
        known = ", ".join(str(list(prefix)) for prefix in possible) or "none, since its groups overlap in time"
        raise ValueError(f"{name}: this schedule does not finish groups {chosen} before the rest; possible are {known}")
    return chosen
