"""One training step, a pure function of (state, batch) on one device's share of the batch."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from gdm_jax import keys
from gdm_jax import loss as losses
from gdm_jax.config.schema import Config
from gdm_jax.pixels import level_width, to_model_range
from gdm_jax.process.family import Family
from gdm_jax.process.process import Process
from gdm_jax.process.schedule import Schedule
from gdm_jax.training.augment import augment
from gdm_jax.training.state import TrainState, ema_decay, optimizer


class Draws(NamedTuple):
    """What chance decides for each example.

    Attributes:
      t: `[batch]`.
      z: `[batch, *shape]`, normal.
      schedule: one an example, `[batch, k]`.
      jitter: `[batch, *shape]` in [-1/2, 1/2], of dequantisation.
      labelled: bool `[batch]`, whether it is told its label.
      keys: `[batch]`, of dropout.
      augmentation: `[batch]`, keys.
    """

    t: jax.Array
    z: jax.Array
    schedule: Schedule
    jitter: jax.Array
    labelled: jax.Array
    keys: jax.Array
    augmentation: jax.Array


def draw(config: Config, family: Family, step, position, shape) -> Draws:
    """Times, noise, schedules and the rest for the examples at `position` `[batch]` of the global batch of `step`.

    Each depends on (seed, step, position) and on nothing else, so it is the same on any number of devices. Times are
    stratified: example n of N draws t = (n + v) / N modulo 1 with one uniform v for the batch, which leaves each t
    uniform and spreads the batch evenly over [0, 1].
    """
    t = (position / config.training.batch + jax.random.uniform(keys.root(config.seed, "time", step))) % 1.0

    def one(n):
        def key(purpose):
            return keys.root(config.seed, purpose, step, n)

        return (
            jax.random.normal(key("noise"), shape),
            family.draw(key("schedule")),
            jax.random.uniform(key("jitter"), shape, minval=-0.5, maxval=0.5),
            jax.random.bernoulli(key("label"), 1 - config.training.label_dropout),
            key("dropout"),
            key("augmentation"),
        )

    return Draws(t, *jax.vmap(one)(position))


def make_step(config: Config, net, process: Process, family: Family):
    """The function (state, batch, axis_name=None) -> (state, metrics).

    batch is {"x": `[n, *shape]`, "label" and "position": int32 `[n]`}. With an axis name, gradients and metrics are
    averaged over that mapped axis. metrics are scalars: loss, grad_norm.
    """
    training = config.training
    update = optimizer(config).update

    def mean_loss(params, x, label, told: dict, draws: Draws):
        def u(x_t, alpha):
            return net.apply(params, x_t, alpha, label, draws.keys if config.model.dropout else None, **told)

        if training.loss == "weighted":
            return losses.weighted(u, process, draws.schedule, x, draws.z, draws.t).mean()
        return getattr(losses, training.loss)(u, process, x, draws.z, draws.schedule.alpha(draws.t)).mean()

    def gradients(params, batch, step):
        x = to_model_range(batch["x"])
        draws = draw(config, family, step, batch["position"], x.shape[1:])
        told = {}
        if training.augment:
            x, told["augmentation"] = jax.vmap(augment, (0, 0, None))(draws.augmentation, x, training.augment)
        if config.data.dequantise:
            x = x + draws.jitter * level_width(config.data.levels)
        label = jnp.where(draws.labelled, batch["label"], -1) if config.model.classes else None
        return jax.value_and_grad(mean_loss)(params, x, label, told, draws)

    def step_fn(state: TrainState, batch: dict, axis_name: str | None = None):
        if training.accumulate == 1:
            loss, grads = gradients(state.params, batch, state.step)
        else:
            loss, grads = _accumulated(lambda micro: gradients(state.params, micro, state.step), batch, training)
        if axis_name is not None:
            loss, grads = jax.lax.pmean((loss, grads), axis_name)
        updates, opt_state = update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        decay = ema_decay(config, state.step)
        ema = jax.tree.map(lambda old, new: new + decay * (old - new), state.ema, params)
        metrics = {"loss": loss, "grad_norm": optax.tree.norm(grads)}
        return TrainState(state.step + 1, params, ema, opt_state), metrics

    return step_fn


def _accumulated(gradients, batch, training):
    """The mean of loss and gradients over equal micro-batches, one after another."""
    micro = jax.tree.map(lambda leaf: leaf.reshape(training.accumulate, -1, *leaf.shape[1:]), batch)

    def add(total, part):
        return jax.tree.map(jnp.add, total, gradients(part)), None

    zeros = jax.tree.map(
        lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(gradients, jax.tree.map(lambda leaf: leaf[0], micro))
    )
    # XLA's CPU backend runs the gradient of a convolution many times slower inside a loop than outside one.
    unroll = training.accumulate if jax.default_backend() == "cpu" else 1
    total, _ = jax.lax.scan(add, zeros, micro, unroll=unroll)
    return jax.tree.map(lambda leaf: leaf / training.accumulate, total)
