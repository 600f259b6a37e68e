"""What a run carries from one step to the next, and the optimizer that moves it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Integer, PyTree

from gdm_jax import keys
from gdm_jax.config import Training
from gdm_jax.workdir import trees
from gdm_jax.workdir.checkpoint import Checkpoints

__all__ = [
    "TrainState", "begun_from", "create", "ema_decay", "learning_rate", "optimizer", "restore", "save", "with_params",
]  # fmt: skip


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """A pytree. Random numbers need no room in it: they are drawn from (seed, step, position in the batch).

    Attributes:
      step: Number of updates made, int32.
      params: Parameters of the network.
      ema: Running average of the parameters, which samples are drawn with.
      opt_state: State of the optimizer.
    """

    step: Any
    params: Any
    ema: Any
    opt_state: Any


def save(checkpoints: Checkpoints, step: int, state: TrainState, position: dict) -> None:
    """Save the state at a step, and the position of the data stream, in the background; see `Checkpoints.save`."""
    checkpoints.save(step, state.ema, _run(state), position)


def restore(checkpoints: Checkpoints, template: TrainState) -> tuple[TrainState, dict] | None:
    """The newest readable state and its position in the data, or None; see `Checkpoints.restore`."""
    found = checkpoints.restore(template.ema, _run(template))
    if found is None:
        return None
    ema, run, position = found
    return TrainState(ema=ema, **run), position


def _run(state: TrainState) -> dict:
    return {"step": state.step, "params": state.params, "opt_state": state.opt_state}


def create(net: Any, shape: Sequence[int], k: int, *, training: Training, seed: int) -> TrainState:
    """The state at step 0.

    Args:
      net: Network with `init`.
      shape: Shape of a datum.
      k: Number of groups.
      training: Section of the config that describes the optimizer.
      seed: Seed of the parameters, on which alone they depend.
    """
    x = jnp.zeros((1, *shape))
    params = jax.jit(net.init)(keys.root(seed, "parameters"), x, jnp.zeros((1, k)))
    # Every leaf its own buffer: the step donates them.
    return TrainState(jnp.int32(0), params, jax.tree.map(jnp.copy, params), optimizer(training).init(params))


def begun_from(state: TrainState, params: PyTree) -> TrainState:
    """The state at step 0 with parameters of another run, where they have the same paths.

    Args:
      state: State as `create` makes it. What the other run does not have stays as it is.
      params: Parameters of the other run.

    Raises:
      ValueError: if the other run has parameters that this network does not, or of another shape; one is named.
    """
    own, other = trees.by_path(state.params), trees.by_path(params)
    for name, leaf in other.items():
        if name not in own or np.shape(own[name]) != np.shape(leaf):
            here = f"of shape {np.shape(own[name])} here, {np.shape(leaf)} there" if name in own else "not in this one"
            raise ValueError(f"training.start_from: must be a run of the same network; {name} is {here}")
    leaves = [jnp.array(other.get(name, leaf)) for name, leaf in own.items()]
    return with_params(state, jax.tree.unflatten(jax.tree.structure(state.params), leaves))


def with_params(state: TrainState, params: PyTree) -> TrainState:
    """The state at step 0 with other parameters of the same network."""
    return dataclasses.replace(state, params=params, ema=jax.tree.map(jnp.copy, params))


def optimizer(training: Training) -> optax.GradientTransformation:
    """Adam by `learning_rate`; clipping first where asked."""
    adam = optax.adam(learning_rate(training), *training.betas)
    return optax.chain(optax.clip_by_global_norm(training.clip), adam) if training.clip else adam


def learning_rate(training: Training) -> optax.Schedule:
    """Linear warm-up, then constant or a cosine that ends at the last step. The first two do not know when that is."""
    warmup = min(-(-training.warmup_images // training.batch), 2**31 - 1)  # also where training ends before
    peak = training.learning_rate
    after = optax.constant_schedule(peak)
    if training.decay == "cosine" and training.steps > warmup:
        after = optax.cosine_decay_schedule(peak, training.steps - warmup)
    return optax.join_schedules([optax.linear_schedule(0.0, peak, warmup), after], [warmup]) if warmup else after


def ema_decay(training: Training, step: int | Integer[Array | np.ndarray, ""]) -> Float[Array, ""]:
    """Weight of the old average in the update made at `step` (from 0).

    The half-life is ema_halflife_images, but at most ema_ramp times the images seen before this step.
    """
    halflife = jnp.minimum(float(training.ema_halflife_images), training.ema_ramp * step * training.batch)
    return 0.5 ** (training.batch / jnp.maximum(halflife, 1e-8))
