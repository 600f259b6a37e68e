"""The groupwise ODE as a controlled equation  (Eqs. 9, 13, 17).

    dx = U diag(d alpha_g) U^T u(x, alpha)

The driver is the path alpha itself: a step from t to t' is given the increment alpha(t') - alpha(t), so the slope A'(t)
and its jumps appear nowhere. Encoding runs t: 0 -> 1, generation t: 1 -> 0.

The state is x_bar = U^T x: an element whose alpha stands still is carried bit for bit, and the error of an adaptive
step is judged by the moving elements alone. `Flow` is this field; `gdm_jax.ode.walk` walks it along a path.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Bool, Float, Int, PyTree

from gdm_jax import network
from gdm_jax.devices import program
from gdm_jax.network import Network
from gdm_jax.ode import walk as walks
from gdm_jax.ode.path import Path, Steps, along
from gdm_jax.process.arrays import AnyArray, Integers
from gdm_jax.process.process import Process
from gdm_jax.process.schedule import Schedule

__all__ = ["Flow", "Solution", "check_solved", "check_state", "direction", "encode", "generate", "solve"]


class Solution(NamedTuple):
    """What `solve` returns.

    Attributes:
      x: The state at the end.
      x_bar: The same in the basis, U^T x before it was rotated back. What never moved is equal to the last bit here.
      t: Times of the frames, in the order in which they were passed; empty without frames.
      frames: x_t at those times, or None.
      steps: Steps taken in each piece of the path, `[pieces]`, or `[batch, pieces]` where they adapt.
      failed: Whether the solver stopped before the end of a piece. Do not use the x of such an example.
    """

    x: Float[Array, " batch *shape"]
    x_bar: Float[Array, " batch *shape"]
    t: Float[Array | np.ndarray, "pieces frames"]
    frames: Float[Array, "pieces frames batch *shape"] | None
    steps: Int[Array, " *pieces"]
    failed: Bool[Array, " batch"]


def generate(
    u: Network, process: Process, schedule: Schedule | Path, z: Float[ArrayLike, " batch *shape"], **options: Any
) -> Float[Array, " batch *shape"] | tuple[Float[Array, " batch *shape"], Solution]:
    """Noise -> data: solves the groupwise ODE from t = 1 to t = 0.

    Args:
      u: The network, `(x_t [batch, *shape], alpha [batch, k]) -> [batch, *shape]`.
      process: How data become noise.
      schedule: When they do: any intervals that u was trained on or generalises to, or a Path of them.
      z: Standard normal noise.
      **options: Options of `solve` (solver, steps, rtol, atol, frames, done, waiting, adjoint, max_steps,
        progress_meter).

    Returns:
      The data x; with frames > 0, the pair (x, Solution).

    Raises:
      ValueError, RuntimeError: as `solve`.
    """
    return _brief(solve(u, process, schedule, z, forward=False, **options))


def encode(
    u: Network, process: Process, schedule: Schedule | Path, x: Float[ArrayLike, " batch *shape"], **options: Any
) -> Float[Array, " batch *shape"] | tuple[Float[Array, " batch *shape"], Solution]:
    """Data -> noise: solves the groupwise ODE from t = 0 to t = 1. Arguments and returns mirror `generate`."""
    return _brief(solve(u, process, schedule, x, forward=True, **options))


def solve(
    u: Network,
    process: Process,
    schedule: Schedule | Path,
    x: Float[ArrayLike, " batch *shape"],
    *,
    forward: bool,
    steps: Steps = None,
    done: Integers = (),
    waiting: Integers = (),
    throw: bool = True,
    **options: Any,
) -> Solution:
    """Integrate the groupwise ODE over a schedule, or along a path.

    Args:
      u, process: As in `generate`.
      schedule: A schedule; or a Path by `gdm_jax.ode.path.of`, which may be traced and has steps, done and waiting of
        its own.
      x: The state at t = 0 if forward, else at t = 1.
      forward: Whether to encode (t: 0 -> 1) rather than to generate.
      steps: A fixed grid: the total number of steps over the whole schedule, or one number a group; None adapts the
        steps to rtol and atol, for each example by itself. See `gdm_jax.ode.path.of`.
      done: Groups held as they are in x, as data: alpha = 1 throughout. u must know such alpha; see
        `gdm_jax.conditional`.
      waiting: Groups held as they are in x, as noise: alpha = 0 throughout.
      throw: Whether to raise an error where the solver fails; if false, look at `failed`.
      **options: Options of `gdm_jax.ode.walk.settings` (solver, rtol, atol, frames, adjoint, max_steps,
        progress_meter).

    Raises:
      ValueError: for an unknown solver, fewer steps than pieces, steps per group that do not fit, shapes that do not
        match, or NaN or infinity in x.
      RuntimeError: while running, if an adaptive solve needs more than max_steps or an implicit one does not converge.
    """
    path = along(schedule, steps=steps, done=done, waiting=waiting)
    x = check_state(process, path.k, x, "x" if forward else "z")
    settings = walks.settings(path, forward=forward, **options)
    path = path if forward else path.reversed()
    solution = _solve(u, process, path, x, settings=settings)
    if throw and isinstance(solution.failed, Tracer):
        message = "ode: the solver failed; call it outside jit to learn where"
        solution = solution._replace(x=eqx.error_if(solution.x, solution.failed.any(), message))
    elif throw:
        check_solved(solution.failed, settings)
    return solution._replace(t=path.frame_times(settings.frames))


@program.compiled
def _solve(u: Network, process: Process, path: Path, x, *, settings: walks.Settings) -> Solution:
    x_bar, states, taken, failed = walks.walk(Flow(u, process), path, process.basis.forward(x), settings)
    frames = None if states is None else jax.vmap(jax.vmap(process.basis.inverse))(states)
    return Solution(process.basis.inverse(x_bar), x_bar, np.zeros((0, 0)), frames, taken, failed)


def check_solved(failed: Bool[ArrayLike, " batch"], settings: walks.Settings) -> None:
    """Raises RuntimeError naming the examples that a solver did not finish, from `Solution.failed`."""
    examples = np.flatnonzero(np.asarray(failed))
    if len(examples):
        shown = ", ".join(map(str, examples[:8])) + (", ..." if len(examples) > 8 else "")
        most = settings.max_steps
        reason = f"it needs more than max_steps={most} steps in a piece of the path, or " if most else "it "
        raise RuntimeError(
            f"ode: {type(settings.solver).__name__} did not finish example(s) {shown}: {reason}cannot solve an "
            "implicit one; loosen rtol and atol, or take more steps"
        )


def check_state(process: Process, k: int, x: Any, name: str) -> Float[Array | np.ndarray, " batch *shape"]:
    """x as floats of the precision in use, where it was: NumPy's arrays stay on the host.

    Args:
      process: The process that x must fit.
      k: Number of intervals of the schedule, which must fit the process.
      x: `[batch, *shape]`.
      name: Name of x in errors.

    Raises:
      ValueError: unless x is finite and x, process and schedule fit together.
    """
    x = x if hasattr(x, "shape") else np.asarray(x)
    process.check(x)
    if k != process.k:
        raise ValueError(f"ode: the schedule has {k} intervals but the process has {process.k} groups")
    xp = np if isinstance(x, np.ndarray) else jnp
    if not isinstance(x, Tracer):
        with jax.ensure_compile_time_eval():  # known now, also where the caller is being compiled
            if not bool(xp.isfinite(x).all()):
                raise ValueError(f"ode: {name} holds NaN or infinite values")
    return xp.asarray(x, jnp.result_type(float))


class Flow(eqx.Module):
    """The field of the groupwise ODE, a `gdm_jax.ode.walk.Field`; the state is x_bar `[batch, *shape]`."""

    u: Any
    process: Process

    def direction(self, y: PyTree, alpha: Float[Array, " k"], piece: Path) -> Float[Array, " batch *shape"]:
        return direction(self.u, self.process, y, alpha, piece.visible)

    def mean(
        self, y: PyTree, alpha: Float[Array, " k"], beta: Float[Array, " k"], piece: Path
    ) -> Float[Array, " batch *shape"]:
        return direction(self.u, self.process, y, alpha, piece.visible, beta)

    def product(self, direction: PyTree, d_alpha: Float[Array, " k"]) -> Float[Array, " batch *shape"]:
        return self.process.spread(d_alpha, direction) * direction

    def size(self, y: PyTree, moves: Bool[Array, " k"]) -> Float[Array, ""]:
        return jnp.max(jnp.where(self.process.spread(moves, y), jnp.abs(y), 0))

    @property
    def examples(self) -> PyTree:
        return network.examples(self.u)

    def with_examples(self, examples: PyTree) -> Flow:
        return Flow(network.with_examples(self.u, examples), self.process)


def direction(
    u: Network,
    process: Process,
    x_bar: Float[Array, " batch *shape"],
    alpha: Float[AnyArray, " k"],
    visible: Float[AnyArray, " k"],
    beta: Float[AnyArray, " k"] | None = None,
) -> Float[Array, " batch *shape"]:
    """U^T u(U x_bar, alpha), which the ODE multiplies with d alpha_g; in strict mode u sees visible groups alone.

    With beta it is the mean of that from alpha to beta, for a network that takes beta.
    """
    seen = process.basis.inverse(process.hide_bar(x_bar, visible))
    size = len(x_bar), process.k
    beta = beta if beta is None else jnp.broadcast_to(beta, size)
    return process.basis.forward(network.apply(u, seen, jnp.broadcast_to(alpha, size), beta).astype(x_bar.dtype))


def _brief(solution: Solution):
    return solution.x if solution.frames is None else (solution.x, solution)
