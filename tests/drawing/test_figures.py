"""Pictures: sizes, colours in the right place, labels that can be read, and films that play."""

import sys

import numpy as np
import pytest
from PIL import Image

import gdm_jax as gdm
from gdm_jax import drawing, pixels
from gdm_jax.drawing import films, grids, maps
from gdm_jax.reports import samples

BLACK, WHITE = -np.ones((8, 8, 1)), np.ones((8, 8, 1))


def grey(page):
    return np.asarray(page.convert("L"), float)


def ink(page):
    """Darkness in all."""
    return (255 - (page if isinstance(page, np.ndarray) else grey(page))).sum()


def brightening(times, n=4, channels=1):
    """A film `[times, n, 8, 8, channels]` from black to white."""
    return np.linspace(-1, 1, times)[:, None, None, None, None] * np.ones((n, 8, 8, channels))


def test_to_uint8():
    np.testing.assert_array_equal(pixels.to_uint8([-2.0, -1.0, 0.0, 1.0, 3.0]), [0, 0, 128, 255, 255])
    every = np.arange(256)
    np.testing.assert_array_equal(pixels.to_uint8(every / 127.5 - 1), every)


def test_cloud_shows_where_the_points_are():
    image = np.asarray(drawing.cloud(np.full((100, 2), [1.5, 1.5]), side=128, extent=3.0))
    assert image[20:44, 84:108].min() == 0 and image[64:].min() == 255  # up and to the right


def test_moments():
    schedule = gdm.schedule.uniform(2)
    assert [samples.moment(schedule, p) for p in (0, 0.25, 0.5, 0.75, 1)] == [
        "noise",
        "0: 50%",
        "1 done",
        "1: 50%",
        "data",
    ]


# Grids


def test_grid_places_images():
    pixels = grey(drawing.grid(np.stack([BLACK, WHITE, WHITE, BLACK]), columns=2, cell=16))
    centre = [[pixels[2 + 9, 2 + 9], pixels[2 + 9, 2 + 18 + 9]], [pixels[2 + 18 + 9, 11], pixels[2 + 18 + 9, 29]]]
    assert centre == [[0, 255], [255, 0]]


def test_grid_keeps_colours_and_whole_pixels():
    image = np.random.default_rng(0).uniform(-1, 1, (1, 256, 256, 3))
    page = np.asarray(drawing.grid(image))
    np.testing.assert_array_equal(page[2:258, 2:258], pixels.to_uint8(image[0]))
    small = np.asarray(drawing.grid(image[:, :8, :8], cell=64))
    np.testing.assert_array_equal(small[2:66, 2:66][4::8, 4::8], pixels.to_uint8(image[0, :8, :8]))


def test_gaps_move_what_is_to_their_right():
    plain, gapped = (grey(drawing.grid([BLACK] * 8, columns=4, cell=16, gaps=gaps)) for gaps in ((), (0, 2)))
    starts = [np.flatnonzero(np.diff(page[10]) < 0) + 1 for page in (plain, gapped)]
    np.testing.assert_array_equal(starts[1] - starts[0], [0, grids.GAP, grids.GAP, 2 * grids.GAP])
    assert plain.shape[0] == gapped.shape[0]


@pytest.mark.parametrize("side, channels", [(8, 1), (8, 3), (256, 1), (256, 3)])
def test_labels_wrap_and_keep_their_ink(side, channels):
    """Every letter of a label of several words is there, in one line or two, at its own column or row."""
    images = np.ones((4, side, side, channels))
    long, short = ["without group 2", "one"], ["without", "one"]
    cut = max(64, side) + 2 * grids.MARGIN  # where the second column or row begins
    for where in ("heads", "rows"):
        pages = [grey(drawing.grid(images, columns=2, **{where: labels})) for labels in (long, short)]
        parts = np.split(pages[0], [cut], axis=1 if where == "heads" else 0)
        for part, label in zip(parts, long):
            assert ink(part) == pytest.approx(ink(grids.banner(label)), rel=0.05)
        assert ink(pages[1]) < 0.7 * ink(pages[0])
    heights = [drawing.grid(images, columns=2, heads=labels).height for labels in (long, short)]
    assert heights[0] - heights[1] == (grids.LINE if side == 8 else 0)


def test_what_is_too_long_is_cut_within_its_column():
    words = "interpolation between everything and nothing at all"
    pages = [grey(drawing.grid([WHITE] * 3, columns=3, heads=["", word, ""], cell=64)) for word in (words, "")]
    assert pages[0].shape == (pages[1].shape[0] + grids.LINE, pages[1].shape[1])
    assert ink(pages[0][:, :68]) == ink(pages[0][:, 134:]) == 0 < ink(pages[0])
    cut = grids.wrap(words, 66, 2).split("\n")
    assert len(cut) == 2 and cut[1].endswith("\u2026") and cut[0].startswith("interpol")
    assert max(map(grids.FONT.getlength, cut)) <= 66


def test_heads_shrink_before_they_are_cut():
    """In letters of 14 pixels "one group" is wider than a column of 64, in smaller ones it is not."""
    page = drawing.grid([WHITE], heads=["all but one group"], cell=64)
    assert ink(page) == pytest.approx(ink(grids.banner("all but one group", grids.SMALL)), rel=0.05)


def test_wrapping():
    assert grids.wrap("a  few\nwords", 500, 2) == "a few words"
    assert grids.wrap("groups 0 to 2", 66, 2) == "groups 0\nto 2"
    broken = grids.wrap("reconstruction", 66, 2)
    assert broken.replace("-\n", "") == "reconstruction" != broken


def test_title_stands_above():
    title = "A title wider than the picture"
    plain, titled = (drawing.grid([BLACK], cell=16, title=text) for text in ("", title))
    above = titled.height - plain.height
    assert above > 0 and titled.width > plain.width
    np.testing.assert_array_equal(grey(titled)[above:, : plain.width], grey(plain))
    assert ink(grey(titled)[:above]) == ink(grids.banner(title))


def test_stack():
    pages = [Image.new("RGB", (10, 4), "red"), Image.new("L", (6, 3), 0)]
    page = np.asarray(drawing.stack(pages))
    assert page.shape == (7, 10, 3)
    assert (page[:4] == [255, 0, 0]).all() and (page[4:, :6] == 0).all() and (page[4:, 6:] == 255).all()


# Films


@pytest.mark.parametrize("side, channels", [(8, 1), (256, 3)])
def test_gif_plays(tmp_path, side, channels):
    frames = np.linspace(-1, 1, 5)[:, None, None, None, None] * np.ones((2, side, side, channels))
    drawing.film(frames, tmp_path / "a" / "film.gif", seconds=2)
    with Image.open(tmp_path / "a" / "film.gif") as film:
        assert film.n_frames == 5 and film.info["loop"] == 0
        durations, centres = [], []
        for i in range(5):
            film.seek(i)
            durations.append(film.info["duration"])
            centres.append(grey(film)[20, 20])
    assert durations == [400] * 4 + [1000]
    np.testing.assert_allclose(centres, pixels.to_uint8(np.linspace(-1, 1, 5)), atol=2)


def drawn(tmp_path, monkeypatch, frames, **options):
    """The pages of a film, as they go to the file."""
    pages = []
    monkeypatch.setattr(films, "_gif", lambda given, path, seconds: pages.extend(given))
    drawing.film(frames, tmp_path / "film.gif", **options)
    return pages


def test_captions_stand_above(tmp_path, monkeypatch):
    frames = np.repeat(BLACK[None, None], 3, 0)
    plain = drawn(tmp_path, monkeypatch, frames)
    captions = ["group 0: 50%", "group 1: 100%"]
    first, second, none = drawn(tmp_path, monkeypatch, frames, captions=[*captions, ""])
    above = first.height - plain[0].height
    assert first.size == second.size == none.size and above > 0
    shown = [ink(grey(page)[:above]) for page in (first, second, none)]
    assert shown == [*(ink(grids.banner(caption)) for caption in captions), 0]
    for page in (first, second, none):  # no image moves
        np.testing.assert_array_equal(grey(page)[above:, : plain[0].width], grey(plain[0]))


def test_films_side_by_side(tmp_path, monkeypatch):
    long, short = brightening(4), brightening(2, n=9)
    one, other = (drawn(tmp_path, monkeypatch, frames) for frames in (long, short))
    titles = ("an order", "another")
    both = drawn(tmp_path, monkeypatch, [long, short], titles=titles)
    assert len(both) == 4
    assert both[0].width == one[0].width + grids.GAP + other[0].width
    assert both[0].height > max(one[0].height, other[0].height)
    right = [grey(page)[-other[0].height :, -other[0].width :] for page in both]
    for page, expected in zip(right, [other[0], other[1], other[1], other[1]]):  # holds its last
        np.testing.assert_array_equal(page, grey(expected))
    left = [grey(page)[-one[0].height :, : one[0].width] for page in both]
    for page, expected in zip(left, one):
        np.testing.assert_array_equal(page, grey(expected))
    words = grey(both[-1])  # and nothing else: the last images are white
    assert ink(words[:, : one[0].width]) == ink(grids.banner(titles[0]))
    assert ink(words[:, one[0].width :]) == ink(grids.banner(titles[1]))


@pytest.mark.parametrize("side, channels", [(8, 1), (255, 3)])
def test_mp4_can_be_decoded(tmp_path, side, channels):
    av = pytest.importorskip("av", reason="PyAV, of the extra mp4, is not installed")
    frames = np.linspace(-1, 1, 6)[:, None, None, None, None] * np.ones((1, side, side, channels))
    drawing.film(frames, tmp_path / "a" / "film.mp4", captions=list("abcdef"), seconds=2)
    with av.open(str(tmp_path / "a" / "film.mp4")) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, stream.average_rate) == ("h264", "yuv420p", 3)
        pages = [frame.to_ndarray(format="rgb24") for frame in file.decode(stream)]
    assert len(pages) == 6 + 3  # at 3 a second, the last held for one
    drawn = [grids.with_title(drawing.grid(moment), caption) for moment, caption in zip(frames, "abcdef")]
    expected = [grids.on_paper(page, page.width + page.width % 2, page.height + page.height % 2) for page in drawn]
    for page, even in zip(pages, [*expected, *expected[-1:] * 3]):
        assert page.shape == np.shape(even)
        assert np.abs(page - np.asarray(even, float)).max() < 60  # a stroke of a letter is 225 darker than its paper
    shades = [page[-30, 30].mean() for page in pages]
    np.testing.assert_allclose(shades, [*pixels.to_uint8(np.linspace(-1, 1, 6)), 255, 255, 255], atol=6)


def test_mp4_needs_pyav(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"^film: .*pip install 'gdm-jax\[mp4\]'.*\.gif$"):
        drawing.film(brightening(2), tmp_path / "a" / "film.mp4")
    assert not (tmp_path / "a").exists()


# Maps of numbers


def tiles(page, count, side):
    """Tiles of a page without labels, in one row."""
    starts = [2 + i * (side + 2) for i in range(count)]
    return [np.asarray(page)[2 : 2 + side, start : start + side] for start in starts]


def test_heat_has_one_scale():
    """Equal values have equal colours in every tile; the larger the darker, by even steps of lightness."""
    values = np.arange(64.0).reshape(1, 8, 8)
    one, other = tiles(drawing.heat(np.concatenate([values, values[:, ::-1]]), columns=2), 2, 64)
    np.testing.assert_array_equal(one, other.reshape(8, 8, 64, 3)[::-1].reshape(64, 64, 3))
    colours = one[4::8, 4::8].reshape(64, 3) / 255
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    lightness = 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16
    np.testing.assert_allclose(np.diff(lightness), -84 / 63, atol=0.4)
    np.testing.assert_array_equal(one[4, 4], maps.RAMP[0])
    np.testing.assert_array_equal(one[-4, -4], maps.RAMP[-1])


def test_heat_scale_is_that_of_all_maps():
    low, high = np.zeros((1, 8, 8)), np.ones((1, 8, 8))
    middle, _, _ = tiles(drawing.heat(np.concatenate([high, 2 * high, low]), columns=3), 3, 64)
    np.testing.assert_array_equal(middle, np.broadcast_to(maps.RAMP[3], middle.shape))


def test_heat_hatches_what_is_no_number():
    values = np.arange(64.0).reshape(1, 8, 8)
    without, (whole,) = drawing.heat(values), tiles(drawing.heat(values), 1, 64)
    values[0, 2, 3] = np.nan
    page = drawing.heat(values)
    (holed,) = tiles(page, 1, 64)
    hole = holed[16:24, 24:32]
    assert len(np.unique(hole)) == 2 and (hole == hole[..., :1]).all()  # two greys
    changed = np.argwhere((holed != whole).any(-1))
    assert (changed.min(0) == [16, 24]).all() and (changed.max(0) == [23, 31]).all()
    beside = grey(page)[68:, without.width :]  # the bar goes on: a hatched piece, and what it means
    hatch = maps.shaded(np.full((grids.LINE, 2 * grids.LINE), np.nan), 2 * grids.LINE)
    assert ink(beside) == ink(hatch) + ink(grids.banner("no number"))


def test_heat_of_vectors():
    page = np.asarray(drawing.heat(np.array([[0.0, 1.0], [1.0, 0.0]]), columns=2, cell=64))
    centres = page[2 + 16, [2 + 16, 2 + 48, 68 + 16, 68 + 48]]
    np.testing.assert_array_equal(centres, np.array(maps.RAMP)[[0, -1, -1, 0]])


@pytest.mark.parametrize("side, channels, size", [(8, 1, 8), (8, 3, 4), (256, 3, 16), (256, 1, 256), (8, 1, 256)])
def test_heat_stands_under_its_image(side, channels, size):
    images, values = -np.ones((2, side, side, channels)), np.zeros((2, size, size))
    values[1] = 1.0
    shown = max(64, side, size)
    page = np.asarray(drawing.heat(values, images=images, columns=2))
    for start, colour in ((2, maps.RAMP[0]), (4 + shown, maps.RAMP[-1])):
        column = page[:, start : start + shown]
        assert (column[2 : 2 + shown] == 0).all()
        assert (column[4 + shown : 4 + 2 * shown] == colour).all()


def test_heat_bar_names_its_ends_and_unit():
    bar = grey(drawing.heat(np.linspace(2.0, 7.5, 64).reshape(1, 8, 8), unit="nats"))[68:]
    starts = np.flatnonzero(bar.min(0) < 255)
    scale = maps.shaded(np.tile(np.linspace(0, 1, 128), (grids.LINE, 1)), 128)
    parts = [grids.banner("2"), scale, grids.banner("7.5 nats")]
    assert ink(bar) == sum(map(ink, parts)) and starts[-1] - starts[0] > 128
    constant = drawing.heat(np.full((1, 8, 8), 3.0))
    np.testing.assert_array_equal(tiles(constant, 1, 64)[0][0, 0], maps.RAMP[0])


# Bad input


@pytest.mark.parametrize(
    "draw, message",
    [
        (lambda: drawing.grid(np.zeros((0, 8, 8, 1))), r"images: .* not empty, got \(0, 8, 8, 1\)"),
        (lambda: drawing.grid(np.zeros((2, 8, 8))), r"images: must be \[n, height, width, channel\].*got \(2, 8, 8\)"),
        (lambda: drawing.grid(np.zeros((2, 8, 8))), r"images: .*got \(2, 8, 8\)"),
        (lambda: drawing.grid(np.zeros((8, 8))), r"images: .*got \(8, 8\)"),
        (lambda: drawing.grid([BLACK], columns=0), "columns: must be at least 1, got 0"),
        (lambda: drawing.grid([BLACK] * 4, columns=2, heads=["a"]), "heads: must be 2, one a column, got 1"),
        (lambda: drawing.grid([BLACK] * 4, columns=2, rows=["a"] * 3), "rows: must be 2, one a row of images, got 3"),
        (lambda: drawing.grid([BLACK] * 4, columns=2, gaps=(1,)), r"gaps: .*before the last of 2, got \(1,\)"),
        (lambda: drawing.grid([BLACK] * 4, columns=2, gaps=(-1,)), r"gaps: .*got \(-1,\)"),
        (lambda: drawing.stack([]), "pages: must hold at least one"),
        (lambda: drawing.film(brightening(2), "film.avi"), "path: must end in .gif or .mp4, got 'film.avi'"),
        (lambda: drawing.film(brightening(2), "film"), "path: must end in .gif or .mp4, got 'film'"),
        (lambda: drawing.film(brightening(2)[:0], "film.gif"), "frames: must hold at least one moment"),
        (lambda: drawing.film(brightening(2), "film.gif", seconds=0), "seconds: must be positive, got 0"),
        (lambda: drawing.film(brightening(2), "film.gif", captions="a"), "captions: must be 2, one a moment, got 1"),
        (lambda: drawing.film([brightening(2)], "film.gif", titles="ab"), "titles: must be 1, one a film, got 2"),
        (lambda: drawing.film([brightening(2)], "film.gif"), r"images: .*got \(2, 4, 8, 8, 1\)"),
        (lambda: drawing.heat(np.zeros((0, 2))), r"values: .*not empty, got \(0, 1, 2\)"),
        (lambda: drawing.heat(np.zeros(3)), r"values: .*got \(3,\)"),
        (lambda: drawing.heat(np.full((1, 2), np.nan)), "values: .*not NaN throughout"),
        (lambda: drawing.heat(np.array([[1, np.inf]])), "values: must be finite"),
        (lambda: drawing.heat(np.zeros((2, 8, 8)), images=[BLACK]), "images: must be 2, one a map, got 1"),
        (lambda: drawing.heat(np.zeros((2, 2)), heads=["a"]), "heads: must be 2, one a column, got 1"),
    ],
)
def test_bad_input(draw, message, tmp_path, monkeypatch, unchecked):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        draw()
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_channels_of_another_number_stand_side_by_side():
    """Two or four of them: each as a grey picture."""
    image = np.stack([np.full((1, 8, 8), -1.0), np.full((1, 8, 8), 1.0)], axis=-1)
    page = grey(drawing.grid(image, cell=8))
    assert page.shape[1] - page.shape[0] == 8
    assert page[4, 4] == 0 and page[4, 13] == 255
