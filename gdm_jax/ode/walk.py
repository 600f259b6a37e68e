"""Any field along a path of alpha, by diffrax: one solve for each straight piece."""

from __future__ import annotations

import inspect
from typing import Any

import diffrax
import jax
import jax.numpy as jnp

from gdm_jax.ode.path import Path

STEPS_A_PIECE = 10  # among which an adaptive solver shares out the tolerance of a piece of the path
CHECKPOINTS = 16  # states a piece that a gradient keeps of fixed steps; it computes up to 152 steps at most twice again
# Not its compiled form, which would keep the network as it was when it was first called.
_diffeqsolve = inspect.unwrap(diffrax.diffeqsolve)


def walk(field, path: Path, y, *, tolerances, **options):
    """Solve dy = field d alpha along a path.

    Args:
      field: a `Flow` or the like.
      path, **options: of `plan`.
      y: a pytree of `[batch, ...]`.

    Returns:
      y at the end, frames of it `[pieces, frames, batch, ...]` or None, steps taken `[pieces]` (adaptive: `[batch,
      pieces]`), and failed, bool `[batch]`.
    """
    if path.steps is not None:  # equal steps within a piece, the same for the whole batch
        dt0 = 1 / path.steps.astype(jnp.result_type(float))
        return _scan(field, path, y, dt0, lambda size: diffrax.ConstantStepSize(), **options)

    rtol, atol = (tolerance / STEPS_A_PIECE for tolerance in tolerances)

    def one(examples, y):
        """Of a batch of one: each example adapts its own steps, so that none depends on the batch it is in."""
        end, states, taken, failed = _scan(
            field.with_examples(examples),
            path,
            y,
            None,  # diffrax chooses the first step of each piece
            lambda size: diffrax.PIDController(rtol=rtol, atol=atol, norm=size),
            **options,
        )
        return end, states, taken, failed[0]

    batch = len(jax.tree.leaves(y)[0])
    for leaf in jax.tree.leaves(field.examples):
        if len(leaf) != batch:
            raise ValueError(f"label: expected one for all or for each of {batch}, got {len(leaf)}")
    alone = jax.tree.map(lambda leaf: leaf[:, None], (field.examples, y))
    end, states, taken, failed = jax.vmap(one, out_axes=(0, 2, 0, 0))(*alone)
    join = jax.tree.map(lambda leaf: leaf[:, 0], end), jax.tree.map(lambda leaf: leaf[:, :, :, 0], states)
    return *join, taken, failed


def _scan(field, path, y, dt0, controller, *, solver, frames, max_steps, **options):
    # The end is saved as it is, the frames before it are interpolated.
    save = diffrax.SaveAt(ts=jnp.linspace(0, 1, frames + 1)[1:-1], t1=True) if frames > 1 else diffrax.SaveAt(t1=True)

    def walk_piece(y, row):
        piece, dt0 = row
        solution = _diffeqsolve(
            _GroupwiseTerm(field, piece),
            solver,
            t0=0.0,
            t1=1.0,
            dt0=dt0,
            y0=y,
            saveat=save,
            stepsize_controller=controller(jax.tree_util.Partial(_size, field, piece.moving)),
            max_steps=max_steps,
            throw=False,
            **options,
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
        return self.field.direction(y, self.piece.alpha_start + t * self._whole, self.piece)

    def contr(self, t0, t1, **kwargs):
        return (t1 - t0) * self._whole

    def prod(self, vf, control):
        return self.field.product(vf, control)


def _size(field, moves, y):
    return field.size(y, moves)
