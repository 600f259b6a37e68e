"""Data sets that several tests open."""

import pytest
from PIL import Image

from gdm_jax import data
from gdm_jax.config.schema import Data


@pytest.fixture(scope="module")
def digits(digits_dir):
    return data.open_source(Data(name="digits", dir=digits_dir))


@pytest.fixture
def pictures(tmp_path):
    """Two classes: a red and a tall blue image, and two grey ones, as PNG and JPEG."""
    folder = tmp_path / "pictures"
    (folder / "bright").mkdir(parents=True)
    (folder / "grey").mkdir()
    Image.new("RGB", (8, 8), (255, 0, 0)).save(folder / "bright" / "red.png")
    Image.new("RGB", (10, 30), (0, 0, 255)).save(folder / "bright" / "tall.PNG")
    Image.new("L", (8, 8), 100).save(folder / "grey" / "hundred.png")
    Image.new("L", (16, 16), 200).save(folder / "grey" / "two.jpeg", quality=95)
    (folder / "notes.txt").write_text("not an image")
    return folder
