"""log p(x) under the model, as one term per group  (instantaneous change of variables, Chen et al. 2018).

Along the path of encode, dx = U diag(d alpha_g) f(x, alpha) with f = U^T u, volumes change by

    log p(x) = log N(z) + sum_j integral of  tr_j  d alpha_j,      tr_j = sum_{i in S_j} d f_i / d x_bar_i

and N splits over the elements too, so that the total is a sum over groups,

    log p(x) = sum_j [ log N(z_Sj) + integral of tr_j d alpha_j ].

Where one group moves at a time in strict mode, term j is log p(x_Sj | groups generated before j) exactly; without
strict mode the total stands, but a term is the conditional only as far as the network is optimal (Prop. 3.3).

The traces are exact, by one derivative for each moving element, or Hutchinson's estimate, e^T J e with random signs e.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Bool, Float, Key

from gdm_jax import ode
from gdm_jax.devices import program
from gdm_jax.keys import derive
from gdm_jax.network import Network
from gdm_jax.ode.path import Path, Steps, along
from gdm_jax.ode.walk import walk
from gdm_jax.process.arrays import Integers
from gdm_jax.process.groups import element_counts, of_elements
from gdm_jax.process.process import Process
from gdm_jax.process.schedule import Schedule, check_prefix

__all__ = ["Likelihood", "log_likelihood", "widest"]

DERIVATIVES_AT_ONCE = 16  # columns of an exact trace; more is faster and takes more memory
PARTS = 64  # in which the elements of a group are added up


class Likelihood(NamedTuple):
    """What `log_likelihood` returns, in nats; densities with respect to x in [-1, 1].

    Attributes:
      total: log p(x).
      groups: Its terms, one a group; they sum to the total.
      error: Standard error of the total over the probes; 0 if the traces are exact, NaN with one probe.
      z: The encoded latent.
      failed: Whether the solver stopped before the end. Do not use the numbers of such an example.
    """

    total: Float[Array, " batch"]
    groups: Float[Array, "batch k"]
    error: Float[Array, " batch"]
    z: Float[Array, " batch *shape"]
    failed: Bool[Array, " batch"]


def log_likelihood(
    u: Network,
    process: Process,
    schedule: Schedule | Path,
    x: Float[ArrayLike, " batch *shape"],
    *,
    steps: Steps = None,
    done: Integers = (),
    probes: int = 0,
    key: Key[Array, "*keys"] | None = None,
    most_moving: int | None = None,
    throw: bool = True,
    **options: Any,
) -> Likelihood:
    """log p(x) in nats, and its term for each group.

    Args:
      u, process: As in `gdm_jax.ode.generate`.
      schedule: A schedule, or a Path, whose held groups count as given.
      x: Data. Images of whole grey levels have no density: add noise first, by `gdm_jax.pixels.dequantise`.
      steps: As in `gdm_jax.ode.solve`.
      done: Groups given. The total is then log p(the others | these), and their own terms are 0. As in
        `gdm_jax.conditional`, the schedule must finish exactly these before it begins the others.
      probes: Number of Hutchinson probes. 0 computes exact traces, at one Jacobian-vector product per moving element
        and step.
      key: One random key, or one for each example, where there are probes. What is drawn from it here is drawn by
        nothing else.
      most_moving: Number of elements that move at once, by `widest`; needed only for exact traces along a traced path,
        where it spares derivatives.
      throw: As in `gdm_jax.ode.solve`.
      **options: Options of `gdm_jax.ode.walk.settings` (solver, rtol, atol, ...); the solver must be explicit. An
        adaptive solver also holds the error of each term, divided by the number of its elements, to its tolerance.

    Raises:
      ValueError: as `gdm_jax.ode.solve`; if done is no prefix of the schedule's order; if there are probes and key is
        none, or not one of `jax.random.key`, or neither one nor one for each example.
      RuntimeError: as `gdm_jax.ode.solve`.
    """
    if probes < 0 or (probes and key is None):
        given = f"probes={probes}" + (", key=None" if key is None else "")
        raise ValueError(f"likelihood: probes must be 0 (exact) or more, with a key, got {given}")
    if len(done) and not isinstance(schedule, Path):
        done = check_prefix(schedule, done, "done")
    path = along(schedule, steps=steps, done=done)
    x = ode.check_state(process, path.k, x, "x")
    keys = _keys(key, len(x)) if probes else None
    settings = ode.settings(path, forward=True, **options)
    most_moving = widest(process, path, x) if most_moving is None else most_moving
    found = _log_likelihood(u, process, path, x, keys, probes=probes, widest=most_moving, settings=settings)
    if throw and isinstance(found.failed, Tracer):
        message = "likelihood: the solver failed; call it outside jit to learn where"
        return found._replace(total=eqx.error_if(found.total, found.failed.any(), message))
    if throw:
        ode.check_solved(found.failed, settings)
    return found


def _keys(key, batch: int):
    """One random key an example."""
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key) or key.shape not in ((), (batch,)):
        raise ValueError(f"key: must be one of jax.random.key, or {batch} of them, got {key.dtype} of {key.shape}")
    return key if key.shape else jax.random.split(key, batch)


def widest(process: Process, path: Path, x: Float[ArrayLike, " batch *shape"]) -> int:
    """The largest number of elements of an example that move at once, which is what an exact trace takes.

    All elements of an example where the process or the path is traced.
    """
    shape = np.shape(x)[1:]
    if any(isinstance(leaf, Tracer) for leaf in (process.groups.index, path.alpha_start)):
        return math.prod(shape)
    return int((path.moving * element_counts(process.groups, shape)).sum(1).max(initial=0))


@program.compiled
def _log_likelihood(u, process: Process, path: Path, x, keys, *, probes: int, widest: int, settings) -> Likelihood:
    def draw(key):
        return jax.random.rademacher(derive(key, "probe"), (probes, *x.shape[1:]), x.dtype)

    field = _FlowAndTrace(ode.Flow(u, process), None if keys is None else jax.vmap(draw)(keys), widest)
    x_bar = process.basis.forward(x)
    start = x_bar, jnp.zeros((len(x), max(probes, 1), process.k), x.dtype)
    (z_bar, traces), _, _, failed = walk(field, path, start, settings)
    traces = traces * field.sizes(x)
    normal = field.by_group(-0.5 * (jnp.square(z_bar) + jnp.log(2 * jnp.pi)))
    totals = traces.sum(-1)
    error = totals.std(-1, ddof=1) / probes**0.5 if probes > 1 else jnp.full(len(x), jnp.nan if probes else 0.0)
    groups = jnp.where(path.moving.any(0), normal + traces.mean(1), 0)
    return Likelihood(groups.sum(-1), groups, error, process.basis.inverse(z_bar), failed)


class _FlowAndTrace(eqx.Module):
    """The field of x_bar `[batch, *shape]` together with the integrals of tr_j / |S_j|, `[batch, probes or 1, k]`.

    Divided by the number of elements, the traces of many elements are judged by an adaptive solver as those of one.
    """

    flow: ode.Flow
    signs: Any  # [batch, probes, *shape], or None for exact traces
    widest: int = eqx.field(static=True)

    def direction(self, y, alpha, piece):
        f, jacobian = jax.linearize(lambda x_bar: self.flow.direction(x_bar, alpha, piece), y[0])
        moves = jnp.broadcast_to(self.flow.process.spread(piece.moving, f), (1, *f.shape[1:]))[0]
        traces = (self._exact if self.signs is None else self._estimate)(jacobian, moves, f)
        return f, traces / self.sizes(f)

    def mean(self, y, alpha, beta, piece):
        raise NotImplementedError("the trace of a jump; settings() lets no likelihood come here")

    def _exact(self, jacobian, moves, f):
        """One derivative for each moving element; those left over, where fewer move, count nothing."""
        flat = moves.ravel()
        elements = jnp.argsort(~flat, stable=True)[: self.widest]

        def derivative(i):
            along = jnp.zeros(flat.size, f.dtype).at[i].set(1).reshape(moves.shape)
            return jacobian(jnp.broadcast_to(along, f.shape)).reshape(len(f), flat.size)[:, i] * flat[i]

        if not len(f):
            return jnp.zeros((0, 1, self.flow.process.k), f.dtype)
        found = jax.lax.map(derivative, elements, batch_size=min(DERIVATIVES_AT_ONCE, self.widest))
        diagonal = jnp.zeros((len(f), flat.size), f.dtype).at[:, elements].set(found.T)
        return self.by_group(diagonal.reshape(f.shape))[:, None]

    def _estimate(self, jacobian, moves, f):
        """e^T J e, split by group: the signs e are independent, so each group's part estimates its own trace."""
        signs = jnp.moveaxis(self.signs * moves, 1, 0)
        return jnp.moveaxis(jax.lax.map(lambda e: self.by_group(e * jacobian(e)), signs), 0, 1)

    def by_group(self, values):
        """Sums over each group's elements: `[batch, *shape]` -> `[batch, k]`.

        In parts, and then over the parts: thousands of terms added one to another would lose the digits of a small one.
        """
        size, k = math.prod(values.shape[1:]), self.flow.process.k
        parts = min(PARTS, size)
        index = of_elements(jnp.asarray(self.flow.process.groups.index), values.shape[1:])
        part = index.ravel() * parts + jnp.arange(size) % parts
        sums = jax.ops.segment_sum(values.reshape(len(values), size).T, part, num_segments=k * parts)
        return sums.reshape(k, parts, len(values)).sum(1).T

    def sizes(self, x):
        """Elements of each group in an example, channels counted, `[k]`."""
        return self.by_group(jnp.ones((1, *x.shape[1:]), x.dtype))[0]

    def product(self, direction, d_alpha):
        f, traces = direction
        return self.flow.product(f, d_alpha), traces * d_alpha

    def size(self, y, moves):
        x_bar, traces = y
        return jnp.maximum(self.flow.size(x_bar, moves), jnp.abs(traces).max())

    @property
    def examples(self):
        return self.flow.examples, self.signs

    def with_examples(self, examples):
        return _FlowAndTrace(self.flow.with_examples(examples[0]), examples[1], self.widest)
