"""Things of one's own, without a fork: each is entered in its table, trained with, named by the workdir, loaded again.

Here are grouping, basis, interpolant, loss, density, solver, network and augmentation. A data set is in tests/data;
judging features and a metric are in tests/evaluation.
"""

import json
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

pytestmark = pytest.mark.usefixtures("quick_compilation")

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
        from __future__ import annotations

        import flax.linen as nn
        from gdm_jax import networks

        class Linear(nn.Module):
            width: int

            @nn.compact
            def __call__(self, x, alpha):
                h = nn.Dense(self.width)(x.reshape(len(x), -1)) + nn.Dense(self.width)(alpha)
                return nn.Dense(x[0].size)(nn.silu(h)).reshape(x.shape)

        def linear(channels):
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
UNET = {"name": "unet", "channels": 4, "multipliers": [1], "blocks": 1, "attention": []}
FIELDS = {
    "grouping": {"process": {"groups": "mine"}},
    "basis": {"process": {"groups": "frequency_bands", "basis": "mine", "bands": [32]}},
    "interpolant": {"process": {"interpolant": "mine"}},
    "loss": {"training": {"loss": "mine"}},
    "density": {"training": {"density": "mine"}},
    "solver": {"sampling": {"solver": "mine"}},
    "network": {"model": {"name": "mine"}},
    "augmentation": {"training": {"augmentation": "mine", "augment": 0.5}, "model": UNET},
}
NEEDED = ("grouping", "basis", "interpolant", "solver", "network")  # by a load; the others by training alone
KEYWORDS = {"grouping": "groupings", "basis": "bases", "network": "networks"}  # of gdm.load

# Another process: every workdir loaded as it is, and once more after its config file has run.
ELSEWHERE = """
import json, sys
import jax
import gdm_jax as gdm
from gdm_jax import config as configs

jax.config.update("jax_disable_most_optimizations", True)

def answer(workdir):
    try:
        return list(gdm.load(workdir).sample(1).shape)
    except Exception as error:
        return f"{type(error).__name__}: {error}"

places = json.loads(sys.argv[1])
found = {kind: [answer(workdir)] for kind, (_, workdir) in places.items()}
for kind, (file, workdir) in places.items():
    configs.load(file)
    found[kind].append(answer(workdir))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def places(digits_dir, tmp_path_factory, quick_compilation):
    """For each kind a config file that brings a thing of its own, and the workdir of three steps with it."""
    made = {}
    for kind, text in OWN.items():
        folder = tmp_path_factory.mktemp(kind)
        values = {"data": {"dir": digits_dir}, "model": {"name": "mlp", "channels": 8, "blocks": 1}}
        values["training"] = {"batch": 8, "steps": 3, "warmup_images": 8}
        values["sampling"] = {"steps": (4,)}
        for section, fields in FIELDS[kind].items():
            values[section] = values.get(section, {}) | fields
        set_ = [f"    config.{part}.{name} = {value!r}" for part in values for name, value in values[part].items()]
        lines = ["from gdm_jax.config import default", "", "def get_config():", "    config = default()", *set_]
        (folder / "mine.py").write_text("\n".join([textwrap.dedent(text), *lines, "    return config", ""]))
        try:
            training.train(configs.load(folder / "mine.py"), folder / "run", progress=False)
        finally:
            TABLES[kind].pop("mine", None)
        made[kind] = (folder / "mine.py", folder / "run")
    return made


@pytest.fixture(scope="module")
def elsewhere(places):
    """What another process finds in each workdir, before and after the config file has run there."""
    paths = {kind: [str(path) for path in pair] for kind, pair in places.items()}
    ran = subprocess.run([sys.executable, "-c", ELSEWHERE, json.dumps(paths)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("kind", OWN)
def test_a_workdir_elsewhere(places, elsewhere, kind):
    """It names the thing; a load says in one line what is missing and how to bring it, and runs no code."""
    assert '"mine"' in (places[kind][1] / "config.json").read_text()
    before, after = elsewhere[kind]
    assert after == [1, 8, 8, 1]
    if kind not in NEEDED:
        assert before == [1, 8, 8, 1]
        return
    assert before.startswith("ValueError: ") and "\n" not in before and "there is no 'mine' here, only " in before
    assert "import first what enters it in gdm_jax." in before
    assert (f"pass {KEYWORDS.get(kind)}={{'mine': ...}} to load, or" in before) == (kind in KEYWORDS)


@pytest.mark.parametrize("kind", KEYWORDS)
def test_one_load_brings_its_own(places, kind):
    """By the keyword that the error names; the table stays as it was, and other paths can still be taken."""
    file, workdir = places[kind]
    with pytest.raises(ValueError, match="there is no 'mine' here"):
        gdm.load(workdir)
    configs.load(file)
    own = {KEYWORDS[kind]: {"mine": TABLES[kind].pop("mine")}}
    model = gdm.load(workdir, **own)
    assert "mine" not in TABLES[kind]
    assert model.under(solver="heun", steps=8).sample(1).shape == (1, 8, 8, 1)


@pytest.mark.parametrize("kind", ["loss", "density", "augmentation"])
def test_training_goes_on_with_its_own_alone(places, kind):
    file, workdir = places[kind]
    with pytest.raises(ValueError, match=f"training.{kind}: must be one of .*, got 'mine'"):
        training.train(configs.of_workdir(workdir), workdir, progress=False)
    configs.load(file)
    try:
        assert int(training.train(configs.of_workdir(workdir), workdir, progress=False).step) == 3
    finally:
        del TABLES[kind]["mine"]


def test_another_solver_needs_no_entry(places):
    assert gdm.load(places["solver"][1], solver="heun").sample(1).shape == (1, 8, 8, 1)


def test_an_entry_that_returns_something_else(monkeypatch):
    """It is refused in one line, as is one that asks for what nobody knows."""
    monkeypatch.setitem(TABLES["grouping"], "mine", lambda shape: [0, 1])
    with pytest.raises(ValueError, match="process.groups: 'mine' must return Groups, got list"):
        configs.from_dict({"process": {"groups": "mine"}})
    monkeypatch.setitem(TABLES["basis"], "mine", lambda colour: None)
    with pytest.raises(ValueError, match="process.basis: 'mine': .*colour.*; it may take shape, size"):
        configs.from_dict({"process": {"basis": "mine"}})
