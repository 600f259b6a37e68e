"""Edits as pictures: what they do to images in the basis of the groups, under a field whose groups do not mix.

The network is u = (0.3 + 0.1 label) x_t, so that decoding multiplies every element of a latent by one number and every
edit of a latent can be seen in the image, element by element.
"""

import dataclasses

import jax
import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax import config as configs
from gdm_jax import drawing, latent
from gdm_jax.config import build
from gdm_jax.model import Model
from gdm_jax.reports import edits
from tests.pictures import holds

SHAPE = (4, 4, 1)


def field(x_t, alpha, label=None):
    strength = 0.3 if label is None else 0.3 + 0.1 * label[:, None, None, None]
    return strength * x_t


@pytest.fixture(scope="module")
def model():
    config = configs.from_dict(
        {
            "data": {"shape": SHAPE},
            "process": {"groups": "frequency_bands", "basis": "dct", "bands": [2, 6]},
            "model": {"name": "mlp", "classes": 10},
            "sampling": {"steps": [6]},
        }
    )
    process = build.process(config)
    u, family = jax.tree_util.Partial(field), build.family(config, process.k)
    return Model(u, process, build.schedule(config, process.k), family, config, 0)


@pytest.fixture(scope="module")
def source(model):
    return edits.from_seeds(model, [1, 2])


@pytest.fixture(scope="module")
def donors(model):
    return edits.from_seeds(model, [3, 4, 5])


def bar(model, x):
    """Images `[..., 4, 4, 1]` in the basis, `[..., 16]` from the lowest frequency up."""
    flat = np.asarray(model.process.basis.forward(np.asarray(x).reshape(-1, *SHAPE)))
    order = np.argsort(np.asarray(model.process.basis.rank).ravel())
    return flat.reshape(*np.shape(x)[:-3], 16)[..., order]


def close(a, b):
    np.testing.assert_allclose(a, b, atol=1e-5)


GRID = drawing.grid
FIRST, REST = slice(0, 2), slice(2, 16)  # group 0, and groups 1 and 2


def test_sources_decode_to_their_images(model, source):
    """Samples, and images inverted or encoded by another solver; each carries the options that bring it back."""
    for found in (
        source,
        edits.from_images(model, source.x),
        edits.from_images(model, source.x, steps=12),
        edits.from_images(model, source.x, solver="heun", steps=48),
        edits.from_images(model, source.x, solver="tsit5"),
        edits.from_images(model, source.x, solver="tsit5", steps=None),
        edits.from_images(model, source.x, label=4),
    ):
        np.testing.assert_allclose(model.decode(found.z, **found.options), source.x, atol=1e-3)
        assert not len(found.uncertain)
    assert edits.from_images(model, source.x, solver="tsit5").options["steps"] == 32


def test_pages_name_what_they_show(model, source, donors, monkeypatch):
    """Samples by their seeds, images by their numbers."""
    shown = []
    monkeypatch.setattr(edits.drawing, "grid", lambda x, **words: shown.append(words) or GRID(x, **words))
    edits.swap(model, edits.from_images(model, source.x), donors, [0])
    edits.traverse(model, source, [0])
    assert shown[0]["heads"] == ["", "seed 3", "seed 4", "seed 5"] and shown[0]["rows"] == ["", "image 0", "image 1"]
    assert [words["title"] for words in shown[1:]] == ["seed 1", "seed 2"]


def test_an_image_that_is_not_inverted_is_named(model, source):
    """Under a field so steep that the steps of Euler cannot be undone."""
    steep = dataclasses.replace(model, u=jax.tree_util.Partial(lambda x_t, alpha: 50 * np.pi * x_t))
    assert edits.from_images(steep, source.x).uncertain == [0, 1]


def test_swap_takes_groups_of_the_donor_and_the_rest_of_the_image(model, source, donors):
    made = edits.swap(model, source, donors, [0])
    assert made.x.shape == (2, 3, *SHAPE)
    x, image, donor = (bar(model, one) for one in (made.x, source.x, donors.x))
    close(x[..., FIRST], np.broadcast_to(donor[None, :, FIRST], (2, 3, 2)))
    close(x[..., REST], np.broadcast_to(image[:, None, REST], (2, 3, 14)))


def test_interpolate_moves_one_group_a_row(model, donors):
    """Between each two neighbours; the last row moves all; the ends are the images."""
    made = edits.interpolate(model, donors, count=4)
    assert made.x.shape == (2, 4, 4, *SHAPE)
    x, image = bar(model, made.x), bar(model, donors.x)
    for pair in range(2):
        close(x[pair, 3, [0, -1]], image[[pair, pair + 1]])
        close(x[pair, 0, -1, FIRST], image[pair + 1, FIRST])
        close(x[pair, 0, :, REST], np.broadcast_to(image[pair, REST], (4, 14)))
        close(x[pair, 1:3, :, FIRST], np.broadcast_to(image[pair, FIRST], (2, 4, 2)))
    line = edits.interpolate(model, donors, groups=[0], count=3, spherical=False)
    assert line.x.shape == (2, 1, 3, *SHAPE)
    close(bar(model, line.x)[0, 0, 1, FIRST], (image[0, FIRST] + image[1, FIRST]) / 2)


def test_traverse_sets_one_element(model, source):
    """From -3 to 3 times the factor of decoding, the others fixed."""
    made = edits.traverse(model, source, [0, 7], count=5)
    assert made.x.shape == (2, 2, 5, *SHAPE)
    x, image = bar(model, made.x), bar(model, source.x)
    factor = image[0, 0] / bar(model, source.z)[0, 0]
    for row, element in enumerate((0, 7)):
        close(
            x[:, row, :, element] / bar(model, source.x)[0, 0] * bar(model, source.z)[0, 0],
            np.broadcast_to(np.linspace(-3, 3, 5), (2, 5)),
        )
        others = np.delete(np.arange(16), element)
        close(x[:, row][..., others], np.broadcast_to(image[:, None, others], (2, 5, 15)))
    assert factor > 0


def test_resample_keeps_a_prefix_and_draws_the_rest(model, source):
    """A block for each prefix of the order; draws differ, and are those of the seed."""
    made = edits.resample(model, source, count=3, seed=1)
    assert made.x.shape == (2, 2, 3, *SHAPE)
    x, image = bar(model, made.x), np.broadcast_to(bar(model, source.x)[:, None], (2, 3, 16))
    for block, kept in enumerate((2, 6)):
        close(x[block][..., :kept], image[..., :kept])
    assert np.abs(x[0, :, 0, REST] - x[0, :, 1, REST]).min(1).max() > 1e-3
    one = edits.resample(model, source, groups=[0], count=3, seed=1)
    close(one.x[0], made.x[0])
    assert np.abs(edits.resample(model, source, groups=[0], count=3, seed=2).x - one.x).max() > 1e-2


@pytest.mark.parametrize("seed", [None, 3])
def test_keep_replaces_the_rest(model, source, seed):
    """By zero or by noise; everything kept is the image."""
    made = edits.keep(model, source, seed=seed)
    assert made.x.shape == (2, 3, *SHAPE)
    x, image = bar(model, made.x), bar(model, source.x)
    close(x[:, 2], image)
    close(x[:, 0, FIRST], image[:, FIRST])
    if seed is None:
        close(x[:, 0, REST], 0)
    else:
        assert np.abs(x[:, 0, REST]).min(1).max() > 1e-3
    close(edits.keep(model, source, groups=[0], seed=seed).x[:, 0], made.x[:, 0])


def test_fill_repeats_seeds_and_labels(model, source):
    """Each image with each seed; its label goes with it."""
    made = edits.fill(model, source, [0], count=3, label=[2, 6])
    assert made.x.shape == (2, 3, *SHAPE)
    x = bar(model, made.x)
    close(x[..., FIRST], np.broadcast_to(bar(model, source.x)[:, None, FIRST], (2, 3, 2)))
    for row, label in enumerate((2, 6)):
        close(made.x[row], model.fill(np.repeat(source.x[row : row + 1], 3, 0), [0], seeds=[0, 1, 2], label=label))
    assert np.abs(made.x[:, 0] - made.x[:, 1]).max() > 1e-2


def test_labels_of_the_images_stay_with_them(model, donors):
    """A label an image: every cell is decoded under that of its row."""
    source = edits.from_seeds(model, [1, 2], label=[2, 6])
    made = {
        "swap": edits.swap(model, source, donors, [0]).x,
        "keep": edits.keep(model, source).x,
        "resample": edits.resample(model, source, groups=[0], count=3, seed=1).x[0],
        "traverse": edits.traverse(model, source, [0], count=3).x[:, 0],
    }
    for row, label in enumerate((2, 6)):
        z = source.z[row : row + 1]
        swapped = latent.swap(model.process, z, donors.z, [0])
        close(made["swap"][row], model.decode(swapped, label=label))
        close(made["keep"][row, -1], model.decode(z, label=label)[0])
        rest = bar(model, made["traverse"][row])[..., REST]
        close(rest, np.broadcast_to(bar(model, source.x)[row, REST], rest.shape))
        close(bar(model, made["resample"][row])[..., FIRST], np.broadcast_to(bar(model, source.x)[row, FIRST], (3, 2)))


def test_an_edit_does_not_depend_on_the_batch(model, donors):
    small = donors._replace(options={"batch": 8})
    close(edits.swap(model, small, donors, [1]).x, edits.swap(model, donors, donors, [1]).x)


def test_pictures_hold_every_cell(model, source, donors):
    """The images themselves, and beside them what was made."""
    for made, beside in (
        (edits.swap(model, source, donors, [0]), [*source.x, *donors.x]),
        (edits.keep(model, source), source.x),
        (edits.fill(model, source, [0], count=2), source.x),
        (edits.resample(model, source, count=2), source.x),
        (edits.interpolate(model, source, count=3), source.x),
        (edits.traverse(model, source, [0, 1], count=3), []),
    ):
        assert np.isfinite(made.x).all() and made.x.dtype == np.float32
        assert all(holds(made.page, image) for image in [*beside, *made.x.reshape(-1, *SHAPE)])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda m, s: edits.swap(m, s, s, []), "groups: name at least one of 3, and not all"),
        (lambda m, s: edits.swap(m, s, s, [0, 1, 2]), "groups: name at least one of 3, and not all"),
        (lambda m, s: edits.swap(m, s, s, [3]), r"groups: 3 is out of range; there are groups 0\.\.2"),
        (lambda m, s: edits.interpolate(m, s._replace(z=s.z[:1])), "needs two images and two steps, got 1 and 7"),
        (lambda m, s: edits.interpolate(m, s, count=1), "needs two images and two steps, got 2 and 1"),
        (lambda m, s: edits.interpolate(m, s, groups=[-1]), "groups: -1 is out of range"),
        (lambda m, s: edits.traverse(m, s, []), "traverse: needs an element and two values"),
        (lambda m, s: edits.traverse(m, s, [0], count=1), "traverse: needs an element and two values"),
        (lambda m, s: edits.traverse(m, s, [16]), r"element: 16 is out of range; there are elements 0\.\.15"),
        (lambda m, s: edits.traverse(m, s, [0], channel=1), "channel: 1 is out of range; there are 1"),
        (lambda m, s: edits.resample(m, s, count=0), "count: must be at least 1, got 0"),
        (lambda m, s: edits.resample(m, s, count=-1), "count: must be at least 1, got -1"),
        (lambda m, s: edits.resample(m, s, groups=[]), "groups: name at least one of 3"),
        (lambda m, s: edits.keep(m, s, groups=[7]), "groups: 7 is out of range"),
        (lambda m, s: edits.fill(m, s, [0], count=0), "count: must be at least 1, got 0"),
        (lambda m, s: edits.fill(m, s, [1]), r"keep: .*\[1\].*\[0\], \[0, 1\]"),
        (lambda m, s: edits.from_images(m, s.x[:, :2]), r"x: must be \[n, 4, 4, 1\]"),
        (lambda m, s: edits.from_seeds(m, [-1]), "seeds: must be"),
    ],
)
def test_refusals(model, source, call, message):
    """In one line, with the argument, the value and the rule."""
    with pytest.raises(ValueError, match=message) as caught:
        call(model, source)
    assert "\n" not in str(caught.value)


def test_one_group_alone_interpolates_as_a_whole(model):
    """With k = 1 there is no group to move by itself: one row, all of it."""
    config = dataclasses.replace(model.config, process=configs.Groupwise())
    process, family = build.process(config), build.family(config, 1)
    whole = Model(model.u, process, build.schedule(config, 1), family, config, 0)
    source = edits.from_seeds(whole, [1, 2])
    made = edits.interpolate(whole, source, count=3)
    assert made.x.shape == (1, 1, 3, *SHAPE)
    close(made.x[0, 0, [0, -1]], source.x)
    assert isinstance(whole, gdm.model.Model) and latent.noise([1, 2], SHAPE).shape == source.z.shape
