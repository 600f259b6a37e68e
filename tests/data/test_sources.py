"""Sources by name, several of them together, and their fingerprints."""

import json

import numpy as np
import pytest
from PIL import Image

from gdm_jax import data
from gdm_jax.config.schema import Data
from tests.data.opened import colours, opened, source_of


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"name": "folder", "path": "{tmp}/missing", "shape": (8, 8, 3)}, "data.path: there is no folder '.*missing'"),
        ({"name": "folder", "path": "{tmp}", "shape": (8, 8, 3)}, "data.path: .* holds no image; looked for .png"),
        ({"name": "folder", "path": "{tmp}", "shape": (8,)}, r"data.shape: images need \(height, width, channel\)"),
        ({"name": "nothing_of_the_kind"}, "data.name: must be digits, fruits, .*, folder, or .*; none at .*nothing_of"),
        ({"name": "mixture2d", "shape": (3,)}, r"data.shape: mixture2d has shape \(2,\), got \(3,\)"),
    ],
)
def test_bad_sources(tmp_path, settings, message):
    settings = {key: value.format(tmp=tmp_path) if isinstance(value, str) else value for key, value in settings.items()}
    with pytest.raises(ValueError, match=message):
        data.open_source(Data(dir=str(tmp_path), **settings))


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
        ((("digits", "", 1), ("nothing_of_the_kind", "", 1)), "data.name: must be digits, fruits, .*"),
        ((("digits", "", 1), ("mixture2d", "", 1)), r"data.shape: mixture2d has shape \(2,\), got \(8, 8, 1\)"),
    ],
)
def test_bad_sets_of_a_mixture(tmp_path, digits_dir, mixture, message):
    mixture = tuple((name, path.format(tmp=tmp_path), weight) for name, path, weight in mixture)
    with pytest.raises(ValueError, match=message) as caught:
        data.open_source(Data(dir=digits_dir, mixture=mixture))
    assert "\n" not in str(caught.value)


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
