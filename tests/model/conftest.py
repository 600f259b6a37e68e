"""One tiny run over digits."""

import dataclasses

import pytest

import gdm_jax as gdm
from gdm_jax import config as configs
from gdm_jax import training
from tests.model.digits import ORDERS, first_digits


@pytest.fixture(scope="package")
def workdir(digits_dir, tmp_path_factory):
    """Ten fast steps, strict, on three bands in two orders or all at once, told the digit. Not to be written to."""
    config = configs.from_dict(
        {
            "data": {"name": "digits", "dir": digits_dir},
            "process": {"groups": "frequency_bands", "basis": "dct", "bands": [2, 8], "strict": True},
            "schedule": {"order": ORDERS, "overlap": [0.0, 1.0]},
            "model": {"name": "mlp", "channels": 32, "blocks": 1, "classes": 10},
            "training": {"batch": 32, "steps": 10, "save_every": 5, "warmup_images": 0}
            | {"learning_rate": 0.02, "ema_ramp": 0.05},
            "sampling": {"steps": [6]},
        }
    )
    workdir = tmp_path_factory.mktemp("run")
    training.train(config, workdir, progress=False)
    return workdir


@pytest.fixture(scope="package")
def model(workdir):
    return gdm.load(workdir)


@pytest.fixture(scope="package")
def unlabelled(model):
    """A model that says that it was trained without labels."""
    network = dataclasses.replace(model.config.model, classes=0)
    return dataclasses.replace(model, config=dataclasses.replace(model.config, model=network))


@pytest.fixture(scope="package")
def digits(model):
    """Eight digits, one a device, `[8, 8, 8, 1]`."""
    return first_digits(model, 8)
