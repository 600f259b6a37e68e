"""The config of a workdir, what was trained in it, and whether a config may go on in it.

Where a trained model is wanted, a file of `gdm export`, the name of a model that ships with the package, or an address
on the Hub may stand for the workdir.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from gdm_jax import keys, pretrained
from gdm_jax.config import read, validate
from gdm_jax.config.build import Experiment
from gdm_jax.config.schema import Config, Own
from gdm_jax.network import Network, autoguided
from gdm_jax.workdir import checkpoint, manifest, model_file

__all__ = [
    "FREE", "averaged", "check_unchanged", "differences", "experiment", "of_workdir", "resampled", "trained",
    "without_places",
]

FREE = ("data.dir", "data.path", "training.start_from", "model.remat", "training.keep", "training.accumulate")


def of_workdir(workdir: str | os.PathLike) -> Config:
    """The config that a run left in its workdir; no config file is run.

    Raises:
      ValueError: if the workdir holds no readable config.json, or names what is not here.
    """
    return experiment(workdir)[0]


def experiment(
    workdir: str | os.PathLike,
    sampling: Mapping[str, Any] | None = None,
    own: Own | None = None,
) -> tuple[Config, Experiment]:
    """The config that a run left in its workdir, and what it describes; no config file is run.

    Args:
      workdir: Folder of the run, a model file, or the name of a model of `gdm_jax.pretrained`.
      sampling: Fields of config.sampling to change.
      own: Entries that count beside those of the tables: "groupings", "bases" and "networks".

    Raises:
      ValueError: if the workdir holds no readable config.json, names what is not here, or a change does not fit.
    """
    config = resampled(_read(workdir), sampling or {})
    return config, validate.check(config, own, trains=False)


def averaged(
    workdir: str | os.PathLike, config: Config, found: Experiment, step: int | None = None
) -> tuple[PyTree, int]:
    """The averaged parameters that a run left in its workdir, and their step.

    Args:
      workdir: As for `experiment`.
      config, found: What `experiment` gives for it.
      step: Step of the checkpoint. The newest readable one by default; a model file holds one alone.

    Raises:
      ValueError: if there is no such checkpoint, or it is of another architecture (differing paths named).
    """
    x, alpha = jnp.zeros((1, *config.data.shape)), jnp.zeros((1, found.process.k))
    template = jax.eval_shape(found.network.init, keys.root(0, "parameters"), x, alpha)
    place = pretrained.located(workdir)
    if place.is_file():
        only = model_file.step(place)
        if step not in (None, only):
            raise ValueError(f"checkpoint: {str(workdir)!r} holds step {only} alone, not {step}")
        return model_file.restore(place, template), only
    return checkpoint.Checkpoints(place, create=False).restore_ema(template, step)


def trained(
    workdir: str | os.PathLike, config: Config, found: Experiment, step: int | None = None
) -> tuple[Network, int]:
    """The network u that a run left in its workdir, on averaged parameters, and their step.

    Where config.sampling.autoguidance is not 1, it is led away from that of config.sampling.weak_step.

    Args:
      workdir, config, found, step: As in `averaged`.

    Raises:
      ValueError: as `averaged`.
    """
    params, step = averaged(workdir, config, found, step)
    u, w = jax.tree_util.Partial(found.network.apply, params), config.sampling.autoguidance
    if w == 1:
        return u, step
    weak, _ = averaged(workdir, config, found, config.sampling.weak_step)
    return autoguided(u, jax.tree_util.Partial(found.network.apply, weak), w), step


def resampled(config: Config, changes: Mapping[str, Any]) -> Config:
    """The config with other fields of its sampling, whose names and types are checked.

    Args:
      config: Config of the experiment.
      changes: Fields of config.sampling. A number of `steps` or `overlap` stands for a tuple of one.

    Raises:
      ValueError: if a field is unknown or mistyped.
    """
    changes = {
        name: (value,) if name in ("steps", "overlap") and np.ndim(value) == 0 else value
        for name, value in changes.items()
    }
    values = dataclasses.asdict(config)
    return read.parse({**values, "sampling": {**values["sampling"], **changes}})


def without_places(config: Config) -> Config:
    """The config without what only the machine of its run knows: folders by absolute paths."""
    data, training = config.data, config.training
    mixture = tuple((name, _relative(path), weight) for name, path, weight in data.mixture)
    data = dataclasses.replace(data, path=_relative(data.path), dir=_relative(data.dir), mixture=mixture)
    training = dataclasses.replace(training, start_from=pathlib.Path(training.start_from).name)
    return dataclasses.replace(config, data=data, training=training)


def check_unchanged(workdir: str | os.PathLike, config: Config) -> None:
    """Check a config against the workdir's own, if a run has left a checkpoint of it there.

    How often and where to (*_every, keep, sampling, data.dir, data.path), and what only spends time for memory
    (accumulate, remat), may change between the runs of a workdir. So may training.steps, but not where the learning
    rate falls towards the last of them.

    Raises:
      ValueError: if the workdir belongs to another config; the differing fields are named.
    """
    if not manifest.begun(workdir):
        return
    before = _read(workdir)
    differing = [name for name in differences(before, config) if not _may_change(name, before)]
    if differing:
        why = ", by which the learning rate falls," if differing == ["training.steps"] else ""
        raise ValueError(
            f"workdir: {str(workdir)!r} belongs to another config; {', '.join(differing)}{why} differ(s). "
            "Use another workdir, or restore those fields"
        )


def differences(a: Config, b: Config) -> list[str]:
    """Dotted names of the fields in which two configs differ."""
    flat_a, flat_b = (dict(_flatten(dataclasses.asdict(config))) for config in (a, b))
    return [name for name in flat_a if flat_a[name] != flat_b[name]]


def _read(workdir: str | os.PathLike) -> Config:
    place = pretrained.located(workdir)
    text = model_file.config(place) if place.is_file() else manifest.load(place)
    return read.parse(read.parse_json(text))


def _relative(path: str) -> str:
    return "" if os.path.isabs(path) else path


def _flatten(values: dict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _may_change(name: str, before: Config) -> bool:
    if name == "training.steps":
        return before.training.decay == "constant"
    return name in FREE or name.endswith("_every") or name.startswith("sampling.")
