"""The training loop: data, step, checkpoints, numbers and pictures."""

from __future__ import annotations

import contextlib
import functools
import pathlib
import time

import jax
import numpy as np
from tqdm import tqdm

from gdm_jax import config as configs
from gdm_jax import data, drawing, latent, ode
from gdm_jax.config import build
from gdm_jax.devices import hosts, parallel, preemption
from gdm_jax.training import state as states
from gdm_jax.training.step import make_step
from gdm_jax.workdir import checkpoint, files, lock, log, manifest

SAMPLES = 64
WRITES = ("config.json", "data.json", "lock", "metrics.jsonl", "tensorboard", "samples", "checkpoints", "unreadable")


class NonFiniteLoss(RuntimeError):
    """The loss or the gradient ceased to be a number; checkpoints of earlier steps are intact."""


def train(config: configs.Config, workdir, *, progress: bool = True) -> states.TrainState:
    """Train until config.training.steps, continuing from the workdir's newest checkpoint if it has one.

    Args:
      config: of the experiment.
      workdir: folder for config.json, checkpoints/, tensorboard/, samples/ and metrics.jsonl, whose rows hold means
        over the steps since the row before, images a second, and the share of the time spent waiting for data.
      progress: show a bar with images a second and the time left.

    Returns:
      The final state.

    Raises:
      ValueError: bad config, data, or a workdir of another config or in use by another run; before anything is
        compiled or written.
      NonFiniteLoss: naming the first step whose loss or gradient is not finite; nothing of it is saved.
      Preempted: on SIGTERM, once the step is saved.
    """
    workdir, training = pathlib.Path(workdir), config.training
    parallel.check_batch(training.batch, training.accumulate)
    process = build.process(config)
    configs.check_unchanged(workdir, config)
    with hosts.first_before_the_others("data prepared"):
        source = data.open_source(config.data)
    _check_classes(config, source.classes)
    with contextlib.ExitStack() as held:
        if hosts.first():
            files.claim(workdir, *WRITES, field="workdir").mkdir(parents=True, exist_ok=True)
            held.enter_context(lock.owned(workdir))
            configs.check_unchanged(workdir, config)
            manifest.check_data(workdir, {"examples": len(source), "fingerprint": data.fingerprint(source)})
            manifest.save(workdir, configs.to_json(config))
        return _run(config, workdir, process, source, held, progress)


def _run(config: configs.Config, workdir: pathlib.Path, process, source, held, progress: bool) -> states.TrainState:
    told = held.enter_context(preemption.watch())
    training = config.training
    net = build.network(config, process)
    state = states.create(config, net, process.k)
    batches = data.stream(
        source,
        seed=config.seed,
        batch=training.batch,
        flip=config.data.flip,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )
    saved = checkpoint.Checkpoints(workdir, keep=training.keep, keep_every=training.keep_every)
    held.callback(saved.close)
    restored = states.restore(saved, state)
    if restored is not None:
        state, position = restored
        batches.set_state(position)
    first, state = int(state.step), parallel.place(state)
    writer = log.Log(workdir, first) if hosts.first() else log.Silent()
    held.callback(writer.close)
    step_fn = parallel.over_devices(make_step(config, net, process, build.family(config, process.k)))
    picture = functools.partial(_picture, config, net, process)

    bar = tqdm(
        total=training.steps * training.batch,
        initial=first * training.batch,
        unit=" images",
        unit_scale=True,
        desc="train",
        disable=not progress or not hosts.first(),
        smoothing=0.05,
    )
    held.callback(bar.close)
    pending, since, waited = [], time.monotonic(), 0.0
    for step in range(first + 1, training.steps + 1):
        asked = time.monotonic()
        batch = next(batches)
        waited += time.monotonic() - asked
        _check_classes(config, int(batch["label"].max()) + 1)
        state, metrics = step_fn(state, {name: batch[name] for name in ("x", "label", "position")})
        pending.append(metrics)
        bar.update(training.batch)
        last, ends = step == training.steps, told(step)
        saves = last or ends or step % training.save_every == 0
        samples = last or (not ends and step % training.sample_every == 0)
        if saves or samples or step % training.log_every == 0:
            values = _collect(pending, step)
            seconds = time.monotonic() - since
            rate = len(pending) * training.batch / seconds
            writer.write(step, **values, images_per_second=rate, waiting_for_data=waited / seconds)
            bar.set_postfix(step=step, loss=f"{values['loss']:.4f}", refresh=False)
            if saves:
                states.save(saved, step, state, batches.get_state())
            if samples and hosts.first():
                writer.picture(step, picture(state.ema))
            pending, since, waited = [], time.monotonic(), 0.0
        if ends:
            break
    if int(state.step) < training.steps:
        raise preemption.Preempted(f"told to end, saved at step {int(state.step):,}; the same command goes on")
    return state


def _check_classes(config: configs.Config, known: int | None) -> None:
    """Raises ValueError where the data have more classes than the network is told of."""
    classes = config.model.classes
    if classes and known is not None and known > classes:
        raise ValueError(f"model.classes: the data have labels up to {known - 1}, got {classes}; set it to {known}")


def _collect(pending: list, step: int) -> dict[str, float]:
    """Means of the metrics of the steps up to `step`; raises NonFiniteLoss for the first that is not finite."""
    columns = {name: np.array([float(metrics[name]) for metrics in pending]) for name in pending[0]}
    bad = ~np.isfinite(np.stack(list(columns.values()))).all(0)
    if bad.any():
        at = step - len(pending) + 1 + int(bad.argmax())
        raise NonFiniteLoss(
            f"training: the loss or gradient of step {at} is not finite; the last checkpoint is intact. "
            "Lower training.learning_rate, set training.clip, or use model.dtype='float32'"
        )
    return {name: float(column.mean()) for name, column in columns.items()}


def _picture(config, net, process, ema):
    """A grid of samples from the averaged parameters, always from the same noise."""
    sampling = config.sampling
    schedule = build.schedule(config, process.k)
    count = SAMPLES if len(config.data.shape) == 3 else 4096
    z = latent.noise(np.arange(count), config.data.shape)
    u = functools.partial(net.apply, ema)
    x = ode.generate(u, process, schedule, z, **build.solver_options(sampling))
    return drawing.grid(np.asarray(x)) if len(config.data.shape) == 3 else drawing.cloud(np.asarray(x))
