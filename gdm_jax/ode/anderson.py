"""Fixed points by Anderson acceleration, for each example by itself  (Anderson 1965, type II; Walker & Ni 2011)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

__all__ = ["fixed_point"]


class _Search(NamedTuple):
    """Anderson's state for each example; the last axes are flattened to d elements.

    Attributes:
      y: Where to look next.
      image, residual: function(y) and function(y) - y for the previous y.
      d_image, d_residual: Their latest changes, of which the oldest is overwritten first.
      best, best_residual: The y with the smallest largest residual so far, and that residual.
      calls: Number of calls made.
    """

    y: Float[Array, "batch d"]
    image: Float[Array, "batch d"]
    residual: Float[Array, "batch d"]
    d_image: Float[Array, "batch memory d"]
    d_residual: Float[Array, "batch memory d"]
    best: Float[Array, "batch d"]
    best_residual: Float[Array, " batch"]
    calls: Int[Array, ""]


def fixed_point(
    function: Callable, start: Float[Array, " batch *shape"], tolerance: Any, max_iterations: int, memory: int
) -> tuple[Float[Array, " batch *shape"], Float[Array, " batch"], Int[Array, ""]]:
    """y with function(y) = y for each example; y has derivatives.

    Args:
      function: A function of y, `[batch, *shape]`, that treats each example by itself.
      start: Where to look first.
      tolerance: Residual at which the search ends, a number that may be traced.
      max_iterations: Largest number of calls of the function.
      memory: Number of earlier iterates to mix; 0 is plain iteration.

    Returns:
      y, its largest residual |function(y) - y| in each example, and the number of calls.
    """
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
