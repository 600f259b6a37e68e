"""A trained model, loaded from a workdir: sample, encode, decode."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from gdm_jax import build, ode
from gdm_jax import config as configs
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
        if count is not None and count < 1:
            raise ValueError(f"count: must be at least 1, got {count}")
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

    def invert(self, x, *, steps=None, batch: int = 64, progress: bool = False, **options) -> Inversion:
        """Data -> the latents that Euler with `steps` decodes back to them, with residuals; see `inversion.invert`."""
        steps = steps or self.inverse_steps
        x = self._checked(x, "x")
        ode.check_options(self.schedule, solver="euler", steps=steps)
        run = self._compile(_invert_part, steps=steps, **options)
        z, residual, converged, calls, _ = self._in_parts(run, x, batch, "invert", progress)
        return Inversion(z, residual, converged, calls)

    @property
    def inverse_steps(self):
        """Steps of the Euler grid that `invert` undoes by default: those of the config, or 64 if it adapts."""
        return build.solver_options(self.config.sampling)["steps"] or max(64, self.process.k)

    def _solve(self, x, *, forward: bool, batch: int = 256, progress: bool = False, **options):
        x = self._checked(x, "x" if forward else "z")
        options = {**build.solver_options(self.config.sampling), **options}
        ode.check_options(self.schedule, **options)
        run = self._compile(_solve_part, forward=forward, **options)
        end, failed, along = self._in_parts(run, x, batch, "encode" if forward else "generate", progress)
        ode.check_solved(failed, **{name: options[name] for name in ("solver", "max_steps") if name in options})
        if along is None:
            return end
        t = ode.frame_times(self.schedule, options["frames"], forward).ravel()
        start = 0.0 if forward else 1.0
        return end, np.array([start, *t]), np.concatenate([x[None], along])

    def _checked(self, x, name: str) -> np.ndarray:
        expected = self.config.data.shape
        if np.ndim(x) != len(expected) + 1 or np.shape(x)[1:] != expected or not len(x):
            raise ValueError(f"{name}: must be [n, {', '.join(map(str, expected))}] with n >= 1, got {np.shape(x)}")
        return np.asarray(ode.check_state(self.process, self.schedule, x, name))

    def _compile(self, function, **options):
        key = (function, *sorted((name, repr(value)) for name, value in options.items()))
        if key not in self._compiled:
            run = functools.partial(function, self.process, self.schedule, options)
            self._compiled[key] = parallel.over_examples(run)
        return self._compiled[key]

    def _in_parts(self, run, x, batch: int, what: str, progress: bool):
        """run(u, part) on parts of one length, so that it compiles once; the outputs joined."""
        if batch < 1:
            raise ValueError(f"batch: must be at least 1, got {batch}")
        devices = jax.local_device_count()
        batch = -(-min(batch, len(x)) // devices) * devices
        outputs = []
        with tqdm(total=len(x), unit=" images", desc=what, disable=not progress) as bar:
            for start in range(0, len(x), batch):
                part = x[start : start + batch]
                count = len(part)
                *ends, along = run(self.u, part[np.minimum(np.arange(batch), count - 1)])
                along = None if along is None else np.asarray(along)[:, :count]
                outputs.append((*(np.asarray(end)[:count] for end in ends), along))
                bar.update(count)
        *ends, along = zip(*outputs)
        return *map(np.concatenate, ends), None if along[0] is None else np.concatenate(along, axis=1)


def _solve_part(process, schedule, options, u, x):
    solution = ode.solve(u, process, schedule, x, throw=False, **options)
    along = None if solution.frames is None else solution.frames.reshape(-1, *x.shape)
    return solution.x, solution.failed, along


def _invert_part(process, schedule, options, u, x):
    found = invert(u, process, schedule, x, **options)
    return found.z, found.residual, found.converged, jnp.broadcast_to(found.calls, len(x)), None


def load(workdir, *, step: int | None = None, **changes) -> Model:
    """A model from a workdir of `gdm train`, without running any code of its config.

    Args:
      workdir: holding config.json and checkpoints/.
      step: of the checkpoint; the newest readable one by default.
      **changes: fields of `config.sampling` to change, e.g. solver="heun", steps=32, boundaries=(0.1, 0.2, 0.3).

    Raises:
      ValueError: if a change is unknown or mistyped, if there is no such checkpoint, or if it is of another
        architecture (differing paths named).
    """
    workdir = pathlib.Path(workdir)
    config = checkpoint.load_config(workdir)
    if isinstance(changes.get("steps"), int):
        changes["steps"] = (changes["steps"],)
    values = dataclasses.asdict(config)
    config = configs.from_dict({**values, "sampling": {**values["sampling"], **changes}})
    process = build.process(config)
    net = build.network(config, process)
    template = jax.eval_shape(functools.partial(state.create, config, net, process.k)).ema
    params, step = checkpoint.Checkpoints(workdir, create=False).restore_ema(template, step)
    schedule = build.schedule(config, process.k, config.sampling.boundaries)
    return Model(jax.tree_util.Partial(net.apply, params), process, schedule, config, step)
