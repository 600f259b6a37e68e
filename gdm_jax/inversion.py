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

import math
from typing import NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from gdm_jax import ode, program
from gdm_jax import path as paths
from gdm_jax.network import Network
from gdm_jax.process import Process
from gdm_jax.schedule import Schedule

TOLERANCE = 1e-4  # of the decoded image, of range 2
STEP_TOLERANCE = 2e-6


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
    x = ode.check_state(process, schedule, x, "x")
    z, residual, calls = undo(u, process, plan(schedule, steps), x, **options)
    path, euler = ode.plan(schedule, forward=False, solver="euler", steps=steps)
    again = ode.follow(u, process, path, z, **euler).x  # the very program of `generate`
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
            return target - increment * ode.direction(u, process, y, step.alpha, step.visible)

        y, residual, calls = _fixed_point(image, target, tolerance, **options)
        return y, (residual, calls)

    y, (residuals, calls) = jax.lax.scan(undo_one, basis.forward(x), grid)
    return basis.inverse(y), residuals.max(0), calls.sum()


class InverseEuler(diffrax.AbstractSolver):
    """`solver="inverse_euler"`: in `encode`, undoes `generate` with "euler" on the same steps.

    The same equation as `invert`, as a diffrax solver: a step that is not solved to the tolerance in every example
    stops the solve with an error. Use `invert` to learn which examples those are, and how well each decodes.
    """

    tolerance: float = eqx.field(default=STEP_TOLERANCE, converter=np.float32)
    max_iterations: int = eqx.field(default=200, static=True)
    memory: int = eqx.field(default=24, static=True)

    generates = False  # `gdm_jax.ode.plan` takes it for encoding alone

    term_structure = diffrax.AbstractTerm
    interpolation_cls = diffrax.LocalLinearInterpolation

    def order(self, terms):
        return 1

    def init(self, terms, t0, t1, y0, args):
        return None

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        if not isinstance(y0, jax.Array):
            raise ValueError("ode: inverse_euler solves for x alone; for likelihoods choose an explicit solver")
        control = terms.contr(t0, t1)

        def image(y):
            return y0 + terms.vf_prod(t1, y, args, control)

        y1, residual, _ = _fixed_point(image, y0, self.tolerance, self.max_iterations, self.memory)
        solved = (residual <= self.tolerance).all()
        result = diffrax.RESULTS.where(solved, diffrax.RESULTS.successful, diffrax.RESULTS.nonlinear_max_steps_reached)
        return y1, None, {"y0": y0, "y1": y1}, None, result

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)


ode.SOLVERS["inverse_euler"] = InverseEuler


class _Search(NamedTuple):
    """Anderson's state for each example; the last axes are flattened, d elements.

    Attributes:
      y: `[batch, d]`, where to look next.
      image, residual: function(y) and function(y) - y of the previous iterate.
      d_image, d_residual: `[batch, memory, d]`, their latest changes, oldest overwritten first.
      best, best_residual: the iterate with the smallest largest residual so far, and that residual `[batch]`.
      calls: int32, iterations made.
    """

    y: jax.Array
    image: jax.Array
    residual: jax.Array
    d_image: jax.Array
    d_residual: jax.Array
    best: jax.Array
    best_residual: jax.Array
    calls: jax.Array


def _fixed_point(function, start, tolerance, max_iterations: int, memory: int):
    """y with function(y) = y for each example: (y, largest |function(y) - y| `[batch]`, calls); y has derivatives."""
    options = {"max_iterations": max_iterations, "memory": memory}

    def apart(y):
        return function(y) - y

    def solve(_, start):
        y, residual, calls = _iterate(function, start, tolerance, **options)
        return y, (residual, calls.astype(residual.dtype))  # JAX wants what stands beside a root to be real

    def solve_linear(matvec, target):
        """v with matvec(v) = target, a fixed point of v + matvec(v) - target."""
        size = jnp.abs(target).max(tuple(range(1, target.ndim)), keepdims=True)
        unit = target / jnp.where(size > 0, size, 1)
        return size * _iterate(lambda v: v + matvec(v) - unit, -unit, tolerance, **options)[0]

    def solve_tangent(matvec, target):
        return jax.lax.custom_linear_solve(matvec, target, solve_linear, transpose_solve=solve_linear)

    y, (residual, calls) = jax.lax.custom_root(apart, start, solve, solve_tangent, has_aux=True)
    return y, residual, calls.astype(jnp.int32)


def _iterate(function, start, tolerance, max_iterations: int, memory: int):
    """Anderson's iteration from `start`: (y, largest |function(y) - y| `[batch]`, calls)."""
    shape, batch = start.shape, len(start)
    size = math.prod(shape[1:])

    def unfinished(search: _Search):
        return (search.calls < max_iterations) & (search.best_residual > tolerance).any()

    def iterate(search: _Search):
        image = function(search.y.reshape(shape)).reshape(batch, size)
        residual = image - search.y
        largest = jnp.abs(residual).max(-1)
        better = largest < search.best_residual
        slot = (search.calls - 1) % max(memory, 1)
        d_image, d_residual = search.d_image, search.d_residual
        y = image
        if memory:
            first = search.calls == 0
            d_image = d_image.at[:, slot].set(jnp.where(first, 0, image - search.image))
            d_residual = d_residual.at[:, slot].set(jnp.where(first, 0, residual - search.residual))
            y = image - _combine(residual, d_residual, d_image)
        return _Search(
            y,
            image,
            residual,
            d_image,
            d_residual,
            jnp.where(better[:, None], search.y, search.best),
            jnp.where(better, largest, search.best_residual),
            search.calls + 1,
        )

    y = start.reshape(batch, size)
    history = jnp.zeros((batch, memory, size), y.dtype)
    unseen = jnp.full(batch, jnp.inf, y.dtype)
    search = _Search(y, y, y, history, history, y, unseen, jnp.int32(0))
    search = jax.lax.while_loop(unfinished, iterate, search)
    return search.best.reshape(shape), search.best_residual, search.calls


def _combine(residual, d_residual, d_image):
    """d_image . gamma, where gamma minimises |residual - d_residual . gamma| in each example.

    The normal equations of the normalised differences, with a ridge just above single precision; unused slots are zero
    and get no weight.
    """
    length = jnp.sqrt(jnp.square(d_residual).sum(-1, keepdims=True))
    scale = jnp.where(length > 0, 1 / jnp.where(length > 0, length, 1), 0)
    unit = d_residual * scale
    precision = jax.lax.Precision.HIGHEST
    gram = jnp.einsum("nid,njd->nij", unit, unit, precision=precision)
    gram = gram + 1e-6 * jnp.eye(gram.shape[-1], dtype=gram.dtype)
    projection = jnp.einsum("nid,nd->ni", unit, residual, precision=precision)
    gamma = jnp.linalg.solve(gram, projection[..., None])[..., 0]
    return jnp.einsum("ni,nid->nd", gamma, d_image * scale, precision=precision)
