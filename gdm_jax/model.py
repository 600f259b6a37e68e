"""A trained model, loaded from a workdir: sample, encode, decode."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import types
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from gdm_jax import config as configs
from gdm_jax import build, ode
from gdm_jax.inversion import Inversion, invert
from gdm_jax.process import Process
from gdm_jax.schedule import Schedule
from gdm_jax.training import checkpoint, parallel, state


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """A network with the process it was trained for.

    Attributes:
      u: the network, (x_t `[batch, *shape]`, alpha `[batch, k]`) -> like x_t, on averaged parameters.
      process, schedule: how data become noise, and when; schedule is the one to sample with.
      config: of the experiment.
      step: of the checkpoint.
    """

    u: jax.tree_util.Partial
    process: Process
    schedule: Schedule
    config: configs.Config
    step: int
    _compiled: dict = dataclasses.field(default_factory=dict, repr=False)

    def sample(self, count: int | None = None, *, seeds: Sequence[int] | None = None, **options):
        """New data `[count, *shape]`.

        Args:
          count: how many, from seeds 0, 1, ...; 16 if neither is given.
          seeds: one integer an example instead; an example depends on its seed alone, not on its batch.
          **options: as `decode`.
        """
        seeds = np.arange(16 if count is None else count) if seeds is None else np.asarray(seeds)
        return self.decode(ode.latents(seeds, self.config.data.shape), **options)

    def decode(self, z, **options):
        """Latents -> data, `[n, *shape]` each, as NumPy arrays.

        Args:
          z: standard normal, `[n, *shape]`.
          batch: examples solved at once; the work is spread over this host's devices.
          progress: show a bar.
          **options: of `gdm_jax.ode.solve` (solver, steps, rtol, atol, frames); the config's `sampling` by default.

        Returns:
          x, or with frames > 0 the pair (x, states `[segments * frames, n, *shape]` along the way).
        """
        return self._solve(z, forward=False, **options)

    def encode(self, x, **options):
        """Data `[n, *shape]` in [-1, 1] -> latents, the mirror of `decode`."""
        return self._solve(x, forward=True, **options)

    def invert(self, x, *, steps=None, **options) -> Inversion:
        """Data -> the latents that Euler with `steps` decodes back to them, with residuals; see `inversion.invert`."""
        return invert(self.u, self.process, self.schedule, x, steps=steps or self.inverse_steps, **options)

    @property
    def inverse_steps(self):
        """Steps of the Euler grid that `invert` undoes by default: those of the config, or 64 if it adapts."""
        return build.solver_options(self.config.sampling)["steps"] or max(64, self.process.k)

    def _solve(self, x, *, forward: bool, batch: int = 256, progress: bool = False, **options):
        x = np.asarray(ode.check_state(self.process, self.schedule, x, "x" if forward else "z"))
        options = {**build.solver_options(self.config.sampling), **options}
        ode.check_options(self.schedule, **options)
        if batch < 1:
            raise ValueError(f"batch: must be at least 1, got {batch}")
        key = (forward, *sorted((name, repr(value)) for name, value in options.items()))
        if key not in self._compiled:
            self._compiled[key] = parallel.over_examples(
                functools.partial(_run, self.process, self.schedule, types.MappingProxyType(options), forward)
            )
        run = self._compiled[key]
        batch = min(batch, -(-len(x) // jax.local_device_count()) * jax.local_device_count())
        ends, states = [], []
        with tqdm(total=len(x), unit=" images", desc="encode" if forward else "generate", disable=not progress) as bar:
            for start in range(0, len(x), batch):
                part = x[start : start + batch]
                padded = part[np.minimum(np.arange(batch), len(part) - 1)]  # one shape, one compilation
                end, along = run(self.u, padded)
                ends.append(np.asarray(end)[: len(part)])
                if along is not None:
                    states.append(np.asarray(along)[:, : len(part)])
                bar.update(len(part))
        if not states:
            return np.concatenate(ends)
        t = ode.frame_times(self.schedule, options["frames"], forward).ravel()
        start = 0.0 if forward else 1.0
        return np.concatenate(ends), np.array([start, *t]), np.concatenate([x[None], np.concatenate(states, axis=1)])


def _run(process, schedule, options, forward, u, x):
    solution = ode.solve(u, process, schedule, x, forward=forward, **options)
    if solution.frames is None:
        return solution.x, None
    return solution.x, solution.frames.reshape(-1, *x.shape)


def load(workdir, *, step: int | None = None, **changes) -> Model:
    """A model from a workdir of `gdm train`, without running any code of its config.

    Args:
      workdir: holding config.json and checkpoints/.
      step: of the checkpoint; the newest readable one by default.
      **changes: fields of `config.sampling` to change, e.g. solver="tsit5", steps=(), boundaries=(0.1, 0.2, 0.3).

    Raises:
      ValueError: if there is no such checkpoint, or it is of another architecture (differing paths named).
    """
    workdir = pathlib.Path(workdir)
    config = checkpoint.load_config(workdir)
    config = dataclasses.replace(config, sampling=dataclasses.replace(config.sampling, **changes))
    configs.check(config)
    process = build.process(config)
    net = build.network(config, process)
    template = jax.eval_shape(functools.partial(state.create, config, net, process.k)).ema
    params, step = checkpoint.Checkpoints(workdir, read_only=True).restore_ema(template, step)
    schedule = build.schedule(config, process.k, config.sampling.boundaries)
    return Model(jax.tree_util.Partial(net.apply, params), process, schedule, config, step)
