"""config.json and data.json of a workdir: which experiment the run is of, and on which data."""

from __future__ import annotations

import dataclasses
import json
import pathlib

from gdm_jax import config as configs
from gdm_jax import data
from gdm_jax.config import Config
from gdm_jax.workdir import files


def to_json(config: Config) -> str:
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def differences(a: Config, b: Config) -> list[str]:
    """Dotted names of the fields in which two configs differ."""
    flat_a, flat_b = (dict(_flatten(dataclasses.asdict(c))) for c in (a, b))
    return [name for name in flat_a if flat_a[name] != flat_b[name]]


def _flatten(values: dict, prefix: str = ""):
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


FREE = ("data.dir", "data.path", "model.remat", "training.keep", "training.accumulate")
LARGEST = 2**26  # bytes of a config.json


def check(workdir, config: Config) -> None:
    """Check a config against the workdir's own, if a run has left a checkpoint of it there.

    Raises:
      ValueError: if the workdir belongs to another config; the differing fields are named. How often and where to
        (*_every, keep, sampling, data.dir, data.path), and what only spends time for memory (accumulate, remat), may
        change between the runs of a workdir. So may training.steps, but not where the learning rate falls towards the
        last of them.
    """
    if not begun(workdir):
        return
    before = load(workdir)
    differing = [name for name in differences(before, config) if not _may_change(name, before)]
    if differing:
        why = ", by which the learning rate falls," if differing == ["training.steps"] else ""
        raise ValueError(
            f"--workdir: {str(workdir)!r} belongs to another config; {', '.join(differing)}{why} differ(s). "
            "Use another workdir, or restore those fields"
        )


def check_data(workdir, source) -> None:
    """Check that the examples are those that the workdir's run began with, wherever they lie now; remember them.

    Raises:
      ValueError: if they are others.
    """
    path = pathlib.Path(workdir) / "data.json"
    now = {"examples": len(source), "fingerprint": data.fingerprint(source)}
    if begun(workdir) and path.is_file():
        before = path.read_bytes()[:LARGEST]
        if before != _as_written(now):
            raise ValueError(
                f"data.path: the run in {str(workdir)!r} began with other examples than these {now['examples']:,}, as "
                "its data.json says; use another workdir, or restore the data"
            )
    files.write(path, _as_written(now).decode())


def _as_written(values: dict) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()


def begun(workdir) -> bool:
    """Whether a run has left a checkpoint in the workdir."""
    folder = pathlib.Path(workdir) / "checkpoints"
    return folder.is_dir() and any(path.name.isdigit() for path in folder.iterdir())


def save(workdir, config: Config) -> None:
    """Write config.json."""
    path = pathlib.Path(workdir) / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, to_json(config))


def load(workdir) -> Config:
    """Raises ValueError if the workdir holds no readable config.json."""
    path = pathlib.Path(workdir) / "config.json"
    if not path.is_file():
        raise ValueError(f"--workdir: {str(workdir)!r} holds no config.json; is it a workdir of 'gdm train'?")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"--workdir: config.json of {str(workdir)!r} is larger than {LARGEST:,} bytes")
    return configs.from_json(path.read_text(errors="replace"))


def _may_change(name: str, before: Config) -> bool:
    if name == "training.steps":
        return before.training.decay == "constant"
    return name in FREE or name.endswith("_every") or name.startswith("sampling.")
