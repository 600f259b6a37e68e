"""Undo an explicit Euler grid exactly.

A step of `generate` with Euler goes, in the basis, from y to

    y' = y + d_alpha_g * f(y, alpha),      f(y, alpha) = U^T u(U y, alpha),      alpha at the step's start,

which is the implicit Euler step of `encode` on the same grid: given y', find the y that steps to it. It is a fixed
point of F(y) = y' - d_alpha_g * f(y, alpha), and a contraction while Lip(u) |d_alpha| < 1. Near and beyond that bound
plain iteration stalls, so the iterates are mixed by Anderson acceleration (Anderson 1965, type II; Walker & Ni 2011),
for each example by itself.

What a step leaves unsolved is its residual. The steps that follow in `generate` magnify it, so a small residual does
not make a good latent: whether one is found is judged by decoding it.

A derivative of the latent is that of the solution y, by the implicit function theorem: (1 + d_alpha_g df/dy) dy = dy' -
d_alpha_g df, of which the linear equation is solved by the same iteration.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from gdm_jax.devices import program
from gdm_jax.network import Network
from gdm_jax.ode.anderson import fixed_point
from gdm_jax.ode.flow import check_state, direction, solve
from gdm_jax.ode.path import Path, Steps, along
from gdm_jax.ode.solvers import STEP_TOLERANCE
from gdm_jax.process.process import Process
from gdm_jax.process.schedule import Schedule

__all__ = ["TOLERANCE", "Grid", "Inversion", "grid", "invert", "undo"]

TOLERANCE = 1e-4  # error of a decoded element, in a range of 2


class Inversion(NamedTuple):
    """What `invert` returns.

    Attributes:
      z: The latent from which Euler on the same grid generates x.
      error: Largest difference of an element between x and what z decodes to, in units of x.
      converged: Whether error <= tolerance. Do not trust the z of the other examples.
      residual: Largest |y' - step(y)| over all steps and elements, in units of x.
      calls: Network calls of the batch to undo all steps; from `Model.invert`, for each example those of its part of
        the batch. Decoding takes one more a step.
    """

    z: Float[Array, " batch *shape"]
    error: Float[Array | np.ndarray, " batch"]
    converged: Bool[Array | np.ndarray, " batch"]
    residual: Float[Array, " batch"]
    calls: Int[Array, ""]


class Grid(NamedTuple):
    """The Euler steps of `generate`, in the order in which `encode` undoes them.

    Attributes:
      alpha: alpha where each step of `generate` starts.
      increment: What the step adds to alpha.
      visible: 1 for the groups whose generation has begun.
    """

    alpha: Float[np.ndarray, "steps k"]
    increment: Float[np.ndarray, "steps k"]
    visible: Float[np.ndarray, "steps k"]


def invert(
    u: Network,
    process: Process,
    schedule: Schedule | Path,
    x: Float[ArrayLike, " batch *shape"],
    *,
    steps: Steps = None,
    tolerance: float = TOLERANCE,
    **options: Any,
) -> Inversion:
    """The latent z for which `generate(..., z, solver="euler", steps=steps)` gives x back.

    Args:
      u, process: As in `generate`.
      schedule: A schedule, or a Path of known steps.
      x: Data.
      steps: The steps of `generate`, where a schedule is given.
      tolerance: Largest error of the decoded data that counts as converged, in units of x.
      **options: Options of `undo` (step_tolerance, max_iterations, memory).

    Raises:
      ValueError: as `gdm_jax.ode.solve`, or if the steps are not known.
    """
    path = along(schedule, steps=steps)
    x = check_state(process, path.k, x, "x")
    z, residual, calls = undo(u, process, grid(path), x, **options)
    again = solve(u, process, path, z, forward=False, solver="euler", throw=False).x  # the very program of `generate`
    error = jnp.abs(again - x).max(tuple(range(1, x.ndim)), initial=0)
    return Inversion(z, error, error <= tolerance, residual, calls)


def grid(path: Path) -> Grid:
    """The steps of `generate` with Euler along a path; raises ValueError if they adapt or are traced."""
    if path.steps is None or isinstance(path.steps, Tracer):
        raise ValueError("invert: undoes a fixed grid of known steps; pass steps=N")
    steps = np.asarray(path.steps)
    undone = np.concatenate([np.arange(1, n + 1) / n for n in steps])[:, None]  # how far the step's start lies
    start, end, visible = (np.repeat(np.asarray(leaf, np.float64), steps, axis=0) for leaf in path[:3])
    return Grid(start + undone * (end - start), (start - end) / np.repeat(steps, steps)[:, None], visible)


def undo(
    u: Network,
    process: Process,
    grid: Grid,
    x: Float[ArrayLike, " batch *shape"],
    *,
    step_tolerance: float = STEP_TOLERANCE,
    max_iterations: int = 200,
    memory: int = 24,
) -> tuple[Float[Array, " batch *shape"], Float[Array, " batch"], Int[Array, ""]]:
    """The z, residual and calls of `invert`, without a look at what z decodes to; x and grid may be traced.

    Args:
      u, process, x: As in `invert`.
      grid: The steps to undo.
      step_tolerance: Residual at which a step counts as solved, in units of x; single precision ends near 1e-6.
      max_iterations: Largest number of network calls a step.
      memory: Number of earlier iterates that Anderson acceleration mixes, two arrays like x each; 0 is plain iteration.
    """
    return _undo(u, process, grid, x, jnp.asarray(step_tolerance), max_iterations=max_iterations, memory=memory)


@program.compiled
def _undo(u, process, grid, x, tolerance, **options):
    basis = process.basis

    def undo_one(target, step: Grid):
        increment = process.spread(step.increment.astype(target.dtype), target)

        def image(y):
            return target - increment * direction(u, process, y, step.alpha, step.visible)

        y, residual, calls = fixed_point(image, target, tolerance, **options)
        return y, (residual, calls)

    y, (residuals, calls) = jax.lax.scan(undo_one, basis.forward(x), grid)
    return basis.inverse(y), residuals.max(0), calls.sum()
