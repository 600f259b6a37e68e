"""The groupwise ODE as a controlled equation  (Eqs. 9, 13, 17).

    dx = U diag(d alpha_g) U^T u(x, alpha)

The driver is the path alpha itself: a step from t to t' is given the increment alpha(t') - alpha(t), so the slope A'(t)
and its jumps appear nowhere. Encoding runs t: 0 -> 1, generation t: 1 -> 0.

The solver scans over the straight pieces of the path, one diffrax solve each, so that every step ends on a boundary,
adaptive solvers see a smooth equation, and one compilation serves any k. The state is x_bar = U^T x: an element whose
alpha stands still is carried bit for bit, and the error of an adaptive step is judged by the moving elements alone.

`walk` is the solver itself, of any field along a path; `Flow` is the field above. `gdm_jax.likelihood` walks another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from gdm_jax import network
from gdm_jax.devices import program
from gdm_jax.network import Network
from gdm_jax.ode import path as paths
from gdm_jax.ode.path import Path
from gdm_jax.ode.solvers import SOLVERS
from gdm_jax.ode.walk import CHECKPOINTS, walk
from gdm_jax.process.process import Process
from gdm_jax.process.schedule import Schedule


class Solution(NamedTuple):
    """What `solve` returns.

    Attributes:
      x: `[batch, *shape]`, the state at the end.
      x_bar: the same in the basis, U^T x before it was rotated back: here what never moved is equal to the last bit.
      t: `[pieces, frames]` times of the frames, in the order they were passed; empty without frames.
      frames: `[pieces, frames, batch, *shape]`, x_t at those times, or None.
      steps: int32 `[pieces]` (`[batch, pieces]` for adaptive solvers), steps taken in each piece of the path.
      failed: bool `[batch]`, the solver stopped before the end of a piece: do not use this x.
    """

    x: jax.Array
    x_bar: jax.Array
    t: np.ndarray
    frames: jax.Array | None
    steps: jax.Array
    failed: jax.Array


def generate(u: Network, process: Process, schedule: Schedule, z, **options) -> jax.Array | tuple:
    """Noise -> data: solves the groupwise ODE from t = 1 to t = 0.

    Args:
      u: the network, `(x_t [batch, *shape], alpha [batch, k]) -> [batch, *shape]`.
      process, schedule: how data become noise, and when; any intervals u was trained on or generalises to.
      z: `[batch, *shape]`, standard normal.
      **options: of `solve` (solver, steps, rtol, atol, frames, done, waiting, adjoint, max_steps, progress_meter).

    Returns:
      x `[batch, *shape]`; with frames > 0, the pair (x, Solution).

    Raises:
      ValueError: as `solve`.
    """
    return _brief(solve(u, process, schedule, z, forward=False, **options))


def encode(u: Network, process: Process, schedule: Schedule, x, **options) -> jax.Array | tuple:
    """Data -> noise: solves the groupwise ODE from t = 0 to t = 1. Arguments and returns mirror `generate`."""
    return _brief(solve(u, process, schedule, x, forward=True, **options))


def solve(
    u: Network,
    process: Process,
    schedule: Schedule,
    x,
    *,
    forward: bool,
    done: Sequence[int] = (),
    waiting: Sequence[int] = (),
    throw: bool = True,
    **options,
) -> Solution:
    """Integrate the groupwise ODE over the schedule.

    Args:
      u, process, schedule: as `generate`.
      x: `[batch, *shape]`, the state at t = 0 if forward, else at t = 1.
      forward: encode (t: 0 -> 1) rather than generate.
      done: groups held as they are in x, as data: alpha = 1 throughout. u must know such alpha; see `conditional`.
      waiting: groups held as they are in x, as noise: alpha = 0 throughout.
      throw: raise where the solver fails; False leaves it to the caller to look at `failed`.
      **options: of `plan` (solver, steps, rtol, atol, frames, adjoint, max_steps, progress_meter).

    Raises:
      ValueError: unknown solver, fewer steps than pieces, steps per group that do not fit, shapes that do not match,
        NaN or infinity in x.
      RuntimeError: while running, if an adaptive solve needs more than max_steps or an implicit one does not converge.
    """
    x = check_state(process, schedule, x, "x" if forward else "z")
    path, options = plan(schedule, forward=forward, done=done, waiting=waiting, **options)
    solution = follow(u, process, path, x, **options)
    if throw and isinstance(solution.failed, jax.core.Tracer):
        message = "ode: the solver failed; call it outside jit to learn where"
        solution = solution._replace(x=eqx.error_if(solution.x, solution.failed.any(), message))
    elif throw:
        check_solved(solution.failed, options["solver"], options["max_steps"])
    return solution._replace(t=path.frame_times(options["frames"]))


def plan(
    schedule: Schedule,
    *,
    forward: bool,
    done: Sequence[int] = (),
    waiting: Sequence[int] = (),
    solver: str | diffrax.AbstractSolver = "heun",
    steps: int | Sequence[int] | None = None,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    frames: int = 0,
    adjoint: diffrax.AbstractAdjoint | None = None,
    max_steps: int = 4096,
    progress_meter: diffrax.AbstractProgressMeter | None = None,
) -> tuple[Path, dict]:
    """The path to walk, arrays that may be traced, and the options of `walk`, which are static.

    Args:
      schedule, forward, done, waiting: as `solve`.
      solver: a name of SOLVERS or any diffrax solver.
      steps: a fixed grid: the total number of steps over the whole schedule, shared out by the length of its pieces,
        or one number per group, N_j, where one group moves at a time. None adapts the step to rtol and atol, for each
        example by itself.
      rtol, atol: of adaptive steps: the error that a piece may add to any moving element, rtol |x| + atol, is shared
        out among about ten steps. Later pieces magnify it, steep networks a hundredfold.
      frames: also return the states at this many equal spacings within every piece.
      adjoint: how to differentiate: RecursiveCheckpointAdjoint() unless given, DirectAdjoint(), ForwardMode().
      max_steps: most adaptive steps within a piece.
      progress_meter: e.g. diffrax.TqdmProgressMeter(), restarted for each piece.

    Raises:
      ValueError: as `solve`.
    """
    if isinstance(solver, str):
        if solver not in SOLVERS:
            raise ValueError(f"ode: solver must be one of {', '.join(SOLVERS)}, got {solver!r}")
        solver = SOLVERS[solver]()
    if not forward and not getattr(solver, "generates", True):
        raise ValueError("ode: inverse_euler is for encode, where it undoes the steps of generate; generate by euler")
    if steps is None and not isinstance(solver, diffrax.AbstractAdaptiveSolver):
        raise ValueError(f"ode: {type(solver).__name__} cannot adapt its steps; pass steps=N")
    if not (rtol >= 0 and atol >= 0 and rtol + atol > 0):
        raise ValueError(f"ode: rtol and atol must not be negative nor both 0, got {rtol} and {atol}")
    if isinstance(frames, bool) or not isinstance(frames, (int, np.integer)) or frames < 0:
        raise ValueError(f"ode: frames must be a whole number of at least 0, got {frames!r}")
    path = paths.of(schedule, steps=steps, forward=forward, done=done, waiting=waiting)
    if steps is None:
        adjoint = adjoint or diffrax.RecursiveCheckpointAdjoint()
    elif adjoint is None:  # any number of steps, so that the same program serves them all
        adjoint, max_steps = diffrax.RecursiveCheckpointAdjoint(checkpoints=CHECKPOINTS), None
    else:
        max_steps = 1 << (int(max(path.steps, default=1)) - 1).bit_length()
    return path, {
        "solver": solver,
        "tolerances": (np.asarray(rtol, np.float64), np.asarray(atol, np.float64)),
        "frames": int(frames),
        "adjoint": adjoint,
        "max_steps": max_steps,
        "progress_meter": progress_meter or diffrax.NoProgressMeter(),
    }


@program.compiled
def follow(u: Network, process: Process, path: Path, x, **options) -> Solution:
    """`solve` along a path and with options of `plan`, without checks; traced x and path are welcome. t is empty."""
    x_bar, states, taken, failed = walk(Flow(u, process), path, process.basis.forward(x), **options)
    frames = None if states is None else jax.vmap(jax.vmap(process.basis.inverse))(states)
    return Solution(process.basis.inverse(x_bar), x_bar, np.zeros(0), frames, taken, failed)


def check_solved(failed, solver, max_steps: int | None = None) -> None:
    """Raises RuntimeError naming the examples that a solver did not finish, from `Solution.failed`."""
    examples = np.flatnonzero(np.asarray(failed))
    if len(examples):
        shown = ", ".join(map(str, examples[:8])) + (", ..." if len(examples) > 8 else "")
        reason = f"it needs more than max_steps={max_steps} steps in a segment, or " if max_steps else "it "
        raise RuntimeError(
            f"ode: {type(solver).__name__} did not finish example(s) {shown}: {reason}cannot solve an implicit one; "
            "loosen rtol and atol, or take more steps"
        )


def check_state(process: Process, schedule: Schedule, x, name: str) -> jax.Array:
    """x as a float array; raises ValueError unless it is finite and it, process and schedule fit together."""
    x = x if hasattr(x, "shape") else np.asarray(x)
    process.check(x)
    if schedule.k != process.k:
        raise ValueError(f"ode: the schedule has {schedule.k} intervals but the process has {process.k} groups")
    if not isinstance(x, jax.core.Tracer):
        with jax.ensure_compile_time_eval():  # known now, also where the caller is being compiled
            if not bool(jnp.isfinite(x).all()):
                raise ValueError(f"ode: {name} holds NaN or infinite values")
    return jnp.asarray(x, jnp.result_type(float))


class Flow(eqx.Module):
    """The field of the groupwise ODE; the state is x_bar `[batch, *shape]`.

    A field offers what `walk` asks of it, each of whole batches:

    direction(y, alpha, piece)   what is multiplied with the increments of alpha, at alpha `[k]` within the piece
    product(direction, d_alpha)  the increment of y
    size(y, moves)               of an error in y, a number, by which adaptive steps are judged; moves is bool `[k]`
    examples, with_examples      its arrays that hold one entry an example, or None, and itself with others instead
    """

    u: Any
    process: Process

    def direction(self, x_bar, alpha, piece):
        return direction(self.u, self.process, x_bar, alpha, piece.visible)

    def product(self, direction, d_alpha):
        return self.process.spread(d_alpha, direction) * direction

    def size(self, x_bar, moves):
        return jnp.max(jnp.where(self.process.spread(moves, x_bar), jnp.abs(x_bar), 0))

    @property
    def examples(self):
        return network.examples(self.u)

    def with_examples(self, examples) -> Flow:
        return Flow(network.with_examples(self.u, examples), self.process)


def direction(u: Network, process: Process, x_bar, alpha, visible) -> jax.Array:
    """U^T u(U x_bar, alpha), of which the ODE takes d alpha_g: x_bar `[batch, *shape]`, alpha and visible `[k]`."""
    seen = x_bar * process.spread(visible, x_bar) if process.strict else x_bar
    alpha = jnp.broadcast_to(alpha, (len(x_bar), process.k))
    return process.basis.forward(network.apply(u, process.basis.inverse(seen), alpha).astype(x_bar.dtype))


def _brief(solution: Solution):
    return solution.x if solution.frames is None else (solution.x, solution)
