"""Two small models to look at: bands, and halves of the pixels."""

import pytest

from gdm_jax import config as configs
from gdm_jax import training

PROCESSES = {
    "bands": {"groups": "frequency_bands", "basis": "dct", "bands": [2, 8]},
    "halves": {"groups": "bottom_to_top", "k": 2},
}


@pytest.fixture(scope="package")
def workdirs(digits_dir, tmp_path_factory):
    """Name -> workdir of ten fast steps on digits. Not to be written to."""
    made = {}
    for name, process in PROCESSES.items():
        made[name] = tmp_path_factory.mktemp("explored") / name
        config = configs.from_dict(
            {
                "data": {"name": "digits", "dir": digits_dir},
                "process": process,
                "model": {"name": "mlp", "channels": 32, "blocks": 1},
                "training": {"batch": 32, "steps": 10, "warmup_images": 0, "learning_rate": 0.02, "ema_ramp": 0.05,
                             "sample_every": 0},
                "sampling": {"solver": "euler", "steps": [6], "inverse_steps": [6]},
            }
        )
        training.train(config, made[name], progress=False)
    return made
