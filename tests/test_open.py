"""Things of one's own, without a fork: each is entered in its table, trained with, named by the workdir, loaded again.

Here are grouping, basis, interpolant, loss, density, solver, network and augmentation. A data set is in tests/data;
judging features and a metric are in tests/evaluation.
"""

import json
import pathlib
import subprocess
import sys
import textwrap

import pytest

import gdm_jax as gdm
from gdm_jax import config as configs
from gdm_jax import networks, training
from gdm_jax.process.interpolant import INTERPOLANTS
from gdm_jax.process.times import DENSITIES
from gdm_jax.training.augment import AUGMENTATIONS

ROOT = pathlib.Path(__file__).parents[1]
TABLES = {
    "grouping": gdm.groups.GROUPINGS,
    "basis": gdm.basis.BASES,
    "interpolant": INTERPOLANTS,
    "loss": gdm.loss.LOSSES,
    "density": DENSITIES,
    "solver": gdm.ode.SOLVERS,
    "network": networks.NETWORKS,
    "augmentation": AUGMENTATIONS,
}
# What somebody writes at the top of a config file.
OWN = {
    "grouping": """
        import numpy as np
        from gdm_jax.process import groups

        def checkerboard(shape):
            return groups.from_index(np.indices(shape).sum(0) % 2)

        groups.GROUPINGS["mine"] = checkerboard
    """,
    "basis": """
        import numpy as np
        from gdm_jax.process import basis

        def reversal(size):
            return basis.orthogonal(*(np.eye(n)[::-1] for n in size), rank=np.arange(np.prod(size)).reshape(size))

        basis.BASES["mine"] = reversal
    """,
    "interpolant": """
        import jax.numpy as jnp
        from gdm_jax.process.interpolant import INTERPOLANTS, Interpolant

        INTERPOLANTS["mine"] = Interpolant(
            lambda s: 1 - s**2, lambda s: s**2, lambda s: -2 * s, lambda s: 2 * s
        )
    """,
    "loss": """
        import jax.numpy as jnp
        from gdm_jax import loss

        def absolute(u, process, x, z, alpha):
            r = process.target(x, z, alpha) - u(process.perturb(x, z, alpha), alpha)
            return jnp.abs(r).mean(tuple(range(1, r.ndim)))

        loss.LOSSES["mine"] = absolute
    """,
    "density": """
        from gdm_jax.process.times import DENSITIES

        def near_the_data(v):
            return v**2

        DENSITIES["mine"] = near_the_data
    """,
    "solver": """
        import diffrax
        from gdm_jax import ode

        class Mine(diffrax.Midpoint):
            pass

        ode.SOLVERS["mine"] = Mine
    """,
    "network": """
        import flax.linen as nn
        import jax.numpy as jnp
        from gdm_jax import networks

        class Linear(nn.Module):
            width: int

            @nn.compact
            def __call__(self, x, alpha, augmentation=None):
                told = jnp.zeros((len(x), 9)) if augmentation is None else augmentation
                inputs = (x.reshape(len(x), -1), alpha, told)
                h = sum(nn.Dense(self.width)(one) for one in inputs)
                return nn.Dense(x[0].size)(nn.silu(h)).reshape(x.shape)

        def linear(channels, augment):
            return Linear(channels)

        networks.NETWORKS["mine"] = linear
    """,
    "augmentation": """
        import jax
        import jax.numpy as jnp
        from gdm_jax.training.augment import AUGMENTATIONS

        def upside_down(key, x, probability):
            turned = jax.random.bernoulli(key, probability)
            return jnp.where(turned, x[::-1], x), turned[None].astype(x.dtype)

        AUGMENTATIONS["mine"] = upside_down
    """,
}
FIELDS = """
from gdm_jax.config import default


def get_config():
    config = default()
    config.data.dir = {data!r}
    config.process.groups = config.process.basis = config.process.interpolant = "mine"
    config.model.name = config.training.loss = config.training.density = config.sampling.solver = "mine"
    config.training.augmentation = "mine"
    config.training.augment = 0.5
    config.model.channels = config.training.batch = config.training.warmup_images = 8
    config.training.steps = 3
    config.sampling.steps = (4,)
    return config
"""
NEEDED = ("grouping", "basis", "interpolant", "solver", "network")  # by a load; the others by training alone
KEYWORDS = {"grouping": "groupings", "basis": "bases", "network": "networks"}  # of gdm.load

# Another process: the workdir loaded as it is, then without one of the things after another, and with all of them.
ELSEWHERE = """
import json, sys
import jax
import gdm_jax as gdm
from gdm_jax import config as configs
from tests.test_open import TABLES

jax.config.update("jax_disable_most_optimizations", True)
file, workdir = sys.argv[1:]

def answer():
    try:
        return list(gdm.load(workdir).sample(1).shape)
    except Exception as error:
        return f"{type(error).__name__}: {error}"

found = {"nothing": answer()}
configs.load(file)
for kind, table in TABLES.items():
    own = table.pop("mine")
    found[kind] = answer()
    table["mine"] = own
found["everything"] = answer()
print(json.dumps(found))
"""


def forget():
    """The tables, as they were before the config file ran."""
    for table in TABLES.values():
        table.pop("mine", None)


@pytest.fixture(scope="module")
def place(digits_dir, tmp_path_factory):
    """A config file that brings a thing of every kind, and the workdir of three steps with them."""
    folder = tmp_path_factory.mktemp("own")
    text = [FIELDS.format(data=digits_dir), *map(textwrap.dedent, OWN.values())]
    head = "from __future__ import annotations\n"  # by which a network's types are looked up in its module
    (folder / "mine.py").write_text(head + "".join(text))
    try:
        training.train(configs.load(folder / "mine.py"), folder / "run", progress=False)
    finally:
        forget()
    return folder / "mine.py", folder / "run"


@pytest.fixture
def entered(place):
    """All things in their tables, for one test."""
    configs.load(place[0])
    yield
    forget()


@pytest.fixture(scope="module")
def elsewhere(place):
    """What another process finds in the workdir."""
    ran = subprocess.run([sys.executable, "-c", ELSEWHERE, *map(str, place)], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def test_a_workdir_elsewhere(place, elsewhere):
    """It names the things, and a load runs no code: nothing is known until somebody enters it."""
    assert (place[1] / "config.json").read_text().count('"mine"') == len(OWN)
    assert "there is no 'mine' here" in elsewhere["nothing"]
    assert elsewhere["everything"] == [1, 8, 8, 1]


@pytest.mark.parametrize("kind", OWN)
def test_a_workdir_where_one_thing_is_missing(elsewhere, kind):
    """A load says in one line which, and how to bring it."""
    said = elsewhere[kind]
    if kind not in NEEDED:
        assert said == [1, 8, 8, 1]
        return
    assert said.startswith("ValueError: ") and "\n" not in said and "there is no 'mine' here, only " in said
    assert "import first what enters it in gdm_jax." in said
    assert (f"pass {KEYWORDS.get(kind)}={{'mine': ...}} to load, or" in said) == (kind in KEYWORDS)


@pytest.mark.parametrize("kind", KEYWORDS)
def test_one_load_brings_its_own(place, entered, kind):
    """By the keyword that the error names; the table stays as it was, and other paths can still be taken."""
    own = {KEYWORDS[kind]: {"mine": TABLES[kind].pop("mine")}}
    with pytest.raises(ValueError, match="there is no 'mine' here"):
        gdm.load(place[1])
    model = gdm.load(place[1], **own)
    assert "mine" not in TABLES[kind]
    assert model.under(solver="heun", steps=8).sample(1).shape == (1, 8, 8, 1)


@pytest.mark.parametrize("kind", ["loss", "density", "augmentation"])
def test_training_goes_on_with_its_own_alone(place, entered, kind):
    config, workdir = configs.of_workdir(place[1]), place[1]
    assert int(training.train(config, workdir, progress=False).step) == 3
    del TABLES[kind]["mine"]
    with pytest.raises(ValueError, match=f"training.{kind}: must be one of .*, got 'mine'"):
        training.train(config, workdir, progress=False)


def test_another_solver_needs_no_entry(place, entered):
    del TABLES["solver"]["mine"]
    assert gdm.load(place[1], solver="heun").sample(1).shape == (1, 8, 8, 1)


def test_an_entry_that_returns_something_else(monkeypatch):
    """It is refused in one line, as is one that asks for what nobody knows."""
    monkeypatch.setitem(TABLES["grouping"], "mine", lambda shape: [0, 1])
    with pytest.raises(ValueError, match="process.groups: 'mine' must return Groups, got list"):
        configs.from_dict({"process": {"groups": "mine"}})
    monkeypatch.setitem(TABLES["basis"], "mine", lambda colour: None)
    with pytest.raises(ValueError, match="process.basis: 'mine': .*colour.*; it may take shape, size"):
        configs.from_dict({"process": {"basis": "mine"}})
