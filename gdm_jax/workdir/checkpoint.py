"""Checkpoints of a run, through Orbax. No other module knows its format.

A workdir holds `checkpoints/STEP/` with three items: `ema`, the averaged parameters that a model is loaded from; `run`,
what else a run goes on with; `data`, the position of the data stream as JSON. The first two are pytrees of arrays.
Orbax's formats hold arrays and JSON: reading them runs no code.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import pathlib
import sys
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from jaxtyping import PyTree
from orbax.checkpoint.checkpoint_managers import preservation_policy as preservation

from gdm_jax import _registry
from gdm_jax.devices import hosts, parallel
from gdm_jax.workdir import trees

__all__ = ["Checkpoints"]


class Checkpoints:
    """The checkpoints of one workdir.

    Args:
      workdir: Folder of the run.
      keep: Number of newest checkpoints that are kept.
      keep_every: Steps at whose multiples checkpoints are kept as well.
      create: Whether to make the folder if there is none and to clear away saves that were cut short; False only
        reads.

    Raises:
      ValueError: if there is no such folder and create is False.
    """

    def __init__(
        self, workdir: str | os.PathLike, *, keep: int = 1, keep_every: int | None = None, create: bool = True
    ):
        policies: list[Any] = [preservation.LatestN(keep)]
        if keep_every:
            policies.append(preservation.EveryNSteps(keep_every))
        self.directory = pathlib.Path(workdir).resolve() / "checkpoints"
        if not create and not self.directory.is_dir():
            raise ValueError(f"checkpoint: there is no folder {str(self.directory)!r}; train first")
        self._manager = ocp.CheckpointManager(
            self.directory,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=preservation.AnyPreservationPolicy(policies),
                create=create,
                cleanup_tmp_directories=create,
            ),
            item_handlers={
                "ema": ocp.StandardCheckpointHandler(),
                "run": ocp.StandardCheckpointHandler(),
                "data": ocp.JsonCheckpointHandler(),
            },
        )

        self._thread = concurrent.futures.ThreadPoolExecutor(1, "checkpoint")
        self._saving = None

    def steps(self) -> list[int]:
        """Steps with a committed checkpoint, rising."""
        return sorted(self._manager.all_steps())

    def save(self, step: int, ema: PyTree, run: PyTree, position: dict) -> None:
        """Save in the background.

        Orbax writes in a thread of its own, but first copies to the host, which takes it half a second for the 1,667
        arrays of DDPM++. A process alone leaves that, too, to a thread, with a copy made on the device; among several,
        where a save meets the others at barriers, the training thread itself has to.

        Args:
          step: Number of the checkpoint.
          ema, run: Pytrees of arrays.
          position: State of the data stream, of what JSON can hold.

        Raises:
          OSError: if this save or the one before failed, as on a full disk; older checkpoints are intact.
        """
        self._wait()
        if jax.process_count() == 1:
            self._saving = self._thread.submit(self._save, step, _copy((ema, run)), position)
        else:
            self._save(step, parallel.shared((ema, run)), position)

    def _save(self, step: int, trees: tuple, position: dict) -> None:
        ema, run = trees
        with self._failing():
            saved = self._manager.save(
                step,
                args=ocp.args.Composite(
                    ema=ocp.args.StandardSave(ema),
                    run=ocp.args.StandardSave(run),
                    data=ocp.args.JsonSave(position),
                ),
            )
        if not saved:
            raise OSError(f"checkpoint: step {step} was not saved in {self.directory}, which holds {self.steps()}")

    def restore(self, ema: PyTree, run: PyTree) -> tuple[PyTree, PyTree, dict] | None:
        """`ema`, `run` and position of the newest readable checkpoint, or None if there is none at all.

        Unreadable newer ones are moved to WORKDIR/unreadable/, so that the run can write these steps anew.

        Raises:
          ValueError: if the checkpoint holds other arrays than the templates; the differing paths are named.
          OSError: if no checkpoint can be read.
        """
        found = self._newest({"ema": ema, "run": run, "data": None})
        if found is None:
            return None
        self._set_aside(found["passed_over"])
        return found["ema"], found["run"], found["data"]

    def restore_ema(self, template: PyTree, step: int | None = None) -> tuple[PyTree, int]:
        """Averaged parameters and their step, of the newest readable checkpoint or of `step`.

        Raises:
          ValueError, OSError: as `restore`; ValueError if there is no checkpoint, or none at `step`.
        """
        if step is not None and step not in self.steps():
            raise ValueError(f"checkpoint: none at step {step} in {self.directory}; there are {self.steps()}")
        found = self._newest({"ema": template}, steps=None if step is None else [step])
        if found is None:
            raise ValueError(f"checkpoint: none in {self.directory}; train first")
        return found["ema"], found["step"]

    def close(self) -> None:
        """Wait for the background save. Raises OSError if it failed."""
        with self._thread:
            self._wait()
        with self._failing():
            self._manager.wait_until_finished()
            self._manager.check_for_errors()
            self._manager.close()

    def _wait(self) -> None:
        """Until Orbax has the last save; raises what it raised."""
        saving, self._saving = self._saving, None
        if saving is not None:
            saving.result()

    @contextlib.contextmanager
    def _failing(self):
        """What Orbax raises for a save that failed, as an OSError that says what to do."""
        try:
            yield
        except _ANY as error:
            reason = _registry.first_line(error)
            reason = reason if len(reason) < 200 else f"{reason[:80]} ... {reason[-120:]}"
            raise OSError(
                f"checkpoint: a save in {self.directory} failed ({reason}); older ones are intact: make room, and the "
                "same command goes on"
            ) from error

    def _set_aside(self, steps: list[int]) -> None:
        """Orbax would skip every save up to a newest step that cannot be read, and count it among those to keep."""
        if not steps:
            return
        aside = self.directory.with_name("unreadable")
        if hosts.first():
            aside.mkdir(exist_ok=True)
            for step in steps:
                names = (aside / f"{step}{suffix}" for suffix in ["", *(f"-{n}" for n in range(1, 1000))])
                (self.directory / str(step)).rename(next(name for name in names if not name.exists()))
        hosts.wait("unreadable checkpoints set aside")
        self._manager.reload()

    def _newest(self, items: dict, steps=None) -> dict | None:
        given = steps
        steps = self.steps() if given is None else given
        failures, passed_over = [], []
        for step in reversed(steps):
            restored, reason = self._read(step, items)
            if reason is not None and given is None and self._went_on(steps[-1]):
                return self._newest(items)
            if not hosts.all_agree(reason is None):
                failures.append(f"step {step} ({reason or 'by another process'})")
                passed_over.append(step)
                continue
            if failures:
                print(f"checkpoint: passed over unreadable {'; '.join(failures)}; using step {step}", file=sys.stderr)
            found = {name: restored[name] if item is None else _here(restored[name]) for name, item in items.items()}
            return {**found, "step": step, "passed_over": passed_over}
        if failures:
            raise OSError(f"checkpoint: none of {self.directory} can be read: {'; '.join(failures)}")
        return None

    def _went_on(self, step: int) -> bool:
        """Whether there is a newer checkpoint by now: a run that goes on deletes old ones, also while they are read."""
        if jax.process_count() > 1:
            return False
        self._manager.reload()
        return max(self.steps(), default=step) > step

    def _read(self, step: int, items: dict) -> tuple[Any, str | None]:
        """What a checkpoint holds, or None and why it cannot be read."""
        try:
            self._compare(step, items)
            args = {
                name: ocp.args.JsonRestore() if item is None else ocp.args.StandardRestore(_abstract(item))
                for name, item in items.items()
            }
            return self._manager.restore(step, args=ocp.args.Composite(**args)), None
        except (trees.Mismatch, jax.errors.JaxRuntimeError, MemoryError):  # sound: of something else, or no room for it
            raise
        except _ANY as error:
            return None, _registry.first_line(error)[:120]

    def _compare(self, step: int, items: dict) -> None:
        """Raises ValueError naming the paths in which the saved trees differ from the templates."""
        saved = self._manager.item_metadata(step)
        for name, item in items.items():
            if item is None:
                continue
            tree = getattr(saved[name], "tree", saved[name])
            if tree is None:
                raise FileNotFoundError(f"no metadata of {name}")
            what = f"checkpoint: step {step} in {self.directory}"
            trees.check_same(trees.shapes(tree), trees.shapes(item), what)


@jax.jit
def _copy(tree):
    return jax.tree.map(jnp.copy, tree)


# What Orbax and TensorStore raise where files are missing, truncated, emptied or something else, or a disk is full: at
# times no more special an exception than this.
_ANY = Exception


def _abstract(tree):
    """Shapes and types, whatever devices they were saved from: on the first device, or on all devices of many hosts."""
    first = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    where = first if jax.process_count() == 1 else parallel.of_all_hosts()
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where), tree)


def _here(tree):
    """Restored arrays as this host's own, on its first device."""
    return tree if jax.process_count() == 1 else jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)
