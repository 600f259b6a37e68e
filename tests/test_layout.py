"""The house keeps its floors: imports go one way, and some libraries are known to one room alone."""

import ast
import pathlib
import re

import pytest

import gdm_jax

PACKAGE = pathlib.Path(gdm_jax.__file__).parent
FLOORS = [re.split(r",\s*", rooms) for rooms in re.findall(r"^ +\d+ +(\w.*)$", gdm_jax.__doc__, re.MULTILINE)]
TALLEST, MOST_FLOORS, MOST_FILES = 400, 7, 10
ONLY_IN = {
    "diffrax": {"ode"},
    "orbax": {"workdir", "devices"},
    "flax": {"networks", "metrics"},
    "tensorflow_datasets": {"data"},
    "grain": {"data"},
    "huggingface_hub": {"pretrained"},
    "keras": {"metrics"},
    "sklearn": {"metrics", "data"},
    "tensorboardX": {"workdir"},
    "safetensors": {"workdir"},
    "matplotlib": {"drawing"},
    "torch": {"metrics"},
    "torch_fidelity": {"metrics"},
    "fcntl": {"workdir"},
    "mpmath": set(),
    "pickle": {"metrics"},  # in a reader that lets a file name tensors alone
    "tensorflow": set(),
}
FILES = sorted(PACKAGE.rglob("*.py"))



def room(file):
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def module(file):
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(file): file for file in FILES}


def imports(file):
    """Every module that a file imports anywhere in it: in functions and for type checkers, too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            inner = [f"{node.module}.{name.name}" for name in node.names]
            yield from (name if name in MODULES else node.module for name in inner)


def ours(file):
    return {name for name in imports(file) if name.split(".")[0] == "gdm_jax"}


def test_every_room_is_on_one_floor():
    rooms = [name for floor in FLOORS for name in floor]
    assert sorted(rooms) == sorted({room(file) for file in FILES} - {"__init__"})
    assert len(FLOORS) <= MOST_FLOORS
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_go_down(file):
    here = room(file)
    if here == "__init__":
        return
    floor = next(n for n, rooms in enumerate(FLOORS) if here in rooms)
    allowed = {here}.union(*FLOORS[:floor])
    assert {name.split(".")[1] for name in ours(file)} <= allowed


def test_no_circles():
    arrows = {name: ours(file) - {name} for name, file in MODULES.items()}
    left = dict(arrows)
    while left:
        free = [name for name, below in left.items() if not below & left.keys()]
        assert free, f"these import one another: {sorted(left)}"
        for name in free:
            del left[name]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_module_is_too_long(file):
    assert len(file.read_text().splitlines()) <= TALLEST


@pytest.mark.parametrize("library", ONLY_IN)
def test_libraries_stay_in_their_rooms(library):
    users = {room(file) for file in FILES for name in imports(file) if name.split(".")[0] == library}
    assert users <= ONLY_IN[library]


def test_one_file_alone_unpickles():
    users = [file.relative_to(PACKAGE).as_posix() for file in FILES if "pickle" in imports(file)]
    assert users == ["metrics/features/torch_file.py"]
