"""The README and the site keep their word: their code runs, and the paper and every public name have a place."""

import importlib.util
import pathlib
import pkgutil
import re
import shlex

import numpy as np
import pytest
from PIL import Image

import gdm_jax as gdm
from gdm_jax import config as configs
from gdm_jax import training
from gdm_jax.cli.main import main
from gdm_jax.config import schema

ROOT = pathlib.Path(__file__).parents[1]
README, DOCS = ROOT / "README.md", ROOT / "docs"
SHORT = ("training.steps=1", "training.batch=8", "training.sample_every=0", "model.channels=32")


def blocks(file, language):
    return re.findall(rf"```{language}\n(.*?)```", file.read_text(), re.DOTALL)


@pytest.mark.parametrize("file", [README, DOCS / "index.md"], ids=lambda file: file.name)
def test_lines_of_python_run(file):
    (code,) = blocks(file, "python")
    names = {}
    exec(code, names)
    made = names["images"] if file == README else names["mixed"]
    assert np.abs(np.asarray(made)).max() < 1.5 and np.isfinite(made).all()


def test_commands_of_the_readme_run(tmp_path, monkeypatch):
    """In an empty folder, with fewer samples and steps and a narrower network. Other tests open the page and draw."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_images").mkdir()
    for n in range(3):
        noise = np.random.default_rng(n).integers(0, 256, (40, 32, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "my_images" / f"{n}.png")
    lines = [line for block in blocks(README, "bash") for line in block.splitlines() if line.startswith("gdm ")]
    fields = [f"data.dir={tmp_path}", *SHORT]
    ran = []
    for line in lines:
        words = shlex.split(line.replace("--count 64", "--count 2").replace("--data 5", "--data 2"), comments=True)
        if words[1] in ("explore", "figures"):
            continue
        words = [str(ROOT / word) if word.startswith("configs/") else word for word in words]
        assert main([*words[1:], *(f"--config.{field}" for field in fields if words[1] == "train")]) == 0
        ran.append(words[1])
    assert ran == ["models", "sample", "edit", "fill", "train"]
    for name in ("samples.png", "samples.gif", "swap.png"):
        assert (tmp_path / "fruits" / name).is_file()
    assert (tmp_path / "digits" / "filled.png").is_file()
    assert (tmp_path / "runs" / "mine" / "checkpoints" / "1").is_dir()


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) <= 100


@pytest.mark.parametrize("file", [README, *DOCS.glob("*.md"), *DOCS.glob("guide/*.md")], ids=lambda file: file.name)
def test_links_lead_somewhere(file):
    """Through the repository, as on GitHub."""
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", file.read_text()):
        place = file.parent / target if target else file
        if not target.startswith("http"):
            assert place.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", place.read_text(), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads], anchor


def test_a_grouping_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setitem(gdm.groups.GROUPINGS, "rings", None)  # taken away again
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (code,) = blocks(DOCS / "guide" / "grouping.md", "python")
    (tmp_path / "rings.py").write_text(code)
    fields = [f"data.dir={tmp_path}", *SHORT]
    training.train(configs.load(tmp_path / "rings.py", fields), tmp_path / "run", progress=False)
    names = {"__file__": str(tmp_path / "rings.py")}
    exec(code, names)
    model = gdm.load(tmp_path / "run", groupings={"rings": names["rings"]})
    assert np.asarray(model.process.groups.index)[4].tolist() == [3, 2, 1, 0, 0, 1, 2, 3]
    assert model.process.groups.sizes.tolist() == [4, 12, 20, 28]
    x = model.sample(1)
    filled = model.fill(x, keep=[0])
    np.testing.assert_array_equal(filled[:, 3:5, 3:5], x[:, 3:5, 3:5])
    assert (filled[:, 0] != x[:, 0]).all()


@pytest.fixture(scope="module")
def site():
    """docs/conf.py."""
    spec = importlib.util.spec_from_file_location("site_conf", DOCS / "conf.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_the_extras_are_listed():
    rows = re.findall(r"^\| (`.*?) \|", (DOCS / "guide" / "install.md").read_text(), re.MULTILINE)
    listed = re.findall(r"`(\w+)`", " ".join(rows))
    extras = (ROOT / "setup.py").read_text().partition("extras_require")[2]
    known = re.findall(r'^        "(\w+)": \[', extras, re.MULTILINE)
    assert sorted(listed) == sorted(known)


def test_a_page_of_the_fields(site, tmp_path, monkeypatch):
    monkeypatch.setattr(site, "HERE", tmp_path)
    site.write_fields()
    text = (tmp_path / "fields.md").read_text()
    heads = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert heads == ["data", "process", "schedule", "model", "training", "sampling"]
    assert "| `batch` | `512` | Examples in a step, over all devices. | from 1 to 1,048,576 |" in text
    assert "| `interpolant` | `'linear'` | Path from data to noise. | one of linear, variance_preserving |" in text
    assert "one of euler, " in text and "inverse_euler" not in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == len(list(schema.fields(configs.Config())))
    assert all(len(re.split(r"(?<!\\)\|", row)) == 6 for row in rows)


def test_docstrings_become_rst(site):
    lines = ["Eq. 8 of `x_t` and x_ in FILE:VARIANT.", "", "    r | 2 |", "", "Args:", "  *names: A `[n, *shape]`."]
    site.as_rst(None, "", "", None, None, lines)
    text = ["Eq. 8 of ``x_t`` and x\\_ in FILE\\:VARIANT.", "", "::", "", "        r | 2 |", ""]
    assert lines == [*text, "Args:", "  \\*names: A ``[n, *shape]``."]
    table = ["A table.", "", "one    first", "two    second", "", "The `end`."]
    site.as_rst(None, "", "", None, None, table)
    assert table == ["A table.", "", "::", "", "    one    first", "    two    second", "", "The ``end``."]


def test_links_of_the_site(site):
    text = "[a](../../configs/README.md#x) [b](../../setup.py) ![c](../../.github/images/strip.png) [d](http://f)"
    found = site.for_site(text, DOCS / "guide", DOCS / "guide").split(" ")
    assert found[:2] == ["[a](../experiments.md#x)", f"[b]({site.SOURCE}/setup.py)"]
    assert found[2:] == text.split(" ")[2:]
    assert "tutorials/1_images.ipynb" in site.for_site("[x](launch/colab/1_images.ipynb)", ROOT, DOCS)


def test_the_paper_has_a_place():
    text = (DOCS / "paper.md").read_text()
    rows = re.findall(r"^\| (\d+) \|", text, re.MULTILINE)
    assert rows == ["1", "2", "6", "7", "8", "9", "10", "11", "13", "16", "17"]
    figures = " ".join(re.findall(r"^\| Figs?\. ([^|]*)\|", text, re.MULTILINE))
    assert {*map(int, re.findall(r"\d+", figures))} == set(range(1, 12))
    assert "| Table 1 |" in text and "| Table 2 |" in text
    for name in re.findall(r"`gdm\.([\w.]+)`", text):
        found = gdm
        for part in name.split("."):
            found = getattr(found, part)


def test_every_equation_that_the_code_names_is_on_the_page():
    text = (DOCS / "paper.md").read_text()
    files = pathlib.Path(gdm.__file__).parent.rglob("*.py")
    named = " ".join(line for file in files for line in re.findall(r"Eqs?\. ([\d, and]+)", file.read_text()))
    assert {*re.findall(r"\d+", named)} <= set(re.findall(r"^\| (\d+) \|", text, re.MULTILINE))


def test_every_public_name_has_a_docstring():
    """Functions and classes; `arguments` and `run` of commands are described by `cli.main`, tables where they stand."""
    for module in pkgutil.walk_packages(gdm.__path__, "gdm_jax."):
        if module.name.endswith("__main__"):
            continue
        found = importlib.import_module(module.name)
        assert found.__doc__, module.name
        for name in {*found.__all__} - {"arguments", "run"}:
            value = getattr(found, name)
            if callable(value) and getattr(value, "__module__", "").startswith("gdm_jax"):
                assert value.__doc__, f"{module.name}.{name}"


def test_every_public_name_has_a_place_on_the_site(site):
    names = [module.name for module in pkgutil.walk_packages(gdm.__path__, "gdm_jax.")]
    modules = [name for name in names if not name.endswith("__main__")]
    public = {(name, word) for name in modules for word in importlib.import_module(name).__all__}
    described = {id(getattr(importlib.import_module(name), word)) for name in modules for word in site.defined(name)}
    assert len(described) > 400
    for name, word in public:
        value = getattr(importlib.import_module(name), word)
        assert id(value) in described or f"{name}.{word}" in modules, f"{name}.{word}"
