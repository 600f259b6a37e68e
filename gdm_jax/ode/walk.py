"""Any field along a path of alpha, by diffrax.

`walk` scans over the straight pieces of the path, one diffrax solve each, so that every step ends on a boundary, an
adaptive solver sees a smooth equation, and one compilation serves any number of groups.
"""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple, Protocol, runtime_checkable

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, PyTree

from gdm_jax._registry import choose
from gdm_jax.ode.path import Path
from gdm_jax.ode.solvers import SOLVERS

__all__ = ["Field", "Settings", "settings", "walk"]

STEPS_A_PIECE = 10  # among which an adaptive solver shares out the tolerance of a piece of the path
CHECKPOINTS = 16  # states a piece that a gradient keeps of fixed steps; it computes up to 152 steps at most twice again

# Not its compiled form, which would keep the network as it was when it was first called.
_diffeqsolve = inspect.unwrap(diffrax.diffeqsolve)


@runtime_checkable
class Field(Protocol):
    """What `walk` asks of a field. The state y is a pytree of whole batches, `[batch, ...]`."""

    def direction(self, y: PyTree, alpha: Float[Array, " k"], piece: Path) -> PyTree:
        """What is multiplied with the increments of alpha, at a point of the piece."""
        ...

    def mean(self, y: PyTree, alpha: Float[Array, " k"], beta: Float[Array, " k"], piece: Path) -> PyTree:
        """The mean of the direction from alpha to beta, for the solver "mean_flow" alone."""
        ...

    def product(self, direction: PyTree, d_alpha: Float[Array, " k"]) -> PyTree:
        """The increment of y."""
        ...

    def size(self, y: PyTree, moves: Bool[Array, " k"]) -> Float[Array, ""]:
        """The size of an error in y, by which adaptive steps are judged while these groups move."""
        ...

    @property
    def examples(self) -> PyTree:
        """The field's arrays that hold one entry an example, or None."""
        ...

    def with_examples(self, examples: PyTree) -> Field:
        """The field with other such arrays."""
        ...


class Settings(NamedTuple):
    """How a path is walked; `settings` checks and makes it.

    Attributes:
      solver: The diffrax solver.
      tolerances: rtol and atol of adaptive steps.
      frames: Number of states kept within every piece.
      adjoint: The diffrax adjoint, by which a solve is differentiated.
      max_steps: Largest number of steps within a piece, or None for any number.
      progress_meter: A diffrax progress meter.
    """

    solver: diffrax.AbstractSolver
    tolerances: tuple[Any, Any]
    frames: int
    adjoint: diffrax.AbstractAdjoint
    max_steps: int | None
    progress_meter: diffrax.AbstractProgressMeter


def settings(
    path: Path,
    *,
    forward: bool,
    solver: str | diffrax.AbstractSolver = "heun",
    rtol: Any = 1e-5,
    atol: Any = 1e-5,
    frames: int = 0,
    adjoint: diffrax.AbstractAdjoint | None = None,
    max_steps: int = 4096,
    progress_meter: diffrax.AbstractProgressMeter | None = None,
) -> Settings:
    """The settings of a solve along a path.

    Args:
      path: The path; whether its steps adapt decides what else is allowed.
      forward: Whether the solve goes from data to noise.
      solver: A name of SOLVERS or any diffrax solver.
      rtol, atol: Tolerances of adaptive steps, numbers that may be traced. The error that a piece may add to any moving
        element, rtol |x| + atol, is shared out among about ten steps. Later pieces magnify it, steep networks a
        hundredfold.
      frames: Number of states to return within every piece, evenly spaced, the last at its end.
      adjoint: How to differentiate: RecursiveCheckpointAdjoint() unless given, DirectAdjoint() or ForwardMode().
      max_steps: Largest number of adaptive steps within a piece.
      progress_meter: A meter such as diffrax.TqdmProgressMeter(), which starts anew for each piece.

    Raises:
      ValueError: for an unknown solver, one that cannot adapt its steps where they adapt, one that only encodes where
        forward is false or only generates where it is true, tolerances that are negative or both 0, or frames that are
        no number of at least 0.
    """
    method = choose(SOLVERS, solver, "solver")() if isinstance(solver, str) else solver
    if not forward and not getattr(method, "generates", True):
        raise ValueError("ode: inverse_euler is for encode, where it undoes the steps of generate; generate by euler")
    if forward and not getattr(method, "encodes", True):
        raise ValueError("ode: mean_flow goes from noise to data alone; for data to noise take abm3 or tsit5")
    if path.steps is None and not isinstance(method, diffrax.AbstractAdaptiveSolver):
        raise ValueError(f"ode: {type(method).__name__} cannot adapt its steps; pass steps=N, or take tsit5")
    if not any(isinstance(value, Tracer) for value in (rtol, atol)):
        if not (rtol >= 0 and atol >= 0 and rtol + atol > 0):
            raise ValueError(f"ode: rtol and atol must not be negative nor both 0, got {rtol} and {atol}")
        rtol, atol = np.asarray(rtol, np.float64), np.asarray(atol, np.float64)
    if isinstance(frames, bool) or not isinstance(frames, (int, np.integer)) or frames < 0:
        raise ValueError(f"frames: must be a whole number of at least 0, got {frames!r}")
    most: int | None = max_steps
    if path.steps is None:
        adjoint = adjoint or diffrax.RecursiveCheckpointAdjoint()
    elif adjoint is None:  # any number of steps, so that the same program serves them all
        adjoint, most = diffrax.RecursiveCheckpointAdjoint(checkpoints=CHECKPOINTS), None
    elif not isinstance(path.steps, Tracer):
        most = 1 << (int(max(path.steps, default=1)) - 1).bit_length()
    return Settings(method, (rtol, atol), int(frames), adjoint, most, progress_meter or diffrax.NoProgressMeter())


def walk(
    field: Field, path: Path, y: PyTree, settings: Settings
) -> tuple[PyTree, PyTree, Int[Array, " *pieces"], Bool[Array, " batch"]]:
    """Solve dy = field d alpha along a path.

    Args:
      field: The field.
      path: The path, in the order in which it is walked.
      y: The state at its start, a pytree of `[batch, ...]`.
      settings: What `settings` made.

    Returns:
      y at the end; its frames `[pieces, frames, batch, ...]` or None; the steps taken, `[pieces]`, or `[batch, pieces]`
      where they adapt; and for each example whether the solver failed.
    """
    if path.steps is not None:  # equal steps within a piece, the same for the whole batch
        dt0 = 1 / path.steps.astype(jnp.result_type(float))
        return _scan(field, path, y, dt0, lambda size: diffrax.ConstantStepSize(), settings)

    rtol, atol = (tolerance / STEPS_A_PIECE for tolerance in settings.tolerances)

    def controller(size):
        return diffrax.PIDController(rtol=rtol, atol=atol, norm=size)

    def one(examples, y):
        """A batch of one: each example adapts its own steps, so that none depends on the batch it is in."""
        # diffrax chooses the first step of each piece
        end, states, taken, failed = _scan(field.with_examples(examples), path, y, None, controller, settings)
        return end, states, taken, failed[0]

    batch = len(jax.tree.leaves(y)[0])
    for leaf in jax.tree.leaves(field.examples):
        if len(leaf) != batch:
            raise ValueError(f"label: expected one for all or for each of {batch}, got {len(leaf)}")
    alone = jax.tree.map(lambda leaf: leaf[:, None], (field.examples, y))
    end, states, taken, failed = jax.vmap(one, out_axes=(0, 2, 0, 0))(*alone)
    join = jax.tree.map(lambda leaf: leaf[:, 0], end), jax.tree.map(lambda leaf: leaf[:, :, :, 0], states)
    return *join, taken, failed


def _scan(field, path, y, dt0, controller, settings: Settings):
    frames = settings.frames
    # The end is saved as it is, the frames before it are interpolated.
    save = diffrax.SaveAt(ts=jnp.linspace(0, 1, frames + 1)[1:-1], t1=True) if frames > 1 else diffrax.SaveAt(t1=True)

    def walk_piece(y, row):
        piece, dt0 = row
        solution = _diffeqsolve(
            _GroupwiseTerm(field, piece),
            settings.solver,
            t0=0.0,
            t1=1.0,
            dt0=dt0,
            y0=y,
            saveat=save,
            stepsize_controller=controller(jax.tree_util.Partial(_size, field, piece.moving)),
            adjoint=settings.adjoint,
            max_steps=settings.max_steps,
            throw=False,
            progress_meter=settings.progress_meter,
        )
        failed = solution.result != diffrax.RESULTS.successful
        end = jax.tree.map(lambda leaf: leaf[-1], solution.ys)
        return end, (solution.ys if frames else None, solution.stats["num_steps"], failed)

    y, (states, taken, failed) = jax.lax.scan(walk_piece, y, (path, dt0))
    return y, states, taken, jnp.broadcast_to(failed.any(), len(jax.tree.leaves(y)[0]))


class _GroupwiseTerm(diffrax.AbstractTerm):
    """A field as diffrax takes it: the control of a step is the increment of alpha over it.

    Time runs over [0, 1] within the piece, along which alpha moves evenly from its start to its end.
    """

    field: Any
    piece: Path

    @property
    def _whole(self):
        return self.piece.alpha_end - self.piece.alpha_start

    def vf(self, t, y, args):
        return self.field.direction(y, self._alpha(t), self.piece)

    def mean(self, t0, t1, y):
        return self.field.mean(y, self._alpha(t0), self._alpha(t1), self.piece)

    def _alpha(self, t):
        return self.piece.alpha_start + t * self._whole

    def contr(self, t0, t1, **kwargs):
        return (t1 - t0) * self._whole

    def prod(self, vf, control):
        return self.field.product(vf, control)


def _size(field, moves, y):
    return field.size(y, moves)
