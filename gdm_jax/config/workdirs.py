"""The config of a workdir, and whether a config may go on in it."""

from __future__ import annotations

import dataclasses

from gdm_jax.config.read import from_json
from gdm_jax.config.schema import Config
from gdm_jax.workdir import manifest

FREE = ("data.dir", "data.path", "model.remat", "training.keep", "training.accumulate")


def of_workdir(workdir) -> Config:
    """The config that a run left in its workdir; no config file is run.

    Raises:
      ValueError: if the workdir holds no readable config.json.
    """
    return from_json(manifest.load(workdir))


def check_unchanged(workdir, config: Config) -> None:
    """Check a config against the workdir's own, if a run has left a checkpoint of it there.

    How often and where to (*_every, keep, sampling, data.dir, data.path), and what only spends time for memory
    (accumulate, remat), may change between the runs of a workdir. So may training.steps, but not where the learning
    rate falls towards the last of them.

    Raises:
      ValueError: if the workdir belongs to another config; the differing fields are named.
    """
    if not manifest.begun(workdir):
        return
    before = of_workdir(workdir)
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


def _flatten(values: dict, prefix: str = ""):
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _may_change(name: str, before: Config) -> bool:
    if name == "training.steps":
        return before.training.decay == "constant"
    return name in FREE or name.endswith("_every") or name.startswith("sampling.")
