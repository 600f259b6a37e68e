"""Sources, the stream of batches, and the mixture's densities against NumPy and SciPy."""

import io
import json
import os
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from gdm_jax import data, pixels
from gdm_jax.config.schema import Data
from gdm_jax.data import prepared

# Sources


@pytest.fixture(scope="module")
def digits(digits_dir):
    return data.open_source(Data(name="digits", dir=digits_dir))


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


def test_to_model_range():
    np.testing.assert_allclose(pixels.to_model_range(np.array([0, 51, 255], np.uint8)), [-1, -0.6, 1], atol=1e-6)
    vector = np.array([0.25, -3.0], np.float32)
    np.testing.assert_array_equal(pixels.to_model_range(vector), vector)


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


def opened(folder, **options):
    return data.open_source(Data(**{"name": "folder", "path": str(folder), "dir": str(folder.parent / "prepared"),
                                    "shape": (8, 8, 3)} | options))


def colours(source):
    """(label, mean colour) of every example, in order."""
    examples = [source[i] for i in range(len(source))]
    return sorted((int(e["label"]), *np.rint(e["x"].mean((0, 1))).tolist()) for e in examples)


def test_folder_with_classes(pictures):
    source = opened(pictures)
    assert source.shape == (8, 8, 3) and source[0]["x"].dtype == np.uint8
    assert colours(source) == [(0, 0, 0, 255), (0, 255, 0, 0), (1, 100, 100, 100), (1, 200, 200, 200)]


def test_folder_in_grey(pictures):
    greys = [round(e[1]) for e in colours(opened(pictures, shape=(4, 4, 1)))]
    assert greys == [29, 76, 100, 200]  # 0.114 * 255 of blue, 0.299 * 255 of red


@pytest.mark.parametrize(
    "size, shape",
    [((12, 4), (4, 4, 1)), ((4, 12), (4, 4, 1)), ((40, 20), (10, 10, 1)), ((20, 40), (5, 10, 1))],
)
def test_images_are_cropped_at_the_centre_then_resized(tmp_path, size, shape):
    """A plane stays the same plane, read at the centres of the new pixels; the outermost see the image's edge."""
    width, height = size
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    Image.fromarray((4 * y + 2 * x).astype(np.uint8)).save(tmp_path / "image.png")
    scale = min(width / shape[1], height / shape[0])
    sides = (width, shape[1]), (height, shape[0])
    x, y = ((n - m * scale) / 2 + (np.arange(m) + 0.5) * scale - 0.5 for n, m in sides)
    found = data.read_image(tmp_path / "image.png", shape)[..., 0].astype(float)
    np.testing.assert_allclose(found[1:-1, 1:-1], (4 * y[:, None] + 2 * x)[1:-1, 1:-1], atol=1.5)


def test_an_image_of_the_right_size_is_untouched(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    np.testing.assert_array_equal(data.read_image(tmp_path / "image.png", (6, 9, 3)), pixels)


def test_an_image_that_claims_to_be_huge(tmp_path):
    """A few hundred bytes that would fill 10 GB are refused unread."""
    file = io.BytesIO()
    Image.new("L", (1, 1)).save(file, "PNG")
    content = bytearray(file.getvalue())
    content[16:24] = (100_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "image.png").write_bytes(content)
    with pytest.raises(ValueError, match="could be decompression bomb"):
        data.read_image(tmp_path / "image.png", (8, 8, 1))
    with pytest.raises(ValueError, match="1 of 1 images cannot be read: image.png"):
        opened(tmp_path)


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n{ } loop"


@pytest.mark.parametrize("content", [b"DDS " + bytes(200), POSTSCRIPT, b""])
def test_of_another_kind_than_its_name_says(tmp_path, content):
    """Nothing is started, least of all PostScript."""
    (tmp_path / "image.png").write_bytes(content)
    with pytest.raises(ValueError, match="cannot identify image file"):
        data.read_image(tmp_path / "image.png", (8, 8, 1))


def test_what_is_no_file_of_a_folder(pictures):
    """A pipe would keep a reader waiting for ever; a link leads nowhere."""
    os.mkfifo(pictures / "pipe.png")
    (pictures / "link.png").symlink_to(pictures / "nowhere.png")
    (pictures / "folder.png").mkdir()
    assert len(data.find_images(pictures)) == 4


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_of_an_animation_the_first_picture_counts(tmp_path, kind):
    frames = [Image.new("RGB", (8, 8), (shade, shade, shade)) for shade in (10, 200, 90)]
    frames[0].save(tmp_path / "image.png", kind, save_all=True, append_images=frames[1:], lossless=True)
    assert (data.read_image(tmp_path / "image.png", (8, 8, 1)) == 10).all()


def test_sixteen_bits_and_four_inks(tmp_path):
    """The high byte of 16 bits; cyan, magenta, yellow and black as the red, green and blue that they leave."""
    deep = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1024
    Image.fromarray(deep).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(data.read_image(tmp_path / "deep.png", (8, 8, 1))[..., 0], deep >> 8)
    Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(tmp_path / "inks.jpg", quality=100)
    assert np.abs(data.read_image(tmp_path / "inks.jpg", (8, 8, 3)).astype(int) - [0, 255, 255]).max() <= 3


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
    with pytest.raises(ValueError, match=r"data\.split: elsewhere has train, test, or a part .*, got 'validation'"):
        data.open_source(Data(**settings, split="validation"))
    with pytest.raises(ValueError, match=r"data\.shape: the data set's images are \(4, 4, 3\), the config says"):
        data.open_source(Data(**{**settings, "shape": (8, 8, 3)}))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"name": "folder", "path": "{tmp}/missing", "shape": (8, 8, 3)}, "data.path: there is no folder '.*missing'"),
        ({"name": "folder", "path": "{tmp}", "shape": (8, 8, 3)}, "data.path: .* holds no image; looked for .png"),
        ({"name": "folder", "path": "{tmp}", "shape": (8,)}, r"data.shape: images need \(height, width, channel\)"),
        ({"name": "nothing_of_the_kind"}, "data.name: must be digits, mixture2d, folder, or .*; none at .*nothing_of"),
        ({"name": "mixture2d", "shape": (3,)}, r"data.shape: mixture2d has shape \(2,\), got \(3,\)"),
    ],
)
def test_bad_sources(tmp_path, settings, message):
    settings = {key: value.format(tmp=tmp_path) if isinstance(value, str) else value for key, value in settings.items()}
    with pytest.raises(ValueError, match=message):
        data.open_source(Data(dir=str(tmp_path), **settings))


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
    with pytest.raises(ValueError, match="data.split: digits has train, or a part such as .*, got") as caught:
        data.open_source(Data(name="digits", dir=digits_dir, split=split))
    assert repr(split) in str(caught.value) and "\n" not in str(caught.value)


# Several sets


@pytest.fixture
def several(pictures):
    """Three reddish and one blue image as sets of their own, three parts of the first to one of the second."""
    folders = pictures.parent / "red", pictures.parent / "blue"
    for folder, colour, count in zip(folders, ((200, 0, 0), (0, 0, 200)), (3, 1)):
        folder.mkdir()
        for i in range(count):
            Image.new("RGB", (8, 8), tuple(value + i if value else 0 for value in colour)).save(folder / f"{i}.png")
    return Data(shape=(8, 8, 3), dir=str(pictures.parent / "prepared"),
                mixture=(("folder", str(folders[0]), 3), ("folder", str(folders[1]), 1.0)))


def test_the_label_of_an_example_is_the_number_of_its_set(several):
    """One after another, whatever labels the sets have of their own."""
    source = data.open_source(several)
    assert (len(source), source.shape) == (4, (8, 8, 3))
    assert colours(source) == [(0, 200, 0, 0), (0, 201, 0, 0), (0, 202, 0, 0), (1, 0, 0, 200)]
    assert [int(source[i]["label"]) for i in range(4)] == [0, 0, 0, 1]


def test_digits_and_a_folder(pictures, digits_dir, digits):
    """Sets of different kinds; the label of a digit, and of a class of the folder, gives way to that of the set."""
    mixture = (("digits", "", 1), ("folder", str(pictures), 1))
    source = data.open_source(Data(dir=digits_dir, shape=(8, 8, 1), mixture=mixture))
    assert len(source) == 1797 + 4
    np.testing.assert_array_equal(source[5]["x"], digits[5]["x"])
    assert [int(source[i]["label"]) for i in (0, 5, 1796, 1797, 1800)] == [0, 0, 0, 1, 1]


def test_shares_follow_the_weights(several):
    """Not the sizes of the sets; within a set every example comes equally often, and mirrored like any other."""
    stream = data.stream(data.open_source(several), seed=0, batch=100)
    found = [next(stream) for _ in range(10)]
    label = np.concatenate([batch["label"] for batch in found])
    shade = np.concatenate([batch["x"][:, 0, 0] for batch in found])
    assert (label == 0).mean() == pytest.approx(0.75, abs=0.02)
    np.testing.assert_array_equal(shade[label == 1], np.broadcast_to([0, 0, 200], (np.sum(label == 1), 3)))
    values, counts = np.unique(shade[label == 0, 0], return_counts=True)
    assert values.tolist() == [200, 201, 202] and np.ptp(counts) <= 3


def test_a_mixture_resumes_and_is_shared_like_one_set(several):
    """A saved position reads on exactly; two hosts together read what one does."""
    source, options = data.open_source(several), {"seed": 5, "batch": 4, "flip": True}
    stream = data.stream(source, **options)
    for _ in range(7):
        next(stream)
    state = json.loads(json.dumps(stream.get_state()))
    again = data.stream(source, **options)
    again.set_state(state)
    for expected in [next(stream) for _ in range(6)]:
        found = next(again)
        for name in ("x", "label", "position"):
            np.testing.assert_array_equal(found[name], expected[name])
    whole = next(data.stream(source, **options))
    parts = [next(data.stream(source, process_index=p, process_count=2, **options)) for p in range(2)]
    order = np.argsort(np.concatenate([part["position"] for part in parts]))
    for name in ("x", "label"):
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts])[order], whole[name])


@pytest.mark.parametrize(
    "mixture, message",
    [
        ((("folder", "{tmp}/missing", 1),), "data.path: there is no folder '.*missing'"),
        ((("digits", "", 1), ("nothing_of_the_kind", "", 1)), "data.name: must be digits, mixture2d, folder, or .*"),
        ((("digits", "", 1), ("mixture2d", "", 1)), r"data.shape: mixture2d has shape \(2,\), got \(8, 8, 1\)"),
    ],
)
def test_bad_sets_of_a_mixture(tmp_path, digits_dir, mixture, message):
    mixture = tuple((name, path.format(tmp=tmp_path), weight) for name, path, weight in mixture)
    with pytest.raises(ValueError, match=message) as caught:
        data.open_source(Data(dir=digits_dir, mixture=mixture))
    assert "\n" not in str(caught.value)


def test_channels_other_than_one_or_three(pictures):
    with pytest.raises(ValueError, match="1 or 3 channels, got 2"):
        data.read_image(pictures / "grey" / "hundred.png", (8, 8, 2))


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


# Types, ranges and transparency


class Records(list):
    """What TFDS gives of a data set on disk."""

    def __getitems__(self, numbers):
        return [self[n] for n in numbers]


def source_of(images):
    return prepared.ImageSource(Records({"image": image} for image in images), images[0].shape)


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


def test_numbers_of_another_type_are_no_pixels():
    with pytest.raises(ValueError, match="values must be uint8, uint16 or floats in .*, got int32"):
        pixels.to_model_range(np.array([200]))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
@pytest.mark.parametrize("channels", [1, 3])
def test_transparent_paper_is_white(mode, channels, tmp_path):
    """Black ink on nothing."""
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 8, 4))
    image = image.convert(mode) if mode != "P" else image.quantize()
    image.save(tmp_path / "ink.png")
    x = data.read_image(tmp_path / "ink.png", (8, 8, channels))
    assert x[:4].max() <= 2 and x[4:].min() >= 253


def test_a_fingerprint_is_of_what_the_data_are(digits, pictures):
    """The same wherever it lies and in whatever parts it is read; another for one pixel or one label."""
    assert data.fingerprint(digits) == data.fingerprint(digits)
    images = np.arange(3 * 16, dtype=np.uint8).reshape(3, 4, 4, 1)
    marks = [data.fingerprint(source_of(images))]
    images[2, 3, 3] += 1
    marks += [data.fingerprint(source_of(images)), data.fingerprint(source_of(images[:2]))]
    assert len(set(marks)) == 3
    moved = pictures.rename(pictures.parent / "moved")
    first = data.fingerprint(opened(moved, dir=str(pictures.parent / "a")))
    assert first == data.fingerprint(opened(moved.rename(pictures), dir=str(pictures.parent / "b")))


def test_a_mixture_of_types_is_refused():
    parts = [source_of(np.zeros((2, 4, 4, 1), dtype)) for dtype in (np.uint8, np.uint16)]
    with pytest.raises(ValueError, match="data.mixture: must hold images of one type, got uint"):
        data.Several(parts, [1, 1])
