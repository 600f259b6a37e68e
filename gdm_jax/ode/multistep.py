"""Multistep solvers, which ask the network once a step and use what it said at earlier steps  (Adams' methods).

With f_n the field at step n and h the increment of alpha, a step goes to

    x_{n+1} = x_n + h (b_0 f_n + b_1 f_{n-1} + b_2 f_{n-2})            Adams-Bashforth
    x_n     = x_{n-1} + h (c_0 f_n + c_1 f_{n-1} + c_2 f_{n-2})        Adams-Moulton

The second line, where it is asked for, corrects x_n once f_n is known, before the first line goes on from it. The f_n
of the uncorrected x_n is kept, so that the correction costs no call. The field is smooth within a piece of the path
only: the history begins anew with each piece, and its steps are equal.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

__all__ = ["Adams"]

# Row n holds the weights of f_n, f_{n-1}, f_{n-2} where n earlier values of the field are known.
BASHFORTH = np.array([[1, 0, 0], [3 / 2, -1 / 2, 0], [23 / 12, -16 / 12, 5 / 12]])
MOULTON = np.array([[1, 0, 0], [1 / 2, 1 / 2, 0], [5 / 12, 8 / 12, -1 / 12]])
STARTS = ("euler", "midpoint")

_SUCCESSFUL: Any = diffrax.RESULTS.successful


class History(NamedTuple):
    """What a step leaves for the next one.

    Attributes:
      known: Number of earlier values of the field, at most 2.
      y: Where the last step began, corrected.
      fields: The two earlier values, the latest first; zeros where there are none.
    """

    known: Any
    y: PyTree
    fields: tuple[PyTree, PyTree]


class Adams(diffrax.AbstractSolver):
    """Explicit multistep methods on a fixed grid: "ab2", "ab3" and "abm3".

    The order of convergence is 2. It is 3 for three values with the start "midpoint", and for corrected steps.

    Attributes:
      values: Number of values of the field that a step combines, 2 or 3.
      corrected: Whether each point is corrected once the field is known there. The last point of a piece is not.
      start: First step of each piece: "euler", or "midpoint", which takes one more network call.

    Raises:
      ValueError: for another number of values or another start.
    """

    values: int = eqx.field(default=2, static=True)
    corrected: bool = eqx.field(default=False, static=True)
    start: str = eqx.field(default="euler", static=True)

    term_structure = diffrax.AbstractTerm
    interpolation_cls = diffrax.ThirdOrderHermitePolynomialInterpolation

    def __check_init__(self):
        if self.values not in (2, 3):
            raise ValueError(f"values: must be 2 or 3, got {self.values}")
        if self.start not in STARTS:
            raise ValueError(f"start: must be one of {', '.join(STARTS)}, got {self.start!r}")

    @property
    def more_calls(self) -> int:
        """Network calls that a piece takes beside one a step."""
        return int(self.start == "midpoint")

    def order(self, terms):
        return 3 if self.corrected or (self.values == 3 and self.start == "midpoint") else 2

    def init(self, terms, t0, t1, y0, args):
        field = eqx.filter_eval_shape(terms.vf, t0, y0, args)
        none = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), field)
        return History(jnp.int32(0), y0, (none, none))

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        known, last, earlier = solver_state
        control = terms.contr(t0, t1)

        def moved(y, weights, fields):
            weights = jnp.asarray(weights)[known]
            mean = jax.tree.map(lambda *f: sum(w.astype(x.dtype) * x for w, x in zip(weights, f)), *fields)
            return jax.tree.map(jnp.add, y, terms.prod(mean, control))

        fields = (terms.vf(t0, y0, args), *earlier)
        if self.corrected:
            better = moved(last, MOULTON, fields)
            y0 = jax.tree.map(lambda new, old: jnp.where(known > 0, new, old), better, y0)
        slope = first = fields[0]
        if self.start == "midpoint":
            slope = jax.lax.cond(known == 0, lambda: self._midway(terms, t0, t1, y0, args, first), lambda: first)
        y1 = moved(y0, BASHFORTH[np.minimum(np.arange(3), self.values - 1)], (slope, *earlier))
        left = terms.prod(fields[0], control)
        right = jax.tree.map(lambda a, b, k: 2 * (b - a) - k, y0, y1, left)
        known = jnp.minimum(known + 1, 2)
        return y1, None, {"y0": y0, "y1": y1, "k0": left, "k1": right}, History(known, y0, fields[:2]), _SUCCESSFUL

    def _midway(self, terms, t0, t1, y0, args, field):
        """The field half a step on."""
        middle = (t0 + t1) / 2
        y = jax.tree.map(jnp.add, y0, terms.prod(field, terms.contr(t0, middle)))
        return terms.vf(middle, y, args)

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)
