"""What a visitor does, as changes of the settings; and what the page says where that cannot be done."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gdm_jax import explorer
from gdm_jax.explorer import State, Studio
from gdm_jax.explorer.page import Page

pytest.importorskip("gradio", reason="pip install gdm-jax[explore]")


@pytest.fixture(scope="module")
def pages(workdirs):
    made = {name: Page(Studio(), str(workdir)) for name, workdir in workdirs.items()}
    for page in made.values():
        page.blocks()
    return made


def test_a_drawing(pages):
    """A white bar on black."""
    paper = Image.new("RGB", (384, 384))
    ImageDraw.Draw(paper).rectangle((0, 144, 383, 239), fill="white")
    state = pages["bands"].drawn(pages["bands"].start, {"composite": paper.convert("RGBA"), "layers": []})
    x = explorer.image(state.image)[0, ..., 0]
    assert (x[3:5] > 0.8).all() and (x[[0, 1, 6, 7]] < -0.8).all()


def test_paper_is_of_the_colour_of_the_border(pages):
    page = pages["bands"]
    x = page.studio.model(page.start.model).sample(1)[0, ..., 0]
    border = np.median(np.concatenate([x[0], x[-1], x[:, 0], x[:, -1]]))
    paper, brush = page._paper(page.start.model)
    assert paper.size == (384, 384) and np.ptp(np.asarray(paper)) == 0
    assert abs(paper.getpixel((9, 9))[0] - 127.5 * (border + 1)) <= 1
    assert brush.default_color == ("#ffffff" if border < 0 else "#000000")


def test_an_upload(pages, tmp_path):
    Image.fromarray(np.full((16, 12), 200, np.uint8)).save(tmp_path / "grey.png")
    state = pages["bands"].uploaded("donor_image")(pages["bands"].start, str(tmp_path / "grey.png"))
    np.testing.assert_allclose(explorer.image(state.donor_image), 200 / 127.5 - 1, atol=0.02)


def test_paint(pages):
    stroke = Image.new("RGBA", (384, 384))
    ImageDraw.Draw(stroke).rectangle((100, 20, 240, 100), fill="red")
    region = {"layers": [stroke]}
    once = pages["halves"].painted(pages["halves"].start, region)
    assert (once.keep, once.fill) == ((0,), 0)
    assert pages["halves"].painted(once, region).fill == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda page, file: page.drawn(page.start, {"composite": None}), "drawing: there is none"),
        (lambda page, file: page.drawn(page.start, None), "drawing: there is none"),
        (lambda page, file: page.uploaded("image")(page.start, file), "words.png is no image that can be read"),
        (lambda page, file: page.painted(page.start, None), "region: this model's groups are bands"),
        (lambda page, file: page.write(State("elsewhere")), "model: must be one of .*, got 'elsewhere'"),
    ],
)
def test_what_cannot_be_done(pages, tmp_path, change, message):
    (tmp_path / "words.png").write_text("no image")
    with pytest.raises(ValueError, match=message):
        change(pages["bands"], str(tmp_path / "words.png"))


def test_words_are_said_and_nothing_else_changes(pages):
    page = pages["bands"]

    def fails(base):
        raise ValueError("<b>no</b>")

    outputs = [page.base, *page.shown]
    base, *others, said = page._told(fails, outputs, kept=1)("here")
    assert base == "here" and "This cannot be done. &lt;b&gt;no&lt;/b&gt;" in said
    assert all(other == page.gr.skip() for other in others)


def test_controls_that_say_the_same_are_left_alone(pages):
    page = pages["bands"]
    state = State(page.start.model, moved={7: 1.0})
    written = dict(zip(page.controls, page.write(State(page.start.model, seed=3, moved={7: 1.0}), state)))
    assert written.pop("seed") == 3 and all(value == page.gr.skip() for value in written.values())


def test_a_page_says_where_it_is():
    assert repr(explorer.page.Opened("http://here", None)) == "<a page at http://here>"
