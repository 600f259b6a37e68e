"""Families of schedules: one network, many orders and intervals  (Fig. 5, A.3).

A network is told alpha and nothing else of the schedule, so one network can serve every path that it has seen. A family
is what training draws from, for every example afresh and uniformly: a set of intervals, and the order in which the
groups take them. Adjacent intervals of one order all follow one path, at other speeds; overlapping ones follow others,
up to all groups at once, which is ordinary diffusion.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from gdm_jax.process.groups import check_groups
from gdm_jax.process.schedule import Schedule, check_order


@dataclasses.dataclass(frozen=True, eq=False)
class Family:
    """Every set of intervals with every order.

    Attributes:
      intervals: t_start and t_end of `[sets, k]`; interval n goes to the group generated n-th.
      orders: int `[orders, k]`, orders[m, n] is the group generated n-th; None for all k! permutations.

    Build one with `of`, which validates; this class does not.
    """

    intervals: Schedule
    orders: np.ndarray | None

    @property
    def k(self) -> int:
        return self.intervals.k

    def draw(self, key) -> Schedule:
        """One schedule of the family; under `jax.vmap` one for each key."""
        of_set, of_order = jax.random.split(key)
        chosen = jax.random.randint(of_set, (), 0, len(self.intervals.t_start))
        intervals = Schedule(jnp.asarray(self.intervals.t_start)[chosen], jnp.asarray(self.intervals.t_end)[chosen])
        if self.orders is None:
            return intervals.reorder(jax.random.permutation(of_order, self.k))
        order = jnp.asarray(self.orders)[jax.random.randint(of_order, (), 0, len(self.orders))]
        return intervals.reorder(order)

    def schedule(self, order: Sequence[int] | np.ndarray = (), *, intervals: int = 0) -> Schedule:
        """The schedule of one order, by default the first, and of one set of intervals.

        Raises:
          ValueError: if the family does not hold the order.
        """
        order = tuple(order) or tuple(range(self.k) if self.orders is None else self.orders[0].tolist())
        check_order(order, self.k)
        if self.orders is not None and not (self.orders == np.asarray(order)).all(1).any():
            shown = ", ".join(str(tuple(known)) for known in self.orders[:8].tolist())
            more = ", ..." if len(self.orders) > 8 else ""
            raise ValueError(f"order: the network was not trained on {order}; it was on {shown}{more}")
        chosen = Schedule(self.intervals.t_start[intervals], self.intervals.t_end[intervals])
        return chosen.reorder(order)

    def given(self, kept: Sequence[int]) -> Schedule:
        """A schedule under which exactly the groups `kept` are finished before any other begins.

        Raises:
          ValueError: if the family has none, naming the sets that it has.
        """
        kept = tuple(check_groups(kept, self.k))
        rest = [j for j in range(self.k) if j not in kept]
        orders = [(*kept, *rest)] if self.orders is None else self.orders.tolist()
        for order, n in itertools.product(orders, range(len(self.intervals.t_start))):
            schedule = self.schedule(order, intervals=n)
            if kept in schedule.prefixes():
                return schedule
        raise ValueError(f"keep: the network was not trained to go on from groups {list(kept)}; {self._possible()}")

    def _possible(self) -> str:
        """What `given` takes, in words."""
        orders = [range(self.k)] if self.orders is None else self.orders.tolist()
        schedules = [self.schedule(order, intervals=n) for order in orders for n in range(len(self.intervals.t_start))]
        sets = sorted({prefix for schedule in schedules for prefix in schedule.prefixes()}, key=lambda p: (len(p), p))
        if not sets:
            return "its groups overlap in time, so that none is finished before another begins"
        if self.orders is None:
            return f"it can go on from any {' or '.join(str(n) for n in sorted({len(p) for p in sets}))} groups"
        return f"it can go on from {', '.join(str(list(prefix)) for prefix in sets[:12])}{', ...' * (len(sets) > 12)}"


def of(schedules: Sequence[Schedule], orders: Sequence[Sequence[int]] | None = None) -> Family:
    """The family of some sets of intervals and some orders.

    Args:
      schedules: one or more, each in the default order 0, 1, ..., k-1.
      orders: permutations of 0..k-1; None for all of them.

    Raises:
      ValueError: if there is no schedule or no order, they differ in k, or an order is not a permutation.

    >>> from gdm_jax.process.schedule import uniform
    >>> of([uniform(3)], [(0, 1, 2), (2, 1, 0)]).given([2]).prefixes()
    [(2,), (1, 2)]
    """
    schedules = list(schedules)
    if not schedules or len({schedule.k for schedule in schedules}) > 1:
        raise ValueError(f"family: schedules must be one or more of the same k, got {[s.k for s in schedules]}")
    k = schedules[0].k
    if orders is not None:
        if not len(orders):
            raise ValueError("family: orders must hold at least one; None means all permutations")
        for order in orders:
            check_order(order, k)
        orders = np.asarray(orders, np.int32)
    stacked = (np.stack([np.asarray(getattr(s, name)) for s in schedules]) for name in ("t_start", "t_end"))
    return Family(Schedule(*stacked), orders)


def random_orders(k: int, count: int, *, seed: int = 0) -> list[tuple[int, ...]]:
    """`count` different permutations of 0..k-1, or all k! if there are fewer.

    >>> sorted(random_orders(2, 5))
    [(0, 1), (1, 0)]
    """
    rng, count = np.random.default_rng(seed), min(count, math.factorial(k))
    if k <= 6:
        every = list(itertools.permutations(range(k)))
        return [every[i] for i in rng.permutation(len(every))[:count]]
    chosen = {}
    while len(chosen) < count:
        chosen[tuple(rng.permutation(k).tolist())] = None
    return list(chosen)
