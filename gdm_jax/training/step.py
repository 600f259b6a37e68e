"""One training step, a pure function of (state, batch) on one device's share of the batch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Integer, Key

from gdm_jax import keys
from gdm_jax._registry import call, choose, takes
from gdm_jax.config import Config, Training
from gdm_jax.devices.platform import platform
from gdm_jax.loss import LOSSES
from gdm_jax.networks.embedding import AUGMENTATION_VALUES
from gdm_jax.pixels import level_width, to_model_range
from gdm_jax.process.family import Family
from gdm_jax.process.process import Process
from gdm_jax.process.schedule import Schedule
from gdm_jax.process.times import DENSITIES, times
from gdm_jax.training.augment import AUGMENTATIONS
from gdm_jax.training.state import TrainState, ema_decay, optimizer

__all__ = ["Draws", "draw", "make_step"]


class Draws(NamedTuple):
    """What chance decides for each example.

    Attributes:
      t: Times in [0, 1).
      jump: Share that a jump takes of what is left of t's piece of the path, in [0, 1]. Half of the jumps take all
        of it, and the others any share alike.
      z: Standard normal noise.
      schedule: Schedules, one for each example.
      jitter: Noise of dequantisation, in [-1/2, 1/2].
      labelled: Whether the network is told the label.
      keys: Keys of dropout.
      augmentation: Keys of augmentation.
    """

    t: Float[Array, " batch"]
    jump: Float[Array, " batch"]
    z: Float[Array, " batch *shape"]
    schedule: Schedule
    jitter: Float[Array, " batch *shape"]
    labelled: Bool[Array, " batch"]
    keys: Key[Array, " batch"]
    augmentation: Key[Array, " batch"]


def draw(
    family: Family,
    step: int | Integer[Array, ""],
    position: Integer[Array | np.ndarray, " batch"],
    shape: Sequence[int],
    *,
    seed: int,
    training: Training,
) -> Draws:
    """Times, noise, schedules and the rest for some examples of the batch of a step.

    Each depends on (seed, step, position) and on nothing else, so it is the same on any number of devices. Times are
    stratified: example n of N takes v = (n + w) / N modulo 1 with one uniform w for the batch, which leaves each v
    uniform and spreads the batch evenly over [0, 1], and `times` makes its t of it.

    Args:
      family: Schedules to draw from.
      step: Number of the step.
      position: Positions of the examples in the batch over all devices.
      shape: Shape of a datum.
      seed: Seed of the experiment.
      training: Section of the config that says how many examples a batch has over all devices, at which times they are
        taught, and how many labels are withheld.

    Raises:
      ValueError: if training.density names what is not here.
    """
    v = jnp.asarray((position / training.batch + jax.random.uniform(keys.root(seed, "time", step))) % 1.0)

    def one(n):
        def key(purpose):
            return keys.root(seed, purpose, step, n)

        return (
            jnp.minimum(2 * jax.random.uniform(key("jump")), 1),
            jax.random.normal(key("noise"), shape),
            family.draw(key("schedule")),
            jax.random.uniform(key("jitter"), shape, minval=-0.5, maxval=0.5),
            jax.random.bernoulli(key("label"), 1 - training.label_dropout),
            key("dropout"),
            key("augmentation"),
        )

    drawn = Draws(v, *jax.vmap(one)(position))
    density = choose(DENSITIES, training.density, "training.density")
    density = functools.partial(density, width=training.width) if "width" in takes(density) else density
    told = {"tails": training.tails, "shares": training.shares, "shift": training.shift}
    return drawn._replace(t=times(v, drawn.schedule, density=density, **told))


def make_step(config: Config, net: Any, process: Process, family: Family) -> Callable:
    """The function (state, batch, axis_name=None) -> (state, metrics).

    batch is {"x": `[n, *shape]`, "label" and "position": int32 `[n]`}. With an axis name, gradients and metrics are
    averaged over that mapped axis. metrics are scalars: loss, grad_norm.

    Args:
      config: Config of the experiment.
      net: Network with `init` and `apply`.
      process: How data become noise.
      family: Schedules to train on.

    Raises:
      ValueError: if training.loss or training.augmentation names what is not here.
    """
    training, model = config.training, config.model
    update = optimizer(training).update
    loss = choose(LOSSES, training.loss, "training.loss")
    augmented = _augmented(choose(AUGMENTATIONS, training.augmentation, "training.augmentation"), training.augment)

    def mean_loss(params, x, told: dict, draws: Draws):
        def u(x_t, alpha, **jump):
            return net.apply(params, x_t, alpha, **told, **jump)

        t, when = draws.t, draws.schedule
        known = {"u": u, "process": process, "schedule": when, "x": x, "z": draws.z, "t": t}
        known |= {"alpha": when.alpha(t), "beta": when.alpha(t - draws.jump * (t - when.piece(t)[0]))}
        return call(loss, known).mean()

    def gradients(params, batch, step):
        x, told = to_model_range(batch["x"]), {}
        draws = draw(family, step, batch["position"], x.shape[1:], seed=config.seed, training=training)
        if training.augment:
            x, told["augmentation"] = augmented(draws.augmentation, x)
        if config.data.dequantise:
            x = x + draws.jitter * level_width(config.data.levels)
        if model.classes:
            told["label"] = jnp.where(draws.labelled, batch["label"], -1)
        if model.dropout:
            told["keys"] = draws.keys
        return jax.value_and_grad(mean_loss)(params, x, told, draws)

    def step_fn(state: TrainState, batch: Mapping[str, Any], axis_name: str | None = None):
        if training.accumulate == 1:
            loss, grads = gradients(state.params, batch, state.step)
        else:
            part = functools.partial(gradients, state.params, step=state.step)
            loss, grads = _accumulated(part, batch, training.accumulate)
        if axis_name is not None:
            loss, grads = jax.lax.pmean((loss, grads), axis_name)
        updates, opt_state = update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        decay = ema_decay(training, state.step)
        ema = jax.tree.map(lambda old, new: new + decay * (old - new), state.ema, params)
        metrics = {"loss": loss, "grad_norm": optax.tree.norm(grads)}
        return TrainState(state.step + 1, params, ema, opt_state), metrics

    return step_fn


def _augmented(augment: Callable, probability: float) -> Callable:
    """(keys, x) -> (x, values), each datum by itself; zeros fill up the values."""

    def function(keys, x):
        x, values = jax.vmap(augment, (0, 0, None))(keys, x, probability)
        return x, jnp.pad(values, ((0, 0), (0, AUGMENTATION_VALUES - values.shape[1])))

    return function


def _accumulated(gradients: Callable, batch: Mapping[str, Any], parts: int):
    """The mean of loss and gradients over equal micro-batches, one after another."""
    micro = jax.tree.map(lambda leaf: leaf.reshape(parts, -1, *leaf.shape[1:]), batch)

    def add(total, part):
        return jax.tree.map(jnp.add, total, gradients(part)), None

    zeros = jax.tree.map(
        lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(gradients, jax.tree.map(lambda leaf: leaf[0], micro))
    )
    # XLA's CPU backend runs the gradient of a convolution many times slower inside a loop than outside one.
    unroll = parts if platform() == "cpu" else 1
    total, _ = jax.lax.scan(add, zeros, micro, unroll=unroll)
    return jax.tree.map(lambda leaf: leaf / parts, total)
