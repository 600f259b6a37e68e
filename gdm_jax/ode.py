"""The groupwise ODE as a controlled equation  (Eqs. 9, 13, 17).

    dx = U diag(d alpha_g) U^T u(x, alpha)

The driver is the path alpha itself: a step from t to t' is given the increment alpha(t') - alpha(t), so the slope A'(t)
and its jumps appear nowhere. Encoding runs t: 0 -> 1, generation t: 1 -> 0.

The interval ends of all groups cut [0, 1] into segments, within each of which alpha moves along a straight line. The
solver scans over the segments, one diffrax solve each, so that every step ends on a boundary, adaptive solvers see a
smooth equation, and one compilation serves any k. The state is x_bar = U^T x: an element whose alpha stands still is
carried bit for bit, and the error of an adaptive step is judged by the moving elements alone.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from gdm_jax.network import Network, apply, as_pytree
from gdm_jax.process import Process
from gdm_jax.schedule import Schedule

STEPS_A_SEGMENT = 10  # among which an adaptive solver shares out the tolerance of a segment

SOLVERS = {
    "euler": diffrax.Euler,
    "heun": diffrax.Heun,
    "midpoint": diffrax.Midpoint,
    "ralston": diffrax.Ralston,
    "bosh3": diffrax.Bosh3,
    "rk4": lambda: _RK4(),
    "tsit5": diffrax.Tsit5,
    "dopri5": diffrax.Dopri5,
    "dopri8": diffrax.Dopri8,
}  # gdm_jax.inversion adds "inverse_euler"


class _RK4(diffrax.AbstractERK):
    """The classical fourth-order Runge-Kutta method; adaptive steps judge it by the midpoint rule it contains."""

    tableau = diffrax.ButcherTableau(
        a_lower=(np.array([0.5]), np.array([0.0, 0.5]), np.array([0.0, 0.0, 1.0])),
        b_sol=np.array([1 / 6, 1 / 3, 1 / 3, 1 / 6]),
        b_error=np.array([1 / 6, 1 / 3, 1 / 3, 1 / 6]) - np.array([0.0, 1.0, 0.0, 0.0]),
        c=np.array([0.5, 0.5, 1.0]),
    )
    interpolation_cls = diffrax.ThirdOrderHermitePolynomialInterpolation.from_k

    def order(self, terms):
        return 4

    def error_order(self, terms):
        return 3


class Segments(NamedTuple):
    """Pieces of the path in order of time, alpha linear on each.

    Attributes:
      alpha_start, alpha_end: `[segments, k]`, alpha at the piece's ends, earlier in t first.
      visible: `[segments, k]`, 1 for groups whose generation has begun once generation is within the piece.
      t_start, t_end: `[segments]`.
    """

    alpha_start: Any
    alpha_end: Any
    visible: Any
    t_start: Any
    t_end: Any


class Solution(NamedTuple):
    """What `solve` returns.

    Attributes:
      x: `[batch, *shape]`, the state at the end.
      x_bar: the same in the basis, U^T x before it was rotated back: here what never moved is equal to the last bit.
      t: `[segments, frames]` times of the frames, in the order they were passed; empty without frames.
      frames: `[segments, frames, batch, *shape]`, x_t at those times, or None.
      steps: int32 `[segments]` (`[batch, segments]` for adaptive solvers), steps taken in each segment.
      failed: bool `[batch]`, the solver stopped before the end of a segment: do not use this x.
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
      **options: of `solve` (solver, steps, rtol, atol, frames, adjoint, max_steps, progress_meter).

    Returns:
      x `[batch, *shape]`; with frames > 0, the pair (x, Solution).

    Raises:
      ValueError: as `solve`.
    """
    return _brief(solve(u, process, schedule, z, forward=False, **options))


def encode(u: Network, process: Process, schedule: Schedule, x, **options) -> jax.Array | tuple:
    """Data -> noise: solves the groupwise ODE from t = 0 to t = 1. Arguments and returns mirror `generate`."""
    return _brief(solve(u, process, schedule, x, forward=True, **options))


def latents(seeds, shape) -> jax.Array:
    """Standard normal noise `[len(seeds), *shape]`, each example drawn from its own integer seed.

    An image sampled from a seed does not depend on the batch it was sampled in.

    Raises:
      ValueError: if a seed is not a whole number from 0 to 2^32 - 1.
    """
    seeds = np.asarray(seeds)
    if seeds.ndim != 1 or not np.issubdtype(seeds.dtype, np.integer) or (seeds < 0).any() or (seeds >= 2**32).any():
        raise ValueError(f"ode: seeds must be a list of whole numbers from 0 to 2^32 - 1, got {seeds!r}")
    return jax.vmap(lambda seed: jax.random.normal(jax.random.key(seed), shape))(seeds.astype(np.uint32))


def solve(
    u: Network,
    process: Process,
    schedule: Schedule,
    x,
    *,
    forward: bool,
    solver: str | diffrax.AbstractSolver = "heun",
    steps: int | tuple[int, ...] | None = None,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    frames: int = 0,
    adjoint: diffrax.AbstractAdjoint | None = None,
    max_steps: int = 4096,
    progress_meter: diffrax.AbstractProgressMeter | None = None,
    throw: bool = True,
) -> Solution:
    """Integrate the groupwise ODE over the whole schedule.

    Args:
      u, process, schedule: as `generate`.
      x: `[batch, *shape]`, the state at t = 0 if forward, else at t = 1.
      forward: encode (t: 0 -> 1) rather than generate.
      solver: a name of SOLVERS or any diffrax solver.
      steps: a fixed grid: the total number of steps, shared out by the length of the segments, or one number per
        group, N_j, where one group moves at a time. None adapts the step to rtol and atol, for each example by itself.
      rtol, atol: of adaptive steps: the error that a segment may add to any moving element, rtol |x| + atol, is shared
        out among about ten steps. Later segments magnify it, steep networks a hundredfold.
      frames: also return the states at this many equal spacings within every segment.
      adjoint: how to differentiate: RecursiveCheckpointAdjoint() unless given, DirectAdjoint(), ForwardMode().
      max_steps: most adaptive steps within a segment.
      progress_meter: e.g. diffrax.TqdmProgressMeter(), restarted for each segment.
      throw: raise where the solver fails; False leaves it to the caller to look at `failed`.

    Raises:
      ValueError: unknown solver, fewer steps than segments, steps per group that do not fit, shapes that do not match,
        NaN or infinity in x.
      RuntimeError: while running, if an adaptive solve needs more than max_steps or an implicit one does not converge.
    """
    x = check_state(process, schedule, x, "x" if forward else "z")
    solver, pieces, counts = check_options(schedule, solver=solver, steps=steps, rtol=rtol, atol=atol)
    adaptive = counts is None
    if not forward:
        pieces = Segments(*(leaf[::-1] for leaf in pieces))
        pieces = pieces._replace(alpha_start=pieces.alpha_end, alpha_end=pieces.alpha_start)
        counts = None if adaptive else counts[::-1]
    run = functools.partial(
        _solve_adaptive if adaptive else _solve_fixed,
        as_pytree(u),
        process,
        pieces,
        solver=solver,
        frames=frames,
        adjoint=adjoint or diffrax.RecursiveCheckpointAdjoint(),
        progress_meter=progress_meter or diffrax.NoProgressMeter(),
    )
    if adaptive:
        x_bar, states, taken, failed = run(x, tolerances=(rtol, atol), max_steps=max_steps)
    else:
        x_bar, states, taken, failed = run(x, counts=jnp.asarray(counts), max_steps=int(max(counts)))
    if throw and isinstance(failed, jax.core.Tracer):
        x_bar = eqx.error_if(x_bar, failed.any(), "ode: the solver failed; call it outside jit to learn where")
    elif throw:
        check_solved(failed, solver, max_steps)
    t = frame_times(schedule, frames, forward)
    return Solution(process.basis.inverse(x_bar), x_bar, t, states, taken, failed)


def check_solved(failed, solver, max_steps: int = 4096) -> None:
    """Raises RuntimeError naming the examples that a solver did not finish, from `Solution.failed`."""
    examples = np.flatnonzero(np.asarray(failed))
    if len(examples):
        name = solver if isinstance(solver, str) else type(solver).__name__
        shown = ", ".join(map(str, examples[:8])) + (", ..." if len(examples) > 8 else "")
        raise RuntimeError(
            f"ode: {name} did not finish example(s) {shown}: it needs more than max_steps={max_steps} steps in a "
            "segment, or cannot solve an implicit one; loosen rtol and atol, or take more steps"
        )


def frame_times(schedule: Schedule, frames: int, forward: bool) -> np.ndarray:
    """Times `[segments, frames]` of the frames of `solve`, in the order they are passed."""
    pieces = segments(schedule)
    start, end = (pieces.t_start, pieces.t_end) if forward else (pieces.t_end[::-1], pieces.t_start[::-1])
    return start[:, None] + np.linspace(0, 1, frames + 1)[1:] * (end - start)[:, None]


def check_state(process: Process, schedule: Schedule, x, name: str) -> jax.Array:
    """x as a float array; raises ValueError unless it is finite and it, process and schedule fit together."""
    x = jnp.asarray(x, jnp.result_type(float))
    process.check(x)
    if schedule.k != process.k:
        raise ValueError(f"ode: the schedule has {schedule.k} intervals but the process has {process.k} groups")
    if not isinstance(x, jax.core.Tracer) and not bool(jnp.isfinite(x).all()):
        raise ValueError(f"ode: {name} holds NaN or infinite values")
    return x


def check_options(schedule: Schedule, *, solver, steps, rtol=1e-5, atol=1e-5, **_):
    """The diffrax solver, the segments, and the steps of each (None to adapt); raises ValueError as `solve`."""
    if isinstance(solver, str):
        if solver not in SOLVERS:
            raise ValueError(f"ode: solver must be one of {', '.join(SOLVERS)}, got {solver!r}")
        solver = SOLVERS[solver]()
    if steps is None and not isinstance(solver, diffrax.AbstractAdaptiveSolver):
        raise ValueError(f"ode: {type(solver).__name__} cannot adapt its steps; pass steps=N")
    if not (rtol >= 0 and atol >= 0 and rtol + atol > 0):
        raise ValueError(f"ode: rtol and atol must not be negative nor both 0, got {rtol} and {atol}")
    pieces = segments(schedule)
    return solver, pieces, None if steps is None else share_steps(steps, schedule, pieces)


def segments(schedule: Schedule) -> Segments:
    """Cut the schedule at every interval end, leaving out the pauses in which nothing moves.

    Raises:
      ValueError: for a schedule per example, or one that is traced.
    """
    if isinstance(schedule.t_start, jax.core.Tracer):
        raise ValueError("ode: the schedule must be concrete; close over it instead of passing it through jax.jit")
    start, end = np.asarray(schedule.t_start), np.asarray(schedule.t_end)
    if start.ndim != 1:
        raise ValueError(f"ode: expected one schedule for the batch, [k], got intervals of shape {start.shape}")
    edges = np.unique(np.concatenate([start, end]))
    low, high = edges[:-1, None], edges[1:, None]

    def alpha(t):
        return np.clip((end - t) / (end - start), 0, 1, dtype=np.float32)

    moves = ((start < high) & (end > low)).any(1)
    pieces = Segments(alpha(low), alpha(high), (end > low).astype(np.float32), low[:, 0], high[:, 0])
    return Segments(*(leaf[moves] for leaf in pieces))


def share_steps(steps, schedule: Schedule, pieces: Segments) -> np.ndarray:
    """Steps of each segment: a total shared out in proportion to length, at least one each, or one number per group.

    Raises:
      ValueError: if there are fewer steps than segments, or numbers per group where groups overlap.
    """
    count = len(pieces.t_start)
    if not np.issubdtype(np.asarray(steps).dtype, np.integer):
        raise ValueError(f"ode: steps must be whole numbers, a total or one a group, got {steps!r}")
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
    steps = np.asarray(steps, np.int32)
    moving = pieces.alpha_start != pieces.alpha_end
    if (moving.sum(1) > 1).any() or count != schedule.k:
        raise ValueError("ode: steps per group need groups that move one at a time; pass a total instead")
    if steps.shape != (schedule.k,) or (steps < 1).any():
        raise ValueError(f"ode: steps must be a total or {schedule.k} positive numbers, one per group, got {steps}")
    return steps[moving.argmax(1)]


@eqx.filter_jit
def _solve_fixed(u, process, pieces, x, *, counts, max_steps, **options):
    """A grid of counts[n] equal steps in segment n, the same for the whole batch."""

    def controller(moving):
        return diffrax.ConstantStepSize()

    return _scan(u, process, pieces, x, 1 / counts.astype(x.dtype), controller, max_steps=max_steps, **options)


@eqx.filter_jit
def _solve_adaptive(u, process, pieces, x, *, tolerances, max_steps, **options):
    """Steps adapted for each example by itself, so that none depends on the batch it is in."""
    rtol, atol = tolerances

    def controller(moving):
        norm = jax.tree_util.Partial(_largest_of, moving)
        return diffrax.PIDController(rtol=rtol / STEPS_A_SEGMENT, atol=atol / STEPS_A_SEGMENT, norm=norm)

    def one(x):
        dt0 = None  # diffrax chooses, at the start of each segment
        end, states, taken, failed = _scan(u, process, pieces, x[None], dt0, controller, max_steps=max_steps, **options)
        return end[0], None if states is None else states[:, :, 0], taken, failed[0]

    end, states, taken, failed = jax.vmap(one)(x)
    return end, None if states is None else jnp.moveaxis(states, 0, 2), taken, failed


def _scan(u, process, pieces, x, dt0, controller, *, solver, frames, max_steps, **options):
    # The end is saved as it is, the frames before it are interpolated.
    save = diffrax.SaveAt(ts=jnp.linspace(0, 1, frames + 1)[1:-1], t1=True) if frames > 1 else diffrax.SaveAt(t1=True)
    basis = process.basis

    def segment(x_bar, piece):
        piece, dt0 = piece
        step = piece.alpha_end - piece.alpha_start
        solution = diffrax.diffeqsolve(
            _GroupwiseTerm(u, process, piece.alpha_start, step, piece.visible),
            solver,
            t0=0.0,
            t1=1.0,
            dt0=dt0,
            y0=x_bar,
            saveat=save,
            stepsize_controller=controller(process.spread(jnp.abs(step) > 0, x_bar)),
            max_steps=max_steps,
            throw=False,
            **options,
        )
        states = jax.vmap(basis.inverse)(solution.ys) if frames else None
        failed = solution.result != diffrax.RESULTS.successful
        return solution.ys[-1], (states, solution.stats["num_steps"], failed)

    x_bar, (states, taken, failed) = jax.lax.scan(segment, basis.forward(x), (pieces, dt0))
    return x_bar, states, taken, jnp.broadcast_to(failed.any(), len(x))


class _GroupwiseTerm(diffrax.AbstractTerm):
    """vf = U^T u(U x_bar, alpha), control = the increment of alpha_g, prod = their elementwise product.

    Time runs over [0, 1] within the segment, along which alpha = alpha_start + time * step.
    """

    u: Any
    process: Process
    alpha_start: jax.Array
    step: jax.Array
    visible: jax.Array

    def vf(self, t, y, args):
        return direction(self.u, self.process, y, self.alpha_start + t * self.step, self.visible)

    def contr(self, t0, t1, **kwargs):
        return (t1 - t0) * self.step

    def prod(self, vf, control):
        return self.process.spread(control, vf) * vf


def direction(u: Network, process: Process, x_bar, alpha, visible) -> jax.Array:
    """U^T u(U x_bar, alpha), of which the ODE takes d alpha_g: x_bar `[batch, *shape]`, alpha and visible `[k]`."""
    seen = x_bar * process.spread(visible, x_bar) if process.strict else x_bar
    alpha = jnp.broadcast_to(alpha, (len(x_bar), process.k))
    return process.basis.forward(apply(u, process.basis.inverse(seen), alpha).astype(x_bar.dtype))


def _largest_of(moving, y):
    """The largest magnitude among the moving elements."""
    return jnp.max(jnp.where(moving, jnp.abs(y), 0))


def _brief(solution: Solution):
    return solution.x if solution.frames is None else (solution.x, solution)
