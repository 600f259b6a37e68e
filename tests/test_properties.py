"""Input that lies: whatever is given, a result or a one-line error, never a traceback from within and never a hang."""

import io
import json
import os
import pathlib
import tempfile

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from gdm_jax import config as configs
from gdm_jax import data
from gdm_jax.config import build
from gdm_jax.data.images import Unreadable
from gdm_jax.process import groups, schedule
from gdm_jax.workdir import log

CASES = settings(max_examples=int(os.environ.get("CASES", 300)), deadline=10_000, derandomize=True)
DEFAULT = json.loads(configs.to_json(configs.Config()))
DIGITS = pathlib.Path(__file__).parents[1] / "configs" / "digits.py"
FIELDS = [f"{section}.{field}" for section, of in DEFAULT.items() if isinstance(of, dict) for field in of]

integers = st.one_of(st.integers(-2, 12), st.integers(), st.sampled_from([2**31, 2**63, 10**18, 10**400]))
numbers = st.one_of(integers, st.floats())
known = ["dct", "unet", "mlp", "from_index", "blockwise", "per_element", "euler", "tsit5"]
words = st.one_of(st.text(max_size=8), st.sampled_from(known))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, words),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(words, inner, max_size=2)),
    max_leaves=8,
)


def answer(function, *arguments):
    """The result, or None after an error of one line that says something."""
    try:
        return function(*arguments)
    except ValueError as error:
        assert str(error) and "\n" not in str(error), error
        return None


# Configs


@CASES
@given(st.dictionaries(st.sampled_from(FIELDS), values, min_size=1, max_size=4))
@example({"data.shape": [10**6, 10**6, 3], "process.basis": "dct"})
@example({"schedule.random_orders": 10**9, "process.groups": "blockwise", "process.blocks": [4, 4]})
@example({"training.learning_rate": 10**400})
@example({"sampling.steps": [10**18]})
def test_configs(changes):
    """A config that passes can be built, and says the same after JSON."""
    nested = {}
    for name, value in changes.items():
        section, field = name.split(".")
        nested.setdefault(section, {})[field] = value
    found = answer(configs.from_dict, nested)
    if found is not None:
        process = build.process(found)
        assert build.schedule(found, process.k).k == process.k == build.family(found, process.k).k
        assert configs.from_json(configs.to_json(found)) == found


@CASES
@given(st.sampled_from([*FIELDS, "data", "seed", "data.shap", "", "."]), st.one_of(values.map(repr), st.text()))
def test_overrides(name, text):
    answer(configs.load, DIGITS, [f"--config.{name}={text}"])


# Partitions


def is_partition(found):
    index = np.asarray(found.index)
    assert sorted(np.unique(index)) == list(range(found.k)) and found.sizes.sum() == index.size


@CASES
@given(st.lists(st.lists(integers, max_size=4), max_size=4), st.lists(integers, max_size=4))
def test_partitions_of_any_index_and_sets(nested, shape):
    for found in (answer(build_index, nested), answer(groups.from_sets, shape, nested)):
        if found is not None:
            is_partition(found)


def build_index(nested):
    process = {"groups": "from_index", "index": nested}
    return build.process(configs.from_dict({"data": {"shape": [4, 4, 1]}, "process": process})).groups


@CASES
@given(
    st.sampled_from("single bottom_to_top right_to_left cascade cascade_inverse per_element blockwise".split()),
    st.lists(st.one_of(st.integers(-1, 40), st.integers()), max_size=4),
    integers,
    integers,
)
def test_partitions_by_name(name, shape, k, other):
    more = {"single": (), "per_element": (), "blockwise": ((k, other),)}.get(name, (k,))
    found = answer(getattr(groups, name), shape, *more)
    if found is not None:
        is_partition(found)


# Intervals


@CASES
@given(st.lists(st.floats(), max_size=5), st.lists(st.floats(), max_size=5), st.lists(st.integers(-1, 6), max_size=6))
@example([0.0, 0.5], [0.5, 1.0], [0])
@example([1e-45, 2e-45], [], [])
@example([0.0], [0.97265625], [])
def test_intervals(start, end, order):
    """alpha falls from one to zero under whatever is accepted."""
    made = [
        answer(schedule.from_intervals, start, end),
        answer(lambda: schedule.from_boundaries(start, order=order or None)),
        answer(lambda: schedule.overlapping(len(order), sum(start), order=order)),
    ]
    for found in made:
        if found is not None:
            alpha = np.asarray(found.alpha(np.linspace(0, 1, 9)))
            assert (np.diff(alpha, axis=0) <= 0).all() and (alpha[0] == 1).all() and (alpha[-1] == 0).all()


# What a workdir holds


@CASES
@given(st.data())
@example(None)
def test_config_json_of_a_checkpoint(given_data):
    """Cut, altered, replaced by other JSON or by none."""
    text = configs.to_json(configs.Config())
    if given_data is None:
        text = "[" * 100_000
    else:
        at = given_data.draw(st.integers(0, len(text)))
        kind = given_data.draw(st.sampled_from(["cut", "insert", "value", "bytes"]))
        if kind == "cut":
            text = text[:at]
        elif kind == "insert":
            text = text[:at] + given_data.draw(st.text(max_size=3)) + text[at + given_data.draw(st.integers(0, 3)) :]
        elif kind == "value":
            text = json.dumps(given_data.draw(values))
        else:
            text = given_data.draw(st.binary(max_size=30))
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "config.json")
        file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        answer(configs.of_workdir, folder)


@CASES
@given(st.lists(st.one_of(st.binary(max_size=20), values.map(lambda value: json.dumps(value).encode())), max_size=5))
def test_metrics_of_a_run(lines):
    """Rows are dicts with a step; all else is passed over."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "metrics.jsonl").write_bytes(b'{"step": 1, "loss": 2.0}\n' + b"\n".join(lines))
        rows = log.read(folder)
        assert rows[0] == {"step": 1, "loss": 2.0} and all(isinstance(row["step"], int) for row in rows)


# Images


def encoded(mode, size, kind, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 4)).astype(np.uint8)
    deep = Image.fromarray((pixels[..., 0].astype(np.uint16) << 8) + pixels[..., 1])
    image = deep if mode == "I;16" else Image.fromarray(pixels[..., :3]).convert(mode)
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


MODES = {
    "PNG": ["L", "1", "P", "RGB", "RGBA", "LA", "I;16"],
    "JPEG": ["L", "1", "RGB", "CMYK"],
    "GIF": ["L", "1", "P", "RGB"],
    "BMP": ["L", "1", "P", "RGB", "RGBA"],
}


@CASES
@given(
    st.sampled_from([(kind, mode) for kind, modes in MODES.items() for mode in modes]),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from(["whole", "cut", "flipped", "text"]),
    st.integers(0, 2**32),
    st.sampled_from([(8, 8, 1), (8, 8, 3), (5, 9, 3)]),
)
def test_image_files(of, size, damage, seed, shape):
    """An image of the shape asked for, or the error that the folder's reader counts as unreadable."""
    kind, mode = of
    content = encoded(mode, size, kind, seed)
    at = seed % len(content)
    content = {
        "whole": content,
        "cut": content[:at],
        "flipped": content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :],
        "text": b"not an image",
    }[damage]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "image.png")
        file.write_bytes(content)
        try:
            found = data.read_image(file, shape)
        except Unreadable:
            assert damage != "whole"
            return
    assert found.shape == shape and found.dtype == np.uint8


known = st.sampled_from([".png", "a.png", "b.PNG", "a/b.png", "a/\u00e9 .jpg"])
names = st.one_of(known, st.text("ab./ \u00e9", min_size=1, max_size=6))
contents = st.sampled_from([encoded("RGB", (9, 5), "PNG", 0), encoded("L", (5, 9), "JPEG", 1), b"text", b""])


@settings(CASES, max_examples=CASES.max_examples // 10)
@given(st.dictionaries(names, contents, max_size=4), st.booleans())
def test_folders(files, skip):
    """A data set of those that can be read, or an error of one line."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder, "images")
        for name, content in files.items():
            file = root / name.strip("/ ")
            if ".." not in file.parts and not file.exists() and not any(p.is_file() for p in file.parents):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        found = answer(
            data.open_source,
            configs.Data(name="folder", path=str(root), dir=folder, shape=(4, 4, 3), skip_unreadable=skip),
        )
        if found is not None:
            readable = [f for f in data.find_images(root) if f.stat().st_size > 4]
            assert len(found) == len(readable) > 0 and found[np.arange(len(found))]["x"].shape[1:] == (4, 4, 3)
