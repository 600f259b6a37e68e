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

import gdm_jax

HERE = pathlib.Path(__file__).parent
PACKAGE = pathlib.Path(gdm_jax.__file__).parent
NOTEBOOKS = HERE.parent / "launch" / "colab"

project = "gdm_jax"
author = "the authors of gdm_jax"
version = release = gdm_jax.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx_copybutton"]
exclude_patterns = ["_build", "jupyter_execute"]
html_theme = "furo"
html_title = "gdm_jax"
html_theme_options = {
    "source_repository": "https://github.com/gdm-jax/gdm_jax/",
    "source_branch": "main",
    "source_directory": "docs/",
}
copybutton_prompt_text = ">>> "

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_timeout = 7200
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the signatures of the source hold shapes, which the argument lines say again
autodoc_default_options = {"members": True, "undoc-members": True, "show-inheritance": False}
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
            paragraph = itertools.takewhile(str.strip, lines[n:])
            columns = any(re.search(r"\S {2,}\S", one) for one in paragraph) and not line.startswith(">>>")
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
            parts[n] = part[:start] + re.sub(r"([*|\\]|(?<=\w)_(?!\w))", r"\\\1", part[start:])
    return "".join(parts)


def write_api():
    """A page for each room of the package, in the order of its floors, and a list of the names of `gdm_jax`."""
    folder = HERE / "api"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    floors = re.findall(r"^ +\d+ +(\w.*)$", gdm_jax.__doc__, re.MULTILINE)
    for module in pkgutil.walk_packages([str(PACKAGE)], "gdm_jax."):  # so that `defined` knows them all
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    rooms = [room for floor in floors for room in re.split(r",\s*", floor) if not room.startswith("_")]
    for room in rooms:
        names, home = [f"gdm_jax.{room}"], PACKAGE / room
        if home.is_dir():
            inner = pkgutil.walk_packages([str(home)], f"gdm_jax.{room}.")
            names += sorted(module.name for module in inner if not module.name.endswith("__main__"))
        text = f"# {room}\n"
        for name in names:
            heading = f"\n## {name.removeprefix('gdm_jax.')}\n" if name != names[0] else ""
            members = ", ".join(defined(name))
            text += f"{heading}\n```{{eval-rst}}\n.. automodule:: {name}\n   :members: {members}\n```\n"
        (folder / f"{room}.md").write_text(text)
    start = "# The library\n\nThe names of `gdm_jax`, each with the place that describes it:\n\n"
    start += "\n".join(f"* `{name}`: {place(name)}" for name in gdm_jax.__all__)
    listed = "\n".join(rooms)
    end = f"A page for each room of the package, from the ground floor up:\n\n```{{toctree}}\n{listed}\n```\n"
    (folder / "index.md").write_text(f"{start}\n\n{end}")


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
    """A link to where a name of the package is described."""
    found = getattr(gdm_jax, name)
    if isinstance(found, types.ModuleType):
        return f"{{py:mod}}`{found.__name__}`"
    found = inspect.unwrap(found)
    return f"{{py:obj}}`{found.__module__}.{found.__qualname__}`"


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
        made = json.dumps(notebook)
        place = folder / file.name
        if not place.exists() or place.read_text() != made:
            place.write_text(made)


def setup(app):
    write_api()
    write_tutorials()
    app.connect("autodoc-process-docstring", as_rst, priority=400)
