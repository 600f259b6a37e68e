"""From a checked config to the things it describes: process, schedule, network, solver options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from gdm_jax import basis, groups, models
from gdm_jax import schedule as schedules
from gdm_jax.process import Process
from gdm_jax.schedule import Schedule

if TYPE_CHECKING:
    from gdm_jax.config import Config, Sampling


def process(config: Config) -> Process:
    """The process that config.data.shape and config.process describe.

    Raises:
      ValueError: if they do not fit together.
    """
    shape, settings = config.data.shape, config.process
    grid = shape[:2] if len(shape) == 3 else shape
    if settings.basis == "identity":
        space = basis.identity()
    elif settings.basis == "dct":
        space = basis.dct(grid)
    else:
        space = basis.gaussian_blur(grid, settings.sigma)
    named = getattr(groups, settings.groups)
    if settings.groups == "frequency_bands":
        partition = named(space.rank, settings.bands)
    elif settings.groups == "from_index":
        try:
            index = np.asarray(settings.index)
        except ValueError:
            raise ValueError("process.index: its rows differ in length; nest it as the datum is") from None
        partition = named(index)
    elif settings.groups == "blockwise":
        partition = named(grid, settings.blocks)
    elif settings.groups in ("single", "per_element"):
        partition = named(grid)
    else:
        partition = named(grid, settings.k)
    return Process(partition, space, interpolant=settings.interpolant, strict=settings.strict)


def schedule(config: Config, k: int, boundaries=()) -> Schedule:
    """The intervals of config.schedule for k groups, or those given by boundaries, in the same order.

    Raises:
      ValueError: if boundaries or order do not fit k.
    """
    intervals = config.schedule
    order = intervals.order or None
    field = "sampling.boundaries" if boundaries else "schedule.boundaries"
    boundaries = boundaries or intervals.boundaries
    if boundaries and len(boundaries) != k - 1:
        raise ValueError(f"{field}: {k} groups need {k - 1} boundaries, got {tuple(boundaries)}")
    if order and len(order) != k:
        raise ValueError(f"schedule.order: expected a permutation of {k} groups, got {tuple(order)}")
    if boundaries:
        return schedules.from_boundaries(boundaries, order=order)
    return schedules.overlapping(k, intervals.overlap, order=order)


def solver_options(sampling: Sampling) -> dict:
    """Keyword arguments of `gdm_jax.ode.solve`."""
    steps = sampling.steps[0] if len(sampling.steps) == 1 else sampling.steps or None
    return {"solver": sampling.solver, "steps": steps, "rtol": sampling.rtol, "atol": sampling.atol}


def network(config: Config, process: Process) -> nn.Module:
    """The Flax module of config.model."""
    model = config.model
    if model.name == "mlp":
        return models.MLP(width=model.channels, layers=model.blocks)
    return models.UNet(
        channels=model.channels,
        multipliers=model.multipliers,
        blocks=model.blocks,
        attention=model.attention,
        dropout=model.dropout,
        alpha_channels=process.groups if model.alpha_channels else None,
        patch=model.patch,
        dtype=jnp.dtype(model.dtype),
        remat=model.remat,
    )
