"""config.json of a workdir: which experiment the run is of."""

from __future__ import annotations

import pathlib

from gdm_jax import config as configs
from gdm_jax import files

FREE = ("data.dir", "data.path", "model.remat", "training.steps", "training.keep", "training.accumulate")


def check(workdir, config: configs.Config) -> None:
    """Check a config against the workdir's own, if it has one.

    Raises:
      ValueError: if the workdir belongs to another config; the differing fields are named. How long, how often and
        where to (steps, *_every, keep, sampling, data.dir, data.path), and what only spends time for memory
        (accumulate, remat), may change between the runs of a workdir.
    """
    if (pathlib.Path(workdir) / "config.json").exists():
        differing = [name for name in configs.differences(load(workdir), config) if not _may_change(name)]
        if differing:
            raise ValueError(
                f"--workdir: {str(workdir)!r} belongs to another config; {', '.join(differing)} differ(s). "
                "Use another workdir, or restore those fields"
            )


def save(workdir, config: configs.Config) -> None:
    """Write config.json."""
    path = pathlib.Path(workdir) / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, configs.to_json(config))


def load(workdir) -> configs.Config:
    """Raises ValueError if the workdir holds no readable config.json."""
    path = pathlib.Path(workdir) / "config.json"
    if not path.is_file():
        raise ValueError(f"--workdir: {str(workdir)!r} holds no config.json; is it a workdir of 'gdm train'?")
    return configs.from_json(path.read_text())


def _may_change(name: str) -> bool:
    return name in FREE or name.endswith("_every") or name.startswith("sampling.")
