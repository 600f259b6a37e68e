"""The pictures of settings are those of the lines of Python that the page shows."""

import numpy as np
import pytest
from PIL import Image

from gdm_jax import explorer, latent
from gdm_jax.explorer import State, Studio
from gdm_jax.explorer.state import as_text


@pytest.fixture(scope="module")
def studio():
    return Studio()


def drawn(seed=0):
    return as_text(np.random.default_rng(seed).integers(0, 256, (8, 8, 1), np.uint8))


CHANGES = {
    "a sample": {"seed": 3},
    "mixed": {"donor": 4, "shares": {0: 0.4, 2: 1.0}},
    "drawn anew": {"redrawn": {1: 7}},
    "moved": {"moved": {0: 1.5, 9: -2.0}},
    "the rest generated": {"keep": (0,), "fill": 2},
    "an image": {"image": drawn(), "moved": {3: 1.0}},
    "between images": {"image": drawn(), "donor_image": drawn(1), "shares": {0: 0.5}},
    "everything": {"seed": 2, "shares": {0: 0.3}, "redrawn": {2: 1}, "moved": {4: 1.0}, "keep": (0, 1), "fill": 5},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_the_lines_make_the_picture(studio, workdirs, changes):
    state = State(str(workdirs["bands"]), **changes)
    names = {}
    exec(explorer.lines(state), names)
    np.testing.assert_array_equal(names["x"], studio.x(state))
    assert "explorer" in names or not any("image" in name for name in changes)


def test_an_image_comes_back(studio, workdirs):
    state = State(str(workdirs["bands"]), image=drawn())
    np.testing.assert_allclose(studio.x(state), explorer.image(drawn()), atol=1e-4)


def test_all_of_the_second_image(studio, workdirs):
    model = str(workdirs["bands"])
    mixed = studio.x(State(model, donor=5, shares={0: 1.0, 1: 1.0, 2: 1.0}))
    np.testing.assert_allclose(mixed, studio.x(State(model, seed=5)), atol=1e-5)


def test_only_the_group_changes(studio, workdirs):
    state = State(str(workdirs["bands"]), redrawn={1: 3})
    process = studio.model(state.model).process
    index = np.asarray(process.groups.index)
    bars = [np.asarray(process.basis.forward(studio.latent(s)))[0, ..., 0] for s in (state, State(state.model))]
    np.testing.assert_allclose(bars[0][index != 1], bars[1][index != 1], atol=1e-5)
    fresh = process.basis.forward(latent.noise([3], (8, 8, 1), "resample"))
    np.testing.assert_allclose(bars[0][index == 1], np.asarray(fresh)[0, ..., 0][index == 1], atol=1e-5)


def test_pictures(studio, workdirs, tmp_path, monkeypatch):
    """The parts sum to the picture, both images are shown as they are, and the way ends with the picture."""
    shown = []
    monkeypatch.setattr("gdm_jax.drawing.grid", lambda x, **labels: shown.append(x) or Image.new("L", (1, 1)))
    state = State(str(workdirs["bands"]), shares={0: 0.5})
    x = studio.x(state)
    studio.parts(state, x), studio.images(state), studio.strip(state)
    parts, images, way = shown
    np.testing.assert_allclose(parts.sum(0), x[0], atol=1e-5)
    np.testing.assert_allclose(images, studio.model(state.model).sample(seeds=[0, 1]), atol=1e-4)
    np.testing.assert_allclose(way[-1], x[0], atol=1e-4)
    monkeypatch.undo()
    assert studio.film(state, tmp_path / "film.gif").read_bytes()[:3] == b"GIF"


def test_a_latent_that_does_not_decode_to_its_image(workdirs, monkeypatch):
    """With steps too long to be undone."""
    studio = Studio()
    state = State(str(workdirs["bands"]), image=drawn())
    assert not studio.warning(state)
    (key,) = studio._sources
    studio._sources[key] = studio._sources[key]._replace(uncertain=[0])
    assert studio.warning(state) == "The latent of the first image does not decode to it: do not trust it."


def test_a_region(studio, workdirs):
    state = State(str(workdirs["halves"]))
    painted = np.zeros((8, 8), bool)
    painted[1, 2] = True  # in the upper half, which is generated last
    assert studio.given_outside(state, painted) == (0,)
    x = studio.x(State(state.model, keep=(0,), fill=1))
    np.testing.assert_array_equal(x[:, 4:], studio.x(state)[:, 4:])
    assert (x[:, :4] != studio.x(state)[:, :4]).any()


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("bands", [0], "region: this model's groups are bands of frequencies"),
        ("halves", [], "region: paint the part"),
        ("halves", [0, 7], "region: it touches every group"),
        ("halves", [7], "groups"),
    ],
)
def test_bad_regions(studio, workdirs, name, rows, message):
    painted = np.zeros((8, 8), bool)
    painted[rows] = True
    with pytest.raises(ValueError, match=message):
        studio.given_outside(State(str(workdirs[name])), painted)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": as_text(np.zeros((4, 8, 1), np.uint8))}, "image: it is 4x8x1, and the model's images are 8x8x1"),
        ({"shares": {3: 0.5}}, r"groups: 3 is out of range; there are groups 0\.\.2"),
        ({"moved": {64: 1.0}}, r"element: 64 is out of range; there are elements 0\.\.63"),
        ({"keep": (2,)}, "groups"),
    ],
)
def test_bad_settings(studio, workdirs, changes, message):
    with pytest.raises(ValueError, match=message):
        studio.x(State(str(workdirs["bands"]), **changes))
