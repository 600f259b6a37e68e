"""Two small runs, trained by the command and shared by the tests of this folder, which do not write to them."""

import pytest

from gdm_jax import cli

CONFIG = """
from gdm_jax.config import default


def get_config():
    config = default()
    config.data.dir = {data!r}
    config.process.groups = "frequency_bands"
    config.process.basis = "dct"
    config.process.bands = (4, 16)
    config.model.name = "mlp"
    config.model.channels = 32
    config.model.blocks = 1
    config.training.batch = 16
    config.training.steps = 4
    config.training.warmup_images = 16
    config.training.save_every = 2
    config.sampling.steps = (6,)
    return config
"""


@pytest.fixture(scope="module", autouse=True)
def plain_errors():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GDM_TRACEBACK", raising=False)
        yield


@pytest.fixture(scope="session")
def config(digits_dir, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "tiny.py"
    path.write_text(CONFIG.format(data=digits_dir))
    return str(path)


@pytest.fixture(scope="session")
def train(config, tmp_path_factory):
    """A run of the config with some fields changed."""

    def trained(name, **fields):
        path = tmp_path_factory.mktemp("runs") / name
        overrides = [f"--config.{field}={value}" for field, value in fields.items()]
        assert cli.main(["train", "--config", config, "--workdir", str(path), *overrides]) == 0
        return path

    return trained


@pytest.fixture(scope="session")
def workdir(train):
    """A run of four steps."""
    return train("tiny", seed=3)


@pytest.fixture(scope="session")
def blocks(train):
    """A run with four blocks of pixels in every order or all at once, told its labels."""
    fields = {"process.groups": "blockwise", "process.basis": "identity", "process.blocks": (2, 2), "process.bands": (),
              "schedule.random_order": True, "schedule.overlap": (0.0, 1.0), "model.classes": 10, "training.steps": 3,
              "training.warmup_images": 0, "training.learning_rate": 0.02, "training.sample_every": 0}
    return train("blocks", **fields)
