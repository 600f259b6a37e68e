"""Image files: what is found, how one is read, and which are refused."""

import io
import os
import zlib

import numpy as np
import pytest
from PIL import Image

from gdm_jax import data, pixels
from tests.data.opened import opened


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


def test_channels_other_than_one_or_three(pictures):
    with pytest.raises(ValueError, match="1 or 3 channels, got 2"):
        data.read_image(pictures / "grey" / "hundred.png", (8, 8, 2))


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


def test_to_model_range():
    np.testing.assert_allclose(pixels.to_model_range(np.array([0, 51, 255], np.uint8)), [-1, -0.6, 1], atol=1e-6)
    vector = np.array([0.25, -3.0], np.float32)
    np.testing.assert_array_equal(pixels.to_model_range(vector), vector)


def test_numbers_of_another_type_are_no_pixels():
    with pytest.raises(ValueError, match="values must be uint8, uint16 or floats in .*, got int32"):
        pixels.to_model_range(np.array([200]))
