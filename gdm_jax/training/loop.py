"""The training loop: data, step, checkpoints, numbers and pictures."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import time
import warnings
from typing import Any

import jax
import numpy as np
from PIL import Image
from tqdm import tqdm

from gdm_jax import config as configs
from gdm_jax import data, drawing, latent, ode, pretrained
from gdm_jax._registry import choose
from gdm_jax.config import Config, Experiment, build
from gdm_jax.devices import hosts, parallel, preemption
from gdm_jax.networks import Jumping
from gdm_jax.training import state as states
from gdm_jax.training.augment import AUGMENTATIONS
from gdm_jax.training.step import make_step
from gdm_jax.workdir import checkpoint, files, lock, log, manifest

__all__ = ["NonFiniteLoss", "train"]

_AHEAD = 2  # steps that wait for the devices
_SAMPLES = 64
_STATISTICS = 4096  # examples that model.precondition takes the mean and the variance from
_WRITES = ("config.json", "data.json", "lock", "metrics.jsonl", "tensorboard", "samples", "checkpoints", "unreadable")


class NonFiniteLoss(RuntimeError):
    """The loss or the gradient ceased to be a number; checkpoints of earlier steps are intact."""


def train(config: Config, workdir: str | os.PathLike, *, progress: bool = True) -> states.TrainState:
    """Train until config.training.steps, continuing from the workdir's newest checkpoint if it has one.

    Args:
      config: Config of the experiment.
      workdir: Folder for config.json, checkpoints/, tensorboard/, samples/ and metrics.jsonl, whose rows hold means
        over the steps since the row before, images a second, and the share of the time spent waiting for data.
      progress: Whether a bar shows images a second and the time left.

    Returns:
      The final state.

    Raises:
      ValueError: if the config, its data or the workdir cannot be used (a workdir may belong to another config, or be
        in use by another run), before anything is compiled or written.
      NonFiniteLoss: at the first step whose loss or gradient is not finite; nothing of it is saved.
      Preempted: on SIGTERM, once the step is saved.
    """
    workdir, training = pathlib.Path(workdir), config.training
    parallel.check_batch(training.batch, training.accumulate)
    experiment = configs.check(config)
    choose(AUGMENTATIONS, training.augmentation, "training.augmentation")
    if training.start_from and not manifest.begun(workdir):
        earlier = pretrained.located(training.start_from)
        if not (earlier.is_file() or manifest.begun(earlier)):
            raise ValueError(f"training.start_from: there is no trained run in {training.start_from!r}")
    configs.check_unchanged(workdir, config)
    with hosts.first_before_the_others("data prepared"):
        source = data.open_source(config.data)
    _check_classes(config.model.classes, source.classes)
    images = training.steps * training.batch
    if training.warmup_images >= images and hosts.first():
        text = f"training.warmup_images: the learning rate still rises at the end, after {images:,} images"
        warnings.warn(f"{text}, got {training.warmup_images:,}", stacklevel=1)
    with contextlib.ExitStack() as held:
        if hosts.first():
            files.claim(workdir, *_WRITES, field="workdir").mkdir(parents=True, exist_ok=True)
            held.enter_context(lock.owned(workdir))
            configs.check_unchanged(workdir, config)
            manifest.check_data(workdir, {"examples": len(source), "fingerprint": data.fingerprint(source)})
            manifest.save(workdir, configs.to_json(config))
        return _run(config, experiment, workdir, source, held, progress)


def _run(
    config: Config,
    experiment: Experiment,
    workdir: pathlib.Path,
    source: Any,
    held: contextlib.ExitStack,
    progress: bool,
) -> states.TrainState:
    told = held.enter_context(preemption.watch())
    training, net, process = config.training, experiment.network, experiment.process
    state = states.create(net, config.data.shape, process.k, training=training, seed=config.seed)
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
    elif training.start_from:
        earlier = configs.experiment(training.start_from)
        params, _ = configs.averaged(training.start_from, *earlier)
        if config.model.jumps and not earlier[0].model.jumps:
            params = Jumping.both(params, params)
        state = states.begun_from(state, params)
    elif config.model.precondition:
        x, _ = data.examples(source, data.spread(_STATISTICS, len(source)))
        state = states.with_params(state, net.fit(state.params, x))
    first, state = int(state.step), parallel.place(state)
    writer = log.Log(workdir, first) if hosts.first() else log.Silent()
    held.callback(writer.close)
    step_fn = parallel.over_devices(make_step(config, net, process, experiment.family))
    picture = functools.partial(_picture, experiment, config.data.shape, build.solver_options(config.sampling))

    bar = tqdm(
        total=training.steps * training.batch,
        initial=first * training.batch,
        unit=" images",
        unit_scale=True,
        desc="compiling" if first < training.steps else "train",
        disable=not progress or not hosts.first(),
        smoothing=0.05,
    )
    held.callback(bar.close)
    pending, since, waited = [], time.monotonic(), 0.0
    for step in range(first + 1, training.steps + 1):
        asked = time.monotonic()
        batch = next(batches)
        waited += time.monotonic() - asked
        _check_classes(config.model.classes, int(batch["label"].max()) + 1)
        state, metrics = step_fn(state, {name: batch[name] for name in ("x", "label", "position")})
        if step == first + 1:
            bar.unpause()  # what was compiled once does not count in the time left
            bar.set_description("train", refresh=False)
        pending.append(metrics)
        if len(pending) > _AHEAD:
            jax.block_until_ready(pending[-1 - _AHEAD])  # the bar counts steps that are done, or nearly
        bar.update(training.batch)
        last, ends = step == training.steps, told(step)
        saves = last or ends or step % training.save_every == 0
        samples = training.sample_every and (last or (not ends and step % training.sample_every == 0))
        if saves or samples or step % training.log_every == 0:
            values = _collect(pending, step)
            seconds = time.monotonic() - since
            rate = len(pending) * training.batch / seconds
            writer.write(step, **values, images_per_second=rate, waiting_for_data=waited / seconds)
            bar.set_postfix(step=step, loss=f"{values['loss']:.4f}", refresh=False)
            if saves:
                states.save(saved, step, state, batches.get_state())
            if samples and isinstance(writer, log.Log):
                writer.picture(step, picture(state.ema))
            pending, since, waited = [], time.monotonic(), 0.0
        if ends:
            break
    if int(state.step) < training.steps:
        raise preemption.Preempted(f"told to end, saved at step {int(state.step):,}; the same command goes on")
    return state


def _check_classes(classes: int, known: int | None) -> None:
    """Raises ValueError where the data have more classes than the network is told of."""
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


def _picture(experiment: Experiment, shape: tuple[int, ...], options: dict[str, Any], ema: Any) -> Image.Image:
    """A grid of samples from the averaged parameters, always from the same noise."""
    image = len(shape) == 3
    z = latent.noise(np.arange(_SAMPLES if image else 4096), shape)
    u = functools.partial(experiment.network.apply, ema)
    x = np.asarray(ode.generate(u, experiment.process, experiment.schedule, z, **options))
    return drawing.grid(x) if image else drawing.cloud(x)
