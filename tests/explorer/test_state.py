"""A link holds all settings of the page, and says in words what it cannot hold."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gdm_jax import explorer
from gdm_jax.explorer import State, from_link, link
from gdm_jax.explorer.state import as_text

SEEDS = st.integers(0, 2**32 - 1)
SETTINGS = st.fixed_dictionaries(
    {
        "model": st.text("abc/._-é &=+", min_size=1),
        "seed": SEEDS,
        "image": st.text("abcXYZ019-_"),
        "donor": SEEDS,
        "donor_image": st.text("abcXYZ019-_"),
        "shares": st.dictionaries(st.integers(0, 9), st.floats(0, 1)),
        "redrawn": st.dictionaries(st.integers(0, 9), SEEDS.filter(bool)),
        "moved": st.dictionaries(st.integers(0, 1024), st.floats(-5, 5)),
        "keep": st.lists(st.integers(0, 9)).map(tuple),
        "fill": SEEDS,
    }
)


@settings(deadline=None)
@given(SETTINGS)
def test_a_link_holds_every_setting(values):
    state = State(**values)
    assert from_link(link(state)) == state


def test_the_shortest_link():
    assert from_link("", "digits") == State("digits")
    assert link(State("digits")) == "model=digits"


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_keeps_its_bytes(channels):
    x = np.random.default_rng(0).integers(0, 256, (6, 5, channels), np.uint8)
    again = explorer.image(as_text(x))
    np.testing.assert_allclose(again[0], x / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("colour=red", r"link: there is no setting 'colour'; there are model, seed"),
        ("seed=-1", r"link: seed cannot be '-1'"),
        ("seed=4294967296", r"link: seed cannot be"),
        ("shares=0:2", r"link: shares cannot be '0:2'"),
        ("shares=0", r"link: shares cannot be '0'"),
        ("moved=0:nan", r"link: moved cannot be '0:nan'"),
        ("redrawn=0:x", r"link: redrawn cannot be '0:x'"),
        ("keep=a", r"link: keep cannot be 'a'"),
        ("redrawn=1:0", r"link: redrawn cannot be '1:0'"),
        ("image=" + "a" * 2_000_000, r"link: image cannot be"),
        (f"%21{'x' * 90}=1", r"link: there is no setting '!x{39}';"),
        ("nonsense", r"link: 'nonsense' holds no settings"),
    ],
)
def test_bad_links(query, message):
    with pytest.raises(ValueError, match=message):
        from_link(query)


@pytest.mark.parametrize("text", ["", "AAAA", "é", "iVBORw0KGgo"])
def test_no_image(text):
    with pytest.raises(ValueError, match="image: the link holds no whole image"):
        explorer.image(text)


def test_a_huge_image_is_not_decoded():
    """13,000x13,000 black pixels are a few kilobytes of PNG."""
    file = io.BytesIO()
    Image.new("1", (13_000, 13_000)).save(file, "PNG", optimize=True)
    text = base64.urlsafe_b64encode(file.getvalue()).decode()
    with pytest.raises(ValueError, match="image: it is 13000x13000x1, and the model's images are 8x8x1"):
        explorer.image(text, (8, 8, 1))
    with pytest.raises(ValueError, match="image: it is 13000x13000x1"):
        explorer.image(text)
