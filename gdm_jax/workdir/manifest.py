"""config.json and data.json of a workdir: which experiment the run is of, and on which data."""

from __future__ import annotations

import json
import os
import pathlib

from gdm_jax.workdir import files

__all__ = ["begun", "check_data", "load", "save"]

LARGEST = 2**26  # bytes of a config.json


def begun(workdir: str | os.PathLike) -> bool:
    """Whether a run has left a checkpoint in the workdir."""
    folder = pathlib.Path(workdir) / "checkpoints"
    return folder.is_dir() and any(path.name.isdigit() for path in folder.iterdir())


def save(workdir: str | os.PathLike, config: str) -> None:
    """Write config.json."""
    files.write(pathlib.Path(workdir) / "config.json", config)


def load(workdir: str | os.PathLike) -> str:
    """The text of config.json; raises ValueError if the workdir holds none."""
    path = pathlib.Path(workdir) / "config.json"
    if not path.is_file():
        raise ValueError(f"workdir: {str(workdir)!r} holds no config.json; is it a workdir of 'gdm train'?")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"workdir: config.json of {str(workdir)!r} is larger than {LARGEST:,} bytes")
    return path.read_text(errors="replace")


def check_data(workdir: str | os.PathLike, facts: dict) -> None:
    """Check that the examples are those that the workdir's run began with, wherever they lie now; remember them.

    Args:
      workdir: Folder of the run.
      facts: "examples", the number of examples, and "fingerprint", by `gdm_jax.data.fingerprint`.

    Raises:
      ValueError: if they are others.
    """
    path, now = pathlib.Path(workdir) / "data.json", (json.dumps(facts, indent=2) + "\n").encode()
    if begun(workdir) and path.is_file() and path.read_bytes()[:LARGEST] != now:
        raise ValueError(
            f"data.path: the run in {str(workdir)!r} began with other examples than these {facts['examples']:,}, as "
            "its data.json says; use another workdir, or restore the data"
        )
    files.write(path, now.decode())
