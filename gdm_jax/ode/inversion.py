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

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gdm_jax.devices import program
from gdm_jax.network import Network
from gdm_jax.ode import flow
from gdm_jax.ode import path as paths
from gdm_jax.ode.anderson import fixed_point
from gdm_jax.ode.solvers import STEP_TOLERANCE
from gdm_jax.process.process import Process
from gdm_jax.process.schedule import Schedule

TOLERANCE = 1e-4  # of the decoded image, of range 2


class Inversion(NamedTuple):
    """What `invert` returns.

    Attributes:
      z: `[batch, *shape]`, the latent from which Euler on the same grid generates x.
      error: `[batch]`, largest difference of an element between x and what z decodes to, in units of x.
      converged: bool `[batch]`, error <= tolerance. Do not trust the z of the others.
      residual: `[batch]`, largest |y' - step(y)| over all steps and elements, in units of x.
      calls: int32 `[]`, network calls of the batch to undo all steps (`[batch]`, those of its part, from
        `Model.invert`). Decoding takes one more a step.
    """

    z: jax.Array
    error: jax.Array
    converged: jax.Array
    residual: jax.Array
    calls: jax.Array


def invert(
    u: Network, process: Process, schedule: Schedule, x, *, steps, tolerance: float = TOLERANCE, **options
) -> Inversion:
    """The latent z for which `generate(..., z, solver="euler", steps=steps)` gives x back.

    Args:
      u, process, schedule, steps: those of `generate`.
      x: `[batch, *shape]`.
      tolerance: largest error of the decoded image that counts as converged, in units of x.
      **options: of `undo` (step_tolerance, max_iterations, memory).

    Raises:
      ValueError: as `ode.solve`.
    """
    x = flow.check_state(process, schedule, x, "x")
    z, residual, calls = undo(u, process, plan(schedule, steps), x, **options)
    path, euler = flow.plan(schedule, forward=False, solver="euler", steps=steps)
    again = flow.follow(u, process, path, z, **euler).x  # the very program of `generate`
    error = jnp.abs(again - x).max(tuple(range(1, x.ndim)), initial=0)
    return Inversion(z, error, error <= tolerance, residual, calls)


class Steps(NamedTuple):
    """Steps of generate in the order in which encode undoes them, each `[steps, k]`."""

    alpha: np.ndarray
    increment: np.ndarray
    visible: np.ndarray


def plan(schedule: Schedule, steps) -> Steps:
    """The steps of `generate` with Euler; raises ValueError as `ode.solve`."""
    path = paths.of(schedule, steps=steps, forward=True)
    undone = np.concatenate([np.arange(1, n + 1) / n for n in path.steps])[:, None]  # how far the step's start lies
    start, end, visible = (np.repeat(leaf.astype(np.float64), path.steps, axis=0) for leaf in path[:3])
    return Steps(start + undone * (end - start), (start - end) / np.repeat(path.steps, path.steps)[:, None], visible)


def undo(
    u: Network,
    process: Process,
    grid: Steps,
    x,
    *,
    step_tolerance: float = STEP_TOLERANCE,
    max_iterations: int = 200,
    memory: int = 24,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The z, residual and calls of `invert` on a grid of `plan`, without checks; traced x and grid are welcome.

    Args:
      u, process, x: as `invert`.
      grid: of `plan`.
      step_tolerance: residual at which a step counts as solved, in units of x; single precision ends near 1e-6.
      max_iterations: network calls a step at most.
      memory: earlier iterates that Anderson acceleration mixes, two arrays like x each; 0 is plain iteration.
    """
    return _undo(u, process, grid, x, jnp.asarray(step_tolerance), max_iterations=max_iterations, memory=memory)


@program.compiled
def _undo(u, process, grid, x, tolerance, **options):
    basis = process.basis

    def undo_one(target, step: Steps):
        increment = process.spread(step.increment.astype(target.dtype), target)

        def image(y):
            return target - increment * flow.direction(u, process, y, step.alpha, step.visible)

        y, residual, calls = fixed_point(image, target, tolerance, **options)
        return y, (residual, calls)

    y, (residuals, calls) = jax.lax.scan(undo_one, basis.forward(x), grid)
    return basis.inverse(y), residuals.max(0), calls.sum()


