"""The house keeps its floors: imports go one way, and some libraries are known to one room alone."""

import ast
import pathlib

import pytest

PACKAGE = pathlib.Path(__file__).parents[1] / "gdm_jax"

# Every module may import from the floors below its own, and within its own folder.
FLOORS = [
    {"errors"},
    {"files", "keys"},
    {"groups", "schedule", "basis", "interpolant", "network", "models", "metrics", "search"},
    {"process", "path", "family", "program"},
    {"ode", "loss", "latent", "build"},
    {"inversion", "conditional", "likelihood", "figures", "charts"},
    {"config"},
    {"data"},
    {"training"},
    {"model", "record"},
    {"gallery", "editing", "analysis", "evaluation"},
    {"experiments", "inputs"},
    {"commands"},
    {"cli"},
]
# models' U-Net takes a partition for its input channels; everything else on the ground floor stands alone.
GROUND = {"models": {"groups"}}
ONLY_IN = {
    "diffrax": {"ode", "inversion"},
    "orbax": {"training"},
    "flax": {"models", "build"},
    "tensorflow_datasets": {"data"},
    "grain": {"data"},
    "keras": {"metrics"},
    "sklearn": {"metrics", "data"},
    "tensorboardX": {"training"},
    "matplotlib": {"charts"},
    "torch": {"metrics"},
    "torch_fidelity": {"metrics"},
    "mpmath": set(),
    "pickle": set(),
    "tensorflow": set(),
}
FILES = sorted(PACKAGE.rglob("*.py"))


def room(file):
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(file):
    """(top-level package, first part below gdm_jax or None) of every import that runs in a file."""
    tree = ast.parse(file.read_text())
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from ((name.name.split(".")[0], None) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = node.module.split(".")
            if parts == ["gdm_jax"]:
                yield from (("gdm_jax", name.name) for name in node.names)
            else:
                yield parts[0], parts[1] if parts[0] == "gdm_jax" else None


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_go_down(file):
    here = room(file)
    if here == "__init__":
        return
    floor = next(n for n, rooms in enumerate(FLOORS) if here in rooms)
    allowed = set().union(*FLOORS[:floor]) | {here} | GROUND.get(here, set())
    assert {below for package, below in imports(file) if package == "gdm_jax"} <= allowed


@pytest.mark.parametrize("library", ONLY_IN)
def test_libraries_stay_in_their_rooms(library):
    users = {room(file) for file in FILES for package, _ in imports(file) if package == library}
    assert users <= ONLY_IN[library]
