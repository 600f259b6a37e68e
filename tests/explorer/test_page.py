"""Journeys through the page in a real browser: Chromium without a window, driven by Selenium."""

import io
import shutil
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image

import gdm_jax as gdm
from gdm_jax.explorer import Studio, from_link
from gdm_jax.explorer.state import as_text
from gdm_jax.pixels import to_uint8

webdriver = pytest.importorskip("selenium.webdriver", reason="pip install gdm-jax[test]")
Keys = webdriver.Keys
pytest.importorskip("gradio", reason="pip install gdm-jax[explore]")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
NONE = "no Chromium: apt-get install chromium chromium-driver"
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason=NONE)
CSS, PATIENCE = "css selector", 180  # seconds


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1500,1400"):
        options.add_argument(argument)
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER)) as browser:
        yield browser


@pytest.fixture(scope="module")
def address(workdirs):
    page = gdm.explore(workdirs["bands"])
    yield page.url
    page.close()


class Visitor:
    """What somebody does on the page, and sees."""

    def __init__(self, browser, address, wait=True):
        self.browser, self.studio = browser, Studio()
        browser.get("about:blank")
        browser.get(address)
        self.until(lambda: self.link().startswith(address) or not wait)

    def until(self, found):
        end = time.monotonic() + PATIENCE
        while not found():
            assert time.monotonic() < end, self.browser.find_element(CSS, "body").text
            time.sleep(0.05)

    def one(self, selector):
        self.until(lambda: self.browser.find_elements(CSS, selector))
        return self.browser.find_element(CSS, selector)

    def link(self):
        found = self.browser.find_elements(CSS, "#link textarea, #link input")
        return found[0].get_attribute("value") if found else ""

    def state(self):
        return from_link(self.link().partition("#")[2])

    def said(self):
        return self.one("#said").text

    def picture(self):
        """The picture that is shown, one pixel for each of the model's."""
        source = self.one("#picture img").get_attribute("src")
        with urllib.request.urlopen(source) as file, Image.open(io.BytesIO(file.read())) as opened:
            x = np.asarray(opened.convert("L"))[:-2, 2:]  # without the margin of the grid
        return x[x.shape[0] // 16 :: x.shape[0] // 8, x.shape[1] // 16 :: x.shape[1] // 8]

    def sees_its_settings(self):
        expected = to_uint8(self.studio.x(self.state()))[0, ..., 0]
        self.until(lambda: np.array_equal(self.picture(), expected))

    def does(self, action, **wanted):
        """An action after which the settings are those wanted, and the picture is theirs."""
        action()
        self.until(lambda: all(getattr(self.state(), name) == value for name, value in wanted.items()))
        self.sees_its_settings()

    def is_told(self, action, words):
        """An action that is refused in words, and changes nothing."""
        before = self.link(), self.picture()
        action()
        self.until(lambda: words in self.said())
        assert self.link() == before[0]
        np.testing.assert_array_equal(self.picture(), before[1])

    def click(self, name):
        self.browser.execute_script("arguments[0].click()", self.one(f"#{name}"))

    def tab(self, title):
        tabs = [tab for tab in self.browser.find_elements(CSS, "button[role=tab]") if tab.text == title]
        tabs[0].click()

    def type(self, name, value):
        box = self.one(f"#{name} input[type=number]")
        box.click()
        box.send_keys(Keys.CONTROL, "a")
        box.send_keys(str(value), Keys.ENTER)

    def slide(self, name, presses):
        self.one(f"#{name} input[type=range]").send_keys(Keys.ARROW_RIGHT * presses)

    def choose(self, model):
        box = self.one("#model input")
        box.click()
        self.one(f"[role=option][aria-label='{model}']").click()

    def stroke(self, canvas):
        """A line from left to right above the middle of a canvas."""
        mouse = webdriver.ActionChains(self.browser).move_to_element_with_offset(canvas, -40, -60)
        mouse.click_and_hold().move_by_offset(80, 0).release().perform()

    def upload(self, file):
        """The first image from a file."""
        self.one("input[type=file]").send_keys(str(file))


@pytest.fixture
def visitor(browser, address):
    return Visitor(browser, address)


def test_the_page_opens_with_pictures(visitor, workdirs):
    assert visitor.state().model == str(workdirs["bands"])
    visitor.sees_its_settings()
    assert len(visitor.browser.find_elements(CSS, "#parts img, #images img")) == 2
    assert "model.decode(z)" in visitor.one("#code").text


def test_a_model_is_chosen(visitor):
    visitor.does(lambda: visitor.choose("digits"), model="digits")


def test_an_image_is_uploaded(visitor, tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    Image.fromarray(x).save(tmp_path / "mine.png")
    visitor.does(lambda: visitor.upload(tmp_path / "mine.png"), image=as_text(x[..., None]))
    assert np.abs(visitor.picture().astype(int) - x).max() <= 1


def test_a_slider_moves_an_element(visitor):
    visitor.tab("Elements")
    visitor.does(lambda: visitor.slide("moved1", 20), moved={1: 2.0})


def test_a_seed_is_typed(visitor):
    def images():
        return visitor.one("#images img").get_attribute("src")

    before = images()
    visitor.does(lambda: visitor.slide("share0", 3), shares={0: 0.15})
    assert images() == before
    visitor.does(lambda: visitor.type("seed", 3), seed=3)
    visitor.until(lambda: images() != before)


def test_a_group_is_swapped(visitor):
    visitor.does(lambda: visitor.type("share0", 1), shares={0: 1.0})


def test_a_group_is_drawn_anew(visitor):
    visitor.does(lambda: visitor.type("redrawn2", 5), redrawn={2: 5})


def test_the_rest_is_generated(visitor):
    visitor.tab("Generate the rest")
    visitor.does(lambda: visitor.one("#keep input[type=checkbox]").click(), keep=(0,))


def test_a_wrong_file_is_refused(visitor, tmp_path):
    (tmp_path / "words.png").write_text("no image")
    visitor.is_told(lambda: visitor.upload(tmp_path / "words.png"), "words.png is no image")
    visitor.does(lambda: visitor.click("next_seed"), seed=1)  # the page goes on
    assert not visitor.said()


def test_an_operation_that_the_model_lacks(visitor):
    visitor.tab("Generate the rest")
    visitor.is_told(lambda: visitor.click("filled"), "bands of frequencies")


def test_an_image_is_drawn(visitor):
    visitor.one("#draw button").click()
    canvas = visitor.one("#canvas canvas")
    visitor.until(lambda: canvas.is_displayed() and canvas.size["height"] > 100)
    time.sleep(5)  # the editor draws the paper
    visitor.stroke(canvas)
    visitor.click("drawn")
    visitor.until(lambda: visitor.state().image)
    visitor.sees_its_settings()
    assert 4 < (visitor.picture() > 180).sum() < 32  # a white stroke on grey


def test_two_sliders_at_once_and_start_again(visitor):
    visitor.slide("share0", 4)
    visitor.does(lambda: visitor.slide("share2", 6), shares={0: 0.2, 2: 0.3})
    visitor.does(lambda: visitor.click("again"), shares={})


def test_a_link_opened_anew_is_the_same_picture(visitor, browser):
    visitor.does(lambda: visitor.slide("share1", 10), shares={1: 0.5})
    visitor.does(lambda: visitor.click("next_donor"), donor=2)
    link, picture = visitor.link(), visitor.picture()
    visitor = Visitor(browser, link)
    visitor.sees_its_settings()
    assert visitor.link() == link
    np.testing.assert_array_equal(visitor.picture(), picture)


def test_a_region_is_painted(browser, workdirs):
    """A stroke in the upper half, which is generated last, makes that half anew."""
    page = gdm.explore(workdirs["halves"])
    visitor = Visitor(browser, page.url)
    visitor.tab("Generate the rest")
    visitor.click("paint")
    canvas = visitor.one("#region canvas")
    visitor.until(lambda: canvas.is_displayed() and canvas.size["height"] > 200)
    time.sleep(5)  # the editor draws the picture
    visitor.stroke(canvas)
    visitor.does(lambda: visitor.click("filled"), keep=(0,))
    page.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("seed=many", "seed cannot be 'many'"),
        ("model=nothing", "model: must be one of"),
        ("shares=7:0.5", "groups 0 to 2"),
        ("image=AAAA", "no whole image"),
        ("moved=0:9", "by 4 at most"),
    ],
)
def test_a_bad_link_is_refused(browser, address, settings, words):
    """In words, and the page goes on."""
    visitor = Visitor(browser, f"{address}#{settings}", wait=False)
    visitor.until(lambda: words in visitor.said())
    visitor.does(lambda: visitor.click("next_seed"), seed=1)
    assert visitor.link().startswith(address)


def test_the_way_from_noise_to_data(visitor):
    visitor.click("strip")
    strip = visitor.one("#way img").get_attribute("src")
    visitor.click("film")
    visitor.until(lambda: visitor.one("#way img").get_attribute("src") != strip)
    assert visitor.one("#way img").get_attribute("src").endswith(".gif")
