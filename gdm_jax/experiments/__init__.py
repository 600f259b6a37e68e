"""The paper's experiments: each trains or reuses models, judges them, and reports a table and pictures.

A new experiment is a function `Lab -> Report` and a line of EXPERIMENTS. The first line of its docstring is its help.
"""

from collections.abc import Callable

from gdm_jax.experiments import (
    draws,
    few_calls,
    group_counts,
    groupings,
    hierarchy,
    intervals,
    network_space,
    orders,
    overlap,
    solvers,
    training_length,
)
from gdm_jax.experiments.lab import DEFAULTS, Lab, claim, write
from gdm_jax.experiments.scales import SCALES, Scale
from gdm_jax.reports import Report

__all__ = ["DEFAULTS", "EXPERIMENTS", "OF_ANY_MODEL", "SCALES", "Lab", "Scale", "claim", "write"]

OF_ANY_MODEL = ("hierarchy", "solvers")  # experiments that look at one model of bands, which may be the user's
EXPERIMENTS: dict[str, Callable[[Lab], Report]] = {
    "groupings": groupings.run,
    "orders": orders.run,
    "numbers": group_counts.run,
    "intervals": intervals.run,
    "domain": network_space.run,
    "hierarchy": hierarchy.run,
    "solvers": solvers.run,
    "few_calls": few_calls.run,
    "draws": draws.run,
    "overlap": overlap.run,
    "length": training_length.run,
}
