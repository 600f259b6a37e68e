"""What an experiment is: fields and their rules, files that set them, and the objects that they describe."""

from gdm_jax.config.read import default, from_dict, from_json, inherit, load, to_json
from gdm_jax.config.schema import Config, Data, Groupwise, Intervals, Model, Sampling, Training
from gdm_jax.config.workdirs import check_unchanged, differences, of_workdir
