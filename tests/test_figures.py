"""Pictures: sizes, colours in the right place, and films that play."""

import numpy as np
import pytest
from PIL import Image

import gdm_jax as gdm
from gdm_jax import figures


def test_to_uint8():
    np.testing.assert_array_equal(figures.to_uint8([-2.0, -1.0, 0.0, 1.0, 3.0]), [0, 0, 128, 255, 255])
    every = np.arange(256)
    np.testing.assert_array_equal(figures.to_uint8(every / 127.5 - 1), every)


def test_grid_places_images():
    black, white = -np.ones((8, 8, 1)), np.ones((8, 8, 1))
    page = figures.grid(np.stack([black, white, white, black]), columns=2, cell=16)
    pixels = np.asarray(page.convert("L"))
    centre = [[pixels[2 + 9, 2 + 9], pixels[2 + 9, 2 + 18 + 9]], [pixels[2 + 18 + 9, 11], pixels[2 + 18 + 9, 29]]]
    assert centre == [[0, 255], [255, 0]]


@pytest.mark.parametrize("side, channels", [(8, 1), (256, 3)])
def test_grid_with_labels_is_larger(side, channels):
    images = np.zeros((4, side, side, channels))
    plain, labelled = (
        figures.grid(images, columns=2),
        figures.grid(images, columns=2, rows=["a", "b"], heads=["c", "d"]),
    )
    assert labelled.width > plain.width and labelled.height > plain.height
    assert plain.width >= 2 * max(side, 64)


def test_film_plays(tmp_path):
    figures.film(
        np.linspace(-1, 1, 5)[:, None, None, None, None] * np.ones((5, 4, 8, 8, 1)), tmp_path / "a" / "film.gif"
    )
    with Image.open(tmp_path / "a" / "film.gif") as film:
        assert film.n_frames == 5 and film.info["loop"] == 0


def test_cloud_shows_where_the_points_are():
    image = np.asarray(figures.cloud(np.full((100, 2), [1.5, 1.5]), side=128, extent=3.0))
    assert image[20:44, 84:108].min() == 0 and image[64:].min() == 255  # up and to the right


def test_moments():
    schedule = gdm.schedule.uniform(2)
    assert [figures.moment(schedule, p) for p in (0, 0.25, 0.5, 0.75, 1)] == [
        "noise",
        "0: 50%",
        "1 done",
        "1: 50%",
        "data",
    ]
