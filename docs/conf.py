"""How the site is built: `bash launch/docs.sh`. The API comes from the docstrings, the tutorials from the notebooks."""

import importlib
import inspect
import itertools
import json
import os
import pathlib
import pkgutil
import re
import shutil
import sys
import types
from collections.abc import Mapping

import gdm_jax
from gdm_jax.config import schema

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
NOTEBOOKS = ROOT / "launch" / "colab"
COPIES = {"configs/README.md": "experiments.md", "launch/README.md": "where_to_run.md"}
PAGES = {**COPIES, "gdm_jax/config/schema.py": "fields.md"}
FIELDS = "| field | default | what it says | what it may be |\n| --- | --- | --- | --- |\n"
SOURCE = "https://github.com/gdm-jax/gdm_jax/blob/main"

project = "gdm_jax"
author = "the authors of gdm_jax"
version = release = gdm_jax.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx_copybutton"]
extensions += ["sphinx-mathjax-offline"]  # mathematics without a network
exclude_patterns = ["_build", "jupyter_execute"]
html_theme = "furo"
html_title = "gdm_jax"
html_theme_options = {
    "source_repository": "https://github.com/gdm-jax/gdm_jax/",
    "source_branch": "main",
    "source_directory": "docs/",
}
copybutton_prompt_text = ">>> "
html_show_copyright = False
smartquotes = False  # `--option` stays as it is

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_timeout = 7200
nb_execution_raise_on_error = True
nb_execution_cache_path = str(HERE / "_build" / "notebooks")
nb_execution_in_temp = True
nb_merge_streams = True
nb_output_stderr = "remove"  # bars of progress

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the signatures of the source hold shapes, which the argument lines say again
autodoc_preserve_defaults = True
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
SECTIONS = re.compile(r"(Args|Attributes|Returns|Raises|Yields):$")


def as_rst(app, what, name, obj, options, lines):
    """Our docstrings, plain text with indented tables and equations, as reStructuredText that Napoleon reads."""
    made, section, literal = [], False, False
    for n, line in enumerate(lines):
        indented, before = line.startswith(" "), lines[n - 1].strip() if n else ""
        if line and not indented:
            section = bool(SECTIONS.match(line))
        if line and not before:  # a paragraph begins
            paragraph = list(itertools.takewhile(str.strip, lines[n:]))
            columns = len(paragraph) > 1 and any(re.search(r"\S {2,}\S", one) for one in paragraph)
            columns = columns and not line.startswith(">>>")
            begins = not section and (columns or indented)
            if begins and not literal:
                made += ["::", ""]
            literal = begins
        doctest = line.lstrip().startswith((">>>", "...")) or (before.startswith(">>>") and line.strip())
        as_it_is = literal and line or doctest
        made.append(f"    {line}" if literal and line else line if as_it_is else escaped(line))
    lines[:] = made


def escaped(line):
    """Code between backticks as such, and everything else as it is written."""
    parts = re.split(r"(`[^`]*`)", line)
    for n, part in enumerate(parts):
        if n % 2:
            parts[n] = f"`{part}`"
        else:
            bullet = re.match(r"\s*[*-] ", part) if n == 0 else None
            start = bullet.end() if bullet else 0
            parts[n] = part[:start] + re.sub(r"([*|\\]|(?<=\w)_(?!\w)|(?<=\w):(?=\w))", r"\\\1", part[start:])
    return "".join(parts)


def write_api():
    """A page for each room of the package, in the order of its floors, and a list of the names of `gdm_jax`."""
    folder = HERE / "api"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    floors = re.findall(r"^ +\d+ +(\w.*)$", gdm_jax.__doc__, re.MULTILINE)
    found = (module.name for module in pkgutil.walk_packages(gdm_jax.__path__, "gdm_jax."))
    modules = sorted(name for name in found if not name.endswith("__main__"))
    for name in modules:  # so that `defined` knows them all
        importlib.import_module(name)
    rooms = [room for floor in floors for room in re.split(r",\s*", floor) if not room.startswith("_")]
    for room in rooms:
        names = [name for name in modules if f"{name}.".startswith(f"gdm_jax.{room}.")]
        text = f"# {room}\n"
        for name in names:
            heading = f"\n## {name.removeprefix('gdm_jax.')}\n" if name != names[0] else ""
            module = importlib.import_module(name)
            public = defined(name)
            described = ", ".join(word for word in public if is_ours(getattr(module, word)))
            members = f":members: {described}" if described else ":no-members:"
            rows = "".join(value(module, word) for word in public)
            text += f"{heading}\n```{{eval-rst}}\n.. automodule:: {name}\n   {members}\n   :undoc-members:\n{rows}```\n"
        (folder / f"{room}.md").write_text(text)
    start = "# The library\n\nThe names of `gdm_jax`, each with the place that describes it:\n\n"
    rows = [f"| {place(name)} | {inspect.getdoc(getattr(gdm_jax, name)).splitlines()[0]} |" for name in gdm_jax.__all__]
    start += "\n".join(["| name | |", "| --- | --- |", *rows])
    listed = "\n".join(rooms)
    end = f"A page for each room of the package, from the ground floor up:\n\n```{{toctree}}\n{listed}\n```\n"
    (folder / "index.md").write_text(f"{start}\n\n{end}")


def is_ours(found):
    """Whether it is a function or a class of the package, which has a docstring, and no table, number or type."""
    return callable(found) and str(getattr(found, "__module__", "")).startswith("gdm_jax")


def value(module, name):
    """What a table or a number of a module is; nothing for what has a docstring of its own."""
    found = getattr(module, name)
    if is_ours(found):
        return ""
    names = ", ".join(f"``{word}``" for word in found) if isinstance(found, Mapping) else ""
    said = f"A table of {names}." if names else f"``{found!r}``" if len(repr(found)) < 80 else ""
    return f"\n.. py:data:: {name}\n\n   {said}\n"


def defined(name):
    """The public names that a module defines itself, and does not pass on from another."""
    module = importlib.import_module(name)
    below = [other for other in sys.modules.values() if getattr(other, "__name__", "").startswith(f"{name}.")]
    passed = {id(getattr(other, public)) for other in below for public in getattr(other, "__all__", ())}
    own = [public for public in module.__all__ if id(getattr(module, public)) not in passed]
    own = [public for public in own if f"{name}.{public}" not in sys.modules]
    homes = {public: getattr(getattr(module, public), "__module__", None) or "" for public in own}
    return [public for public, home in homes.items() if home == name or not home.startswith("gdm_jax")]


def place(name):
    """A name of the package, with a link to where it is described."""
    found = inspect.unwrap(getattr(gdm_jax, name))
    if isinstance(found, types.ModuleType):
        return f"{{py:mod}}`gdm_jax.{name} <{found.__name__}>`"
    return f"{{py:obj}}`gdm_jax.{name} <{found.__module__}.{found.__qualname__}>`"


def write_tutorials():
    """The notebooks without the cell that installs, and with the short training that they name for tests."""
    folder = HERE / "tutorials"
    folder.mkdir(exist_ok=True)
    for file in sorted(NOTEBOOKS.glob("*.ipynb")):
        notebook = json.loads(file.read_text())
        shorter = {} if os.environ.get("GDM_WHOLE_NOTEBOOKS") else notebook["metadata"].get("shorter", {})
        for cell in notebook["cells"]:
            text = "".join(cell["source"])
            text = re.sub(r"\A%pip .*\n", "", text)
            for long, short in shorter.items():
                text = text.replace(long, short)
            cell["source"] = text
        write_if_new(folder / file.name, json.dumps(notebook))


def write_fields():
    """A page of the fields of a config, a table for each section."""
    text = "# Fields of a config\n\nA config file sets these fields, and `--config.FIELD=VALUE` changes one of them. "
    text += "`gdm info --workdir DIR --full` shows those of a run. Names in a table of the package, such as networks, "
    text += f"can be [of your own](guide/bring_your_own.md).\n\n{FIELDS}"
    section, default = "", schema.Config()
    for name, value, field in schema.fields(default):
        head, _, last = name.rpartition(".")
        if head != section:
            section = head
            about = inspect.getdoc(type(getattr(default, head)))
            text += f"\n## {head}\n\n{about}\n\n{FIELDS}"
        allowed = field.metadata["rule"].allowed()
        text += f"| `{last}` | `{value!r}` | {field.metadata['words']} | {allowed} |\n"
    write_if_new(HERE / "fields.md", text)


def write_copies():
    """Pages of the site that lie elsewhere in the repository."""
    for file, page in COPIES.items():
        write_if_new(HERE / page, for_site((ROOT / file).read_text(), (ROOT / file).parent, HERE))


def for_site(text, here, there):
    """A page's links, which lead through the repository from the folder `here`, as links of a page in `there`."""

    def moved(link):
        words, target, anchor = link.groups(default="")
        path = (here / target).resolve()
        if target.startswith(("http", "mailto")) or not path.is_relative_to(ROOT):
            return link.group()
        inside = path.relative_to(ROOT).as_posix()
        if path.suffix == ".ipynb":
            path = HERE / "tutorials" / path.name
        elif inside in PAGES:
            path = HERE / PAGES[inside]
        elif not path.is_relative_to(HERE) and path.suffix not in (".png", ".jpg"):
            return f"{words}({SOURCE}/{inside}{anchor})"
        return f"{words}({os.path.relpath(path, there)}{anchor})"

    return re.sub(r"(\[[^\]]*\])\(([^)#\s]+)(#[^)\s]*)?\)", moved, text)


def read_for_site(app, name, source):
    """Links of the pages in docs/, which are written so that they also lead somewhere on GitHub."""
    place = HERE / f"{name}.md"
    if place.exists() and f"{name}.md" not in PAGES.values():
        source[0] = for_site(source[0], place.parent, place.parent)


def write_if_new(place, text):
    """Writes a file, unless it would stay the same: what it leads to need not be made again."""
    if not place.exists() or place.read_text() != text:
        place.write_text(text)


def setup(app):
    write_api()
    write_tutorials()
    write_copies()
    write_fields()
    app.connect("source-read", read_for_site)
    app.connect("autodoc-process-docstring", as_rst, priority=400)
