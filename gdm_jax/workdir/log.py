"""Where a run's numbers and pictures go: metrics.jsonl, TensorBoard event files, samples/."""

from __future__ import annotations

import json
import os
import pathlib
import time
from typing import Any

import numpy as np
from PIL import Image
from tensorboardX import event_file_writer, summary
from tensorboardX.proto import event_pb2 as _event_pb2

from gdm_jax.workdir import files

__all__ = ["Log", "Silent", "read"]

event_pb2: Any = _event_pb2  # protobuf makes its classes at import, where type checkers see none
LARGEST = 2**28  # bytes of numbers


class Log:
    """The writer of one workdir, from a step on; lines of later steps, by a run that was cut short, are dropped."""

    def __init__(self, workdir: str | os.PathLike, step: int):
        self.workdir = pathlib.Path(workdir)
        self.path = self.workdir / "metrics.jsonl"
        kept = [row for row in read(self.workdir) if row["step"] <= step]
        with files.whole(self.path, "w") as out:
            out.writelines(json.dumps(row) + "\n" for row in kept)
        self._file = self.path.open("a")
        (self.workdir / "tensorboard").mkdir(exist_ok=True)
        self._board = event_file_writer.EventsWriter(str(self.workdir / "tensorboard" / "events"))
        began = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._event(step + 1, session_log=began)  # drops what an earlier run wrote from this step on

    def write(self, step: int, **values: float) -> None:
        """Write the numbers of a step, here and now."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())  # buckets mounted as folders keep what is synced
        for name, value in values.items():
            self._event(step, summary=summary.scalar(name, value))
        self._board.flush()

    def picture(self, step: int, image: Image.Image) -> None:
        """Keep the picture of a step."""
        with files.replacing(self.workdir / "samples" / f"{step:08d}.png") as partial:
            image.save(partial)
        self._event(step, summary=summary.image("samples", np.asarray(image.convert("RGB")), dataformats="HWC"))

    def close(self) -> None:
        self._file.close()
        self._board.close()

    def _event(self, step: int, **of) -> None:
        """Write it here and now: tensorboardX's own thread would die of a full disk, and the run would wait for it."""
        self._board.write_event(event_pb2.Event(wall_time=time.time(), step=step, **of))


class Silent:
    """The log of a process that does not speak for the others."""

    def write(self, step: int, **values: float) -> None:
        pass

    def close(self) -> None:
        pass


def read(workdir: str | os.PathLike) -> list[dict]:
    """The whole rows of metrics.jsonl; lines that were cut off or are no rows are left out.

    Raises:
      ValueError: if the file is larger than any run's.
    """
    path = pathlib.Path(workdir) / "metrics.jsonl"
    if path.exists() and path.stat().st_size > LARGEST:
        raise ValueError(f"workdir: {str(path)!r} is larger than {LARGEST:,} bytes; no run writes so many numbers")
    rows = []
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            rows.append(row)
    return rows
