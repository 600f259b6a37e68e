"""Two draws of different purpose never share a key."""

import ast
import itertools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax import config as configs
from gdm_jax import keys, latent, pixels
from gdm_jax.training.augment import augment
from tests import precision
from tests.runs import draws

PACKAGE = pathlib.Path(gdm.__file__).parent
PROCESS = gdm.Process(gdm.groups.bottom_to_top((8, 8), 2))
SHAPE = (8, 8, 1)
NOTHING = np.zeros((8, 8), bool)


def test_every_purpose_seed_and_position_has_a_key_of_its_own():
    places = [(), (0,), (1,), (0, 0), (0, 1), (1, 0), (0, 0, 0)]
    cases = list(itertools.product((0, 1, 2**32 - 1), keys.PURPOSES, places))
    found = [keys.root(seed, purpose, *place) for seed, purpose, place in cases]
    found += [jax.random.key(seed) for seed in (0, 1, 2**32 - 1)]  # what a caller may draw from
    found += [*keys.each(0, "probe", 5, count=3)]
    assert len({jax.random.key_data(key).tobytes() for key in found}) == len(found)
    firsts = [keys.generator(0, purpose, n).integers(2**63) for purpose in keys.PURPOSES for n in range(3)]
    assert len(set(firsts)) == len(firsts)


@pytest.fixture
def drawn(monkeypatch):
    """Keys that JAX's random functions are given, as bytes by the module that asks."""
    found = []
    for name in ("normal", "uniform", "rademacher", "bernoulli", "randint", "permutation"):
        original = getattr(jax.random, name)

        def watch(key, *arguments, original=original, **options):
            jax.debug.callback(lambda data: found.append(data.tobytes()), jax.random.key_data(key))
            return original(key, *arguments, **options)

        monkeypatch.setattr(jax.random, name, watch)

    def of(function):
        found.clear()
        jax.block_until_ready(function())
        jax.effects_barrier()
        return set(found)

    return of


def test_no_two_purposes_draw_from_one_key(drawn):
    """All from seed 0 or key(0), which callers pass for everything."""
    key, zeros = jax.random.key(0), jnp.zeros((2, *SHAPE))
    config = configs.from_dict(
        {
            "data": {"dequantise": True},
            "process": {"groups": "bottom_to_top", "k": 2},
            "schedule": {"random_order": True, "overlap": [0.0, 1.0]},
            "model": {"name": "mlp", "classes": 2},
            "training": {"batch": 2},
        }
    )

    def trained(step):
        return jax.tree.leaves(draws(config, step, jnp.arange(2), SHAPE)._replace(keys=0))[:-1]

    of_training = {f"step {step}": drawn(lambda step=step: trained(step)) for step in (0, 1)}
    of_augmentation = keys.root(0, "augmentation", 0, 0)
    found = of_training | {
        "sample": drawn(lambda: latent.noise([0, 1], SHAPE)),
        "fill": drawn(lambda: latent.noise([0, 1], SHAPE, "fill")),
        "resample": drawn(lambda: latent.resample(PROCESS, zeros, [0], key, count=2)),
        "dequantise": drawn(lambda: pixels.dequantise(zeros, jax.random.split(key, 2))),
        "dequantise of key": drawn(lambda: pixels.dequantise(zeros, keys.each(0, "dequantise", count=2))),
        "probe": drawn(
            lambda: gdm.log_likelihood(
                lambda x_t, alpha: x_t, PROCESS, gdm.schedule.uniform(2), zeros, probes=1, key=key, steps=2
            )
        ),
        "augmentation": drawn(lambda: augment(of_augmentation, zeros[0], 0.5)),
        "the caller": {np.asarray(jax.random.key_data(key)).tobytes()},
    }
    assert all(found.values())
    for (a, of_a), (b, of_b) in itertools.combinations(found.items(), 2):
        assert of_a.isdisjoint(of_b), f"{a} and {b}"


def test_fresh_noise_is_not_the_image_s_own():
    """Seed 0 for the latent and key(0) for what takes its place."""
    z = latent.noise([0], SHAPE)
    for fresh in latent.resample(PROCESS, z, [0], jax.random.key(0), count=4):
        assert jnp.abs(fresh - z)[0, :4].min() > 1e-5  # the top half is group 1
    correlation = np.corrcoef(np.reshape(latent.noise(np.arange(64), SHAPE), -1), np.reshape(noise_of("fill"), -1))
    assert abs(correlation[0, 1]) < 0.06


def noise_of(purpose):
    return latent.noise(np.arange(64), SHAPE, purpose)


def test_numbers_do_not_depend_on_the_precision():
    single = noise_of("sample")
    with precision.double():
        double = noise_of("sample")
        resampled = latent.resample(PROCESS, double, NOTHING, jax.random.key(1))
        assert double.dtype == resampled.dtype == np.float64
    np.testing.assert_allclose(single, double, atol=1e-6)  # programs may round the last bit in another way
    again = latent.resample(PROCESS, single, NOTHING, jax.random.key(1))
    np.testing.assert_allclose(again, resampled, atol=1e-6)


def test_what_is_resampled_depends_on_its_place_alone():
    z = latent.noise([0, 1, 2], SHAPE)
    many, few = (latent.resample(PROCESS, z[:n], [0], jax.random.key(1), count=c) for n, c in ((3, 4), (2, 1)))
    np.testing.assert_allclose(many[:1, :2], few, atol=1e-6)


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: file.name)
def test_keys_are_made_in_one_place(file):
    """No other module makes a key of a seed."""
    made = {ast.unparse(node.func) for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)}
    if file.name != "keys.py":
        assert made.isdisjoint({"jax.random.key", "jax.random.PRNGKey"})


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("seed", [-1, 2**32, 10**20, 0.5, True, "0"])
def test_seeds_out_of_range(seed):
    with pytest.raises(ValueError, match="seeds: must be whole numbers from 0 to"):
        keys.root(seed, "sample")
