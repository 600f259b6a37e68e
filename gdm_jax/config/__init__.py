"""What an experiment is: fields and their rules, files that set them, and the objects that they describe."""

from gdm_jax.config.build import Experiment
from gdm_jax.config.read import default, from_dict, from_json, inherit, load, to_json
from gdm_jax.config.schema import Config, Data, Groupwise, Intervals, Model, Sampling, Training
from gdm_jax.config.validate import check, check_sampling, check_solver
from gdm_jax.config.workdirs import (
    averaged,
    check_unchanged,
    differences,
    experiment,
    of_workdir,
    resampled,
    trained,
    without_places,
)

__all__ = [
    "Config",
    "Data",
    "Experiment",
    "Groupwise",
    "Intervals",
    "Model",
    "Sampling",
    "Training",
    "averaged",
    "check",
    "check_sampling",
    "check_solver",
    "check_unchanged",
    "default",
    "differences",
    "experiment",
    "from_dict",
    "from_json",
    "inherit",
    "load",
    "of_workdir",
    "resampled",
    "to_json",
    "trained",
    "without_places",
]
