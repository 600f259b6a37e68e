"""A trained model, loaded from a workdir: sample, encode, decode, fill, log_likelihood."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any, Literal, overload

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float

from gdm_jax import config as configs
from gdm_jax import keys, latent, likelihood, ode, pixels
from gdm_jax.config import build
from gdm_jax.devices.batches import in_parts
from gdm_jax.likelihood import Likelihood
from gdm_jax.network import Guided, Network, check_label
from gdm_jax.ode import inversion
from gdm_jax.ode.inversion import Inversion
from gdm_jax.ode.path import Steps
from gdm_jax.process.arrays import Integers
from gdm_jax.process.family import Family
from gdm_jax.process.process import Process
from gdm_jax.process.schedule import Schedule, check_prefix

__all__ = ["Model", "load"]


Data = Float[np.ndarray, " n *shape"]
Given = Float[ArrayLike, " n *shape"]
Frames = tuple[Data, Float[np.ndarray, " frames"], Float[np.ndarray, "frames n *shape"]]  # x, times, states


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """A network with the process that it was trained for.

    Where a method takes `label`, that is one class for all examples or one for each, for a model trained with
    model.classes; without a label such a model draws from all classes. `guidance` is that of
    `gdm_jax.network.Guided`, by default the config's. Arrays come and go as NumPy. `batch` examples are solved at once,
    spread over this host's devices. `progress` shows a bar. Other options are those of `gdm_jax.ode.solve`: by default
    the config's `sampling` from noise to data, and 32 steps of tsit5 from data to noise.

    Attributes:
      u: The network, (x_t `[batch, *shape]`, alpha `[batch, k]`) -> like x_t, on averaged parameters.
      process: How data become noise.
      schedule: When they do; the schedule to sample with.
      family: The schedules that the network was trained on.
      config: The config of the experiment.
      step: Step of the checkpoint.
    """

    u: Network
    process: Process
    schedule: Schedule
    family: Family
    config: configs.Config
    step: int

    def __repr__(self) -> str:
        data = "x".join(map(str, self.config.data.shape))
        return f"Model({self.config.model.name}, data {data}, {self.process.k} groups, step {self.step:,})"

    @overload
    def sample(self, count: int | None = None, *, frames: Literal[0] = 0, **options: Any) -> Data: ...
    @overload
    def sample(self, count: int | None = None, *, frames: int, **options: Any) -> Frames: ...
    def sample(self, count=None, *, seeds=None, **options):
        """New data `[count, *shape]`.

        Args:
          count: Number of samples, from seeds 0, 1, ...; 16 if neither count nor seeds are given.
          seeds: One integer for each sample instead. A sample depends on its seed alone, not on its batch.
          **options: Options of `decode`.
        """
        if count is not None and (count < 1 or seeds is not None):
            rule = "must be at least 1" if seeds is None else "must be left out where seeds are given"
            raise ValueError(f"count: {rule}, got {count}")
        seeds = range(count or 16) if seeds is None else seeds
        return self.decode(self.noise(np.asarray(seeds)), **options)

    def noise(self, seeds: Integers, purpose: str = "sample") -> Data:
        """`gdm_jax.noise` for data of the model, with config.sampling.temperature as the deviation of each group."""
        z = latent.noise(seeds, self.config.data.shape, purpose)
        deviations = self.config.sampling.temperature
        return np.asarray(self.process.diagonal(np.broadcast_to(deviations, self.process.k), z) if deviations else z)

    @overload
    def decode(self, z: Given, *, frames: Literal[0] = 0, **options: Any) -> Data: ...
    @overload
    def decode(self, z: Given, *, frames: int, **options: Any) -> Frames: ...
    def decode(self, z, **options):
        """Latents -> data.

        Args:
          z: Standard normal noise, `[n, *shape]`.
          **options: label, guidance, batch, progress, and options of `gdm_jax.ode.solve` (solver, steps, rtol, atol,
            frames).

        Returns:
          x `[n, *shape]`, or with frames > 0 the triple of x, times `[frames]`, and states `[frames, n, *shape]` along
          the way.

        Raises:
          ValueError, RuntimeError: as `gdm_jax.ode.solve`; or if the model does not know the labels.
        """
        return self._solve(self._checked(z, "z"), "generate", self.schedule, forward=False, **options)

    @overload
    def encode(self, x: Given, *, frames: Literal[0] = 0, **options: Any) -> Data: ...
    @overload
    def encode(self, x: Given, *, frames: int, **options: Any) -> Frames: ...
    def encode(self, x, **options):
        """Data `[n, *shape]` in [-1, 1] -> latents. For a round trip, give `decode` the same solver and steps."""
        return self._solve(self._checked(x, "x"), "encode", self.schedule, forward=True, **options)

    @overload
    def fill(self, x: Given, keep: Integers, *, frames: Literal[0] = 0, **options: Any) -> Data: ...
    @overload
    def fill(self, x: Given, keep: Integers, *, frames: int, **options: Any) -> Frames: ...
    def fill(self, x, keep, *, z=None, seeds=None, **options):
        """Groups `keep` of x as they are, the others generated given them; see `gdm_jax.conditional`.

        Args:
          x: Data `[n, *shape]` in [-1, 1]. What belongs to other groups does not matter.
          keep: Group numbers. The model must have been trained on an order that begins with them.
          z: Noise for the rest, like x; by default it is drawn from `seeds`. It is not the noise that `sample` draws
            from the same seeds.
          seeds: One integer for each example; by default 0, 1, ...
          **options: Options of `decode`.

        Raises:
          ValueError: naming the groups that can be kept, if these cannot; otherwise as `decode`.
        """
        self._check_shape(x, "x")
        schedule, keep = self.given(keep)
        if z is None:
            z = self.noise(np.arange(len(x)) if seeds is None else seeds, "fill")
        start = latent.swap(self.process, self._checked(z, "z"), x, keep)
        return self._solve(self._checked(start, "x"), "fill", schedule, forward=False, done=keep, **options)

    def variations(
        self,
        seed: int,
        seeds: Integers,
        keep: Integers,
        *,
        label: Integers | int | None = None,
        frames: int = 0,
        **options: Any,
    ) -> Data | Frames:
        """Samples that share the groups `keep` of the one from `seed`; the rest comes from `seeds`.

        The shared part is computed once, or once for each class where `label` names one for each of the seeds.
        """
        schedule, keep = self.given(keep)
        waiting = [j for j in range(self.process.k) if j not in keep]
        labels, of_seed = None, np.zeros(len(seeds), int)
        if label is not None:
            labels, of_seed = np.unique(self._labels(label, len(seeds)), return_inverse=True)
        z = np.repeat(self.noise([seed]), 1 if labels is None else len(labels), axis=0)
        prefix = self._solve(z, "shared part", schedule, forward=False, waiting=waiting, label=labels, **options)
        return self.fill(prefix[of_seed], keep, seeds=seeds, label=label, frames=frames, **options)

    def invert(
        self,
        x: Given,
        *,
        steps: Steps = None,
        tolerance: float = inversion.TOLERANCE,
        label: Integers | int | None = None,
        guidance: float | int | None = None,
        batch: int = 64,
        progress: bool = False,
        **options: Any,
    ) -> Inversion:
        """Data -> the latents that Euler with `steps` decodes back to them, and how well; see `gdm_jax.ode.invert`."""
        steps = steps or self.inverse_steps
        grid = inversion.grid(ode.path.of(self.schedule, steps=steps))
        shared = self.u, self.process, grid, self._guidance(label, guidance), options
        x = self._checked(x, "x")
        part = self._labelled({"x": x}, label)
        z, residual, calls, _ = in_parts(_invert_part, shared, part, batch=batch, what="invert", progress=progress)
        told = {"label": label, "guidance": guidance, "batch": batch}
        again = self._solve(z, "decode", self.schedule, forward=False, solver="euler", steps=steps, **told)
        error = np.abs(again - x).max(tuple(range(1, x.ndim)))
        return Inversion(z, error, error <= tolerance, residual, calls)

    def log_likelihood(
        self,
        x: Given,
        *,
        probes: int = 0,
        draws: int = 0,
        seed: int = 0,
        label: Integers | int | None = None,
        guidance: float | int | None = None,
        batch: int = 64,
        progress: bool = False,
        **options: Any,
    ) -> Likelihood:
        """log p(x) of data in [-1, 1], in nats; see `gdm_jax.likelihood`.

        Args:
          x: Data `[n, *shape]`; of whole grey levels where there are draws.
          probes: Number of Hutchinson probes. 0 computes exact traces.
          draws: Number of dequantisations, each over a level of config.data.levels, to average over. 0 takes x as it
            is.
          seed: Seed of probes and noise. Those of an example depend on its place in x.

        Returns:
          A `Likelihood`. With several draws `error` is the standard error of their mean, and z is that of the last.

        Raises:
          ValueError, RuntimeError: as `gdm_jax.log_likelihood`; or if probes or draws are negative.
        """
        x = self._checked(x, "x")
        for name, value in (("probes", probes), ("draws", draws)):
            if value < 0:
                raise ValueError(f"{name}: must be at least 0, got {value}")
        steps, options = self._options(options, forward=True)
        path = ode.path.of(self.schedule, steps=steps)
        settings = ode.settings(path, forward=True, **options)
        options |= {"probes": probes, "most_moving": likelihood.widest(self.process, path, x)}
        shared = self.u, self.process, path, self._guidance(label, guidance), options
        found = []
        for draw in range(max(draws, 1)):
            of_noise, of_signs = (keys.each(seed, purpose, draw, count=len(x)) for purpose in ("dequantise", "probe"))
            noisy = np.asarray(pixels.dequantise(x, of_noise, self.config.data.levels)) if draws else x
            part = self._labelled({"x": noisy, "key": np.asarray(jax.random.key_data(of_signs))}, label)
            parts = {"batch": batch, "what": "likelihood", "progress": progress}
            *values, _ = in_parts(_likelihood_part, shared, part, **parts)
            found.append(Likelihood(*values))
            ode.check_solved(found[-1].failed, settings)
        if len(found) == 1:
            return found[0]
        totals = np.stack([one.total for one in found])
        error = totals.std(0, ddof=1) / len(found) ** 0.5
        groups = np.mean([one.groups for one in found], axis=0)
        return found[-1]._replace(total=totals.mean(0), groups=groups, error=error)

    def given(self, keep: Integers) -> tuple[Schedule, list[int]]:
        """The schedule to go on with from the groups `keep`, and these as a list.

        Raises:
          ValueError: if no order that the model was trained on begins with exactly these groups.
        """
        try:
            return self.schedule, check_prefix(self.schedule, keep)
        except ValueError:
            if not 0 < len(set(keep)) < self.process.k or not set(keep) <= set(range(self.process.k)):
                raise
        return self.family.given(keep), sorted(set(keep))

    def under(self, **changes: Any) -> Model:
        """The same model with other fields of config.sampling (order, overlap, boundaries, steps, ...).

        Raises:
          ValueError: if a field is unknown or mistyped, or the model was not trained on such a path.
        """
        if not changes.keys().isdisjoint(("autoguidance", "weak_step")):
            raise ValueError("autoguidance: needs another checkpoint of the run; give it to gdm_jax.load")
        config = configs.resampled(self.config, changes)
        return dataclasses.replace(self, config=config, schedule=configs.check_sampling(config, self.family))

    @property
    def inverse_steps(self) -> int | tuple[int, ...]:
        """Steps of the Euler grid that `invert` undoes by default, by config.sampling.inverse_steps."""
        return build.inverse_steps(self.config.sampling, self.pieces)

    @property
    def pieces(self) -> int:
        """Straight pieces of the schedule's path, the fewest steps that it can be walked in."""
        return len(ode.path.of(self.schedule).t_start)

    def _solve(
        self,
        x: Any,
        what: str,
        schedule: Schedule,
        *,
        forward: bool,
        done: Integers = (),
        waiting: Integers = (),
        label=None,
        guidance=None,
        batch: int = 256,
        progress: bool = False,
        **options,
    ):
        steps, options = self._options(options, forward)
        configs.check_solver(self.config, options["solver"])
        path = ode.path.of(schedule, steps=steps, done=done, waiting=waiting)
        settings = ode.settings(path, forward=forward, **options)
        shared = self.u, self.process, path, self._guidance(label, guidance), options | {"forward": forward}
        part = self._labelled({"x": x}, label)
        end, failed, along = in_parts(_solve_part, shared, part, batch=batch, what=what, progress=progress)
        ode.check_solved(failed, settings)
        if along is None:
            return end
        way = path if forward else path.reversed()
        times = way.frame_times(settings.frames).ravel()
        return end, np.array([way.t_start[0], *times]), np.concatenate([x[None], along])

    def _options(self, options: dict, forward: bool) -> tuple[Any, dict]:
        """Steps, and the other options of a solve, with their defaults; tolerances as arrays, for one program."""
        options = build.encoding(self.config.sampling, self.pieces, **options) if forward else options
        options = build.solver_options(self.config.sampling, **options)
        tolerances = {name: np.asarray(options[name], np.float64) for name in ("rtol", "atol")}
        return options.pop("steps"), options | tolerances

    def _checked(self, x, name: str) -> np.ndarray:
        self._check_shape(x, name)
        return np.asarray(ode.check_state(self.process, self.schedule.k, x, name))

    def _check_shape(self, x, name: str) -> None:
        expected = self.config.data.shape
        if np.ndim(x) != len(expected) + 1 or np.shape(x)[1:] != expected or not len(x):
            raise ValueError(f"{name}: must be [n, {', '.join(map(str, expected))}] with n >= 1, got {np.shape(x)}")

    def check_label(self, label: Integers | int | None, guidance: float | int | None = None) -> None:
        """Raises ValueError unless the model knows these classes and can be guided so; None asks for neither."""
        check_label(label, guidance, self.config.model.classes)

    def _labelled(self, part: dict, label) -> dict:
        """The arrays of a batch together with its labels."""
        return part if label is None else {**part, "label": self._labels(label, len(part["x"]))}

    def _labels(self, label, count: int) -> np.ndarray:
        """One label for each of `count` examples."""
        if np.shape(label) not in ((), (1,), (count,)):
            raise ValueError(f"label: must be a whole number, or one for each of {count} examples, got {label!r}")
        return np.broadcast_to(label, (count,)).astype(np.int32)

    def _guidance(self, label, guidance):
        self.check_label(label, guidance)
        guidance = self.config.sampling.guidance if guidance is None else guidance
        return None if label is None or guidance == 1 else jnp.float32(guidance)


def _told(u, part, guidance):
    return Guided(u, part["label"], guidance) if "label" in part else u


def _solve_part(shared, part):
    u, process, path, guidance, options = shared
    solution = ode.solve(_told(u, part, guidance), process, path, part["x"], throw=False, **options)
    along = None if solution.frames is None else solution.frames.reshape(-1, *part["x"].shape)
    return solution.x, solution.failed, along


def _invert_part(shared, part):
    u, process, grid, guidance, options = shared
    z, residual, calls = inversion.undo(_told(u, part, guidance), process, grid, part["x"], **options)
    return z, residual, jnp.broadcast_to(calls, len(part["x"])), None


def _likelihood_part(shared, part):
    u, process, path, guidance, options = shared
    key = jax.random.wrap_key_data(part["key"])
    u = _told(u, part, guidance)
    return *likelihood.log_likelihood(u, process, path, part["x"], key=key, throw=False, **options), None


def load(
    workdir: str | os.PathLike,
    *,
    step: int | None = None,
    groupings: Mapping[str, Callable] | None = None,
    bases: Mapping[str, Callable] | None = None,
    networks: Mapping[str, Callable] | None = None,
    **changes: Any,
) -> Model:
    """A model of `gdm train`, of `gdm export` or of `gdm models`, without running any code of its config.

    Args:
      workdir: Folder that holds config.json and checkpoints/, a model file, the name of one that ships, or hf://OWNER/NAME.
      step: Step of the checkpoint. The newest readable one by default.
      groupings: Groupings of the model that are not in `gdm_jax.process.groups.GROUPINGS`, by the names in its config.
      bases: Bases that are not in `gdm_jax.process.basis.BASES`.
      networks: Networks that are not in `gdm_jax.networks.NETWORKS`.
      **changes: Fields of `config.sampling` to change, e.g. solver="heun", steps=32, boundaries=(0.1, 0.2, 0.3).

    Raises:
      ValueError: if the config names what is not here, a change is unknown or mistyped, there is no such checkpoint, or
        it is of another architecture (differing paths named). A model on the Hub: as `pretrained.hub.download`.
    """
    own = {"groupings": groupings or {}, "bases": bases or {}, "networks": networks or {}}
    config, found = configs.experiment(workdir, changes, own)
    u, step = configs.trained(workdir, config, found, step)
    return Model(u, found.process, found.schedule, found.family, config, step)
