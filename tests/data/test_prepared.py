"""Data sets that TFDS prepares: digits, fruits, folders of images, and what others have prepared."""

import importlib.resources
import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from gdm_jax import data, pixels
from gdm_jax.config.schema import Data
from gdm_jax.data import prepared
from tests.data.opened import colours, opened, source_of


def test_digits_are_those_of_scikit_learn(digits):
    """1,797 images; TFDS stores them in an order of its own, so the two are compared as sets."""
    from sklearn.datasets import load_digits

    known = load_digits()
    pixels = np.rint(known.images * 255 / 16).astype(np.uint8).reshape(-1, 64)
    expected = sorted((int(label), *image.tolist()) for label, image in zip(known.target, pixels))
    examples = [digits[i] for i in range(len(digits))]
    assert len(digits) == 1797 and digits.shape == (8, 8, 1)
    assert {(e["x"].shape, e["x"].dtype) for e in examples} == {((8, 8, 1), np.dtype(np.uint8))}
    assert sorted((int(e["label"]), *e["x"].ravel().tolist()) for e in examples) == expected


def test_fruits(tmp_path):
    """Every tile of the sheets once, under its kind; on white; no photograph both in training and in test."""
    train, test = (
        data.open_source(Data(name="fruits", dir=str(tmp_path), split=split, shape=(32, 32, 3)))
        for split in ("train", "test")
    )
    (x, label), (held_x, held_label) = (
        [source[np.arange(len(source))][name] for name in ("x", "label")] for source in (train, test)
    )
    assert np.bincount(label).tolist() == [1856, 992, 1120] and np.bincount(held_label).tolist() == [352, 160, 192]
    assert x.shape == (3968, 32, 32, 3) and x.dtype == np.uint8
    assert np.median(x[:, [0, 0, -1, -1], [0, -1, 0, -1]]) > 250
    seen = {image.tobytes() for image in x}
    assert len(seen) > 3900 and not seen & {image.tobytes() for image in held_x}
    sheet = importlib.resources.files("gdm_jax.data") / "fruits" / "test-cherry.jpg"
    with sheet.open("rb") as file, Image.open(file) as opened_sheet:
        tile = np.asarray(opened_sheet)[32:64, 96:128]
    assert tile.tobytes() in {image.tobytes() for image in held_x[held_label == 1]}


def test_folder_with_classes(pictures):
    source = opened(pictures)
    assert source.shape == (8, 8, 3) and source[0]["x"].dtype == np.uint8
    assert colours(source) == [(0, 0, 0, 255), (0, 255, 0, 0), (1, 100, 100, 100), (1, 200, 200, 200)]


def test_folder_in_grey(pictures):
    greys = [round(e[1]) for e in colours(opened(pictures, shape=(4, 4, 1)))]
    assert greys == [29, 76, 100, 200]  # 0.114 * 255 of blue, 0.299 * 255 of red


def test_a_folder_is_prepared_once_and_afresh_when_changed(pictures, monkeypatch):
    assert len(opened(pictures)) == 4
    read, count = data.read_image, []
    monkeypatch.setattr(prepared, "read_image", lambda *args: count.append(args) or read(*args))
    assert len(opened(pictures)) == 4 and not count
    Image.new("RGB", (8, 8), (0, 255, 0)).save(pictures / "bright" / "green.png")
    assert len(opened(pictures)) == 5 and len(count) == 5
    (pictures / "bright" / "green.png").unlink()
    Image.new("RGB", (8, 8), (9, 9, 9)).save(pictures / "bright" / "red.png")
    assert (0, 9, 9, 9) in colours(opened(pictures))


@pytest.mark.parametrize("damage", ["text", "empty", "truncated", "header"])
def test_an_unreadable_file_is_named_and_skipped_only_when_asked(pictures, damage):
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(whole, "PNG")
    content = {"text": b"not a picture", "empty": b"", "truncated": whole.getvalue()[:600],
               "header": whole.getvalue()[:20] + b"\0" * 40}[damage]
    (pictures / "bright" / "torn.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"1 of 5 images cannot be read: bright/torn\.png .*skip_unreadable=True"):
        opened(pictures)
    assert len(opened(pictures, skip_unreadable=True)) == 4


def test_a_data_set_prepared_elsewhere_is_opened_by_name(tmp_path):
    """A TFDS data set with the Image feature, as CIFAR-10 has; of two versions the newest is read."""
    import tensorflow_datasets as tfds

    class Elsewhere(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.9.0")
        SUPPORTED_VERSIONS = [tfds.core.Version("1.10.0")]

        def _info(self):
            features = {"image": tfds.features.Image(shape=(4, 4, 3)), "label": tfds.features.ClassLabel(num_classes=3)}
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(3), "test": self._generate_examples(2)}

        def _generate_examples(self, count):
            for i in range(count):
                file = io.BytesIO()
                Image.new("RGB", (4, 4), (i, self.version.minor, 0)).save(file, "PNG")
                file.seek(0)
                yield i, {"image": file, "label": i}

    for version in ("1.9.0", "1.10.0"):
        Elsewhere(data_dir=tmp_path, version=version, file_format="array_record").download_and_prepare()
    settings = {"name": "elsewhere", "dir": str(tmp_path), "shape": (4, 4, 3)}
    assert colours(data.open_source(Data(**settings))) == [(0, 0, 10, 0), (1, 1, 10, 0), (2, 2, 10, 0)]
    assert len(data.open_source(Data(**settings, split="test"))) == 2
    known = r"data\.split: elsewhere has train \(3 examples\), test \(2 examples\), or a part .*, got 'validation'"
    with pytest.raises(ValueError, match=known):
        data.open_source(Data(**settings, split="validation"))
    with pytest.raises(ValueError, match=r"data\.shape: the data set's images are \(4, 4, 3\), the config says"):
        data.open_source(Data(**{**settings, "shape": (8, 8, 3)}))


def test_digits_of_another_shape(digits_dir):
    message = r"data.shape: the data set's images are \(8, 8, 1\), the config says \(16, 16, 1\)"
    with pytest.raises(ValueError, match=message):
        data.open_source(Data(name="digits", dir=digits_dir, shape=(16, 16, 1)))


@pytest.mark.parametrize("cut", ["1500", "-300", "25%"])
def test_parts_of_a_split_are_disjoint_and_complete(digits_dir, digits, cut):
    """Held-out digits are digits that were not trained on, and nothing is lost between the two."""
    before, after = (
        data.open_source(Data(name="digits", dir=digits_dir, split=f"train[{part}]")) for part in (f":{cut}", f"{cut}:")
    )
    parts = [*(before[i] for i in range(len(before))), *(after[i] for i in range(len(after)))]
    assert len(before) == {"1500": 1500, "-300": 1497, "25%": 449}[cut] and len(parts) == 1797
    for i, example in enumerate(parts):
        np.testing.assert_array_equal(example["x"], digits[i]["x"])
        assert example["label"] == digits[i]["label"]


@pytest.mark.parametrize("split", ["test", "train[:10", "train[a:]", "train[:10]+test"])
def test_an_unknown_split(digits_dir, split):
    known = r"data.split: digits has train \(1,797 examples\), or a part such as .*, got"
    with pytest.raises(ValueError, match=known) as caught:
        data.open_source(Data(name="digits", dir=digits_dir, split=split))
    assert repr(split) in str(caught.value) and "\n" not in str(caught.value)


def test_tensorflow_is_never_imported(digits_dir, digits, tmp_path):
    """With a tensorflow that cannot be imported first on the path, digits open and stream all the same."""
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise SystemExit('tensorflow was imported')\n")
    program = f"""
import sys
import zlib
from gdm_jax import data
from gdm_jax.config import Data
source = data.open_source(Data(name="digits", dir={digits_dir!r}))
print(next(data.stream(source, seed=0, batch=32))["x"].shape, "tensorflow" in sys.modules)
"""
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    run = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, capture_output=True,
                         text=True)
    assert (run.returncode, run.stdout.strip()) == (0, "(32, 8, 8, 1) False"), run.stderr


def test_pixels_of_sixteen_bits_are_scaled_by_their_type():
    x = source_of(np.array([0, 13107, 65535], np.uint16)[:, None, None, None] * np.ones((4, 4, 1), np.uint16))[:]["x"]
    np.testing.assert_allclose(pixels.to_model_range(x)[:, 0, 0, 0], [-1, -0.6, 1], atol=1e-6)


@pytest.mark.parametrize(
    "images, message",
    [
        (np.full((2, 4, 4, 1), 200.0), r"must be floats in \[-1, 1\], got some from 200 to 200"),
        (np.full((2, 4, 4, 1), np.nan), r"must be floats in \[-1, 1\], got some from nan"),
        (np.full((2, 4, 4, 1), 200, np.int64), "must be uint8, uint16 or floats .* got int64"),
        (np.full((2, 4, 4, 1), True), "must be uint8, uint16 or floats .* got bool"),
    ],
)
@pytest.mark.parametrize("in_memory", [2**28, 0])
def test_images_of_other_types_and_ranges_are_refused(images, message, in_memory, monkeypatch):
    monkeypatch.setattr(prepared.ImageSource, "IN_MEMORY", in_memory)
    with pytest.raises(ValueError, match=f"data.name: its images {message}"):
        source_of(images)
