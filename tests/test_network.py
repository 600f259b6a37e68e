"""Networks made of others: both guidances are linear combinations, and each example keeps its own label."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import gdm_jax as gdm
from tests.runs import compilations

PROCESS = gdm.Process(gdm.groups.from_index([0, 1, 1]))
SCHEDULE = gdm.schedule.uniform(2, order=(1, 0))
LABEL = jnp.array([2, 0, -1, 5])
X, Z = jax.random.normal(jax.random.key(0), (2, 4, 3))
ALPHA = jax.random.uniform(jax.random.key(1), (4, 2))
ADAPTIVE = {"solver": "tsit5", "steps": None, "rtol": 1e-6, "atol": 1e-6}


def u(x_t, alpha, label):
    """A nonlinear network of which the label turns frequency and phase; -1 is none."""
    assert x_t.shape[:1] == alpha.shape[:1] == label.shape
    told = (1.0 + label[:, None]).astype(x_t.dtype)
    return jnp.sin(x_t[:, ::-1] * (1 + told / 3) + told + alpha[:, :1]) + 0.3 * x_t


@pytest.mark.parametrize("w", [0.0, 0.5, 1.0, 3.5])
def test_guidance_is_linear_in_w(w):
    told, untold = u(X, ALPHA, LABEL), u(X, ALPHA, jnp.full(4, -1))
    found = gdm.guided(u, LABEL, w)(X, ALPHA)
    np.testing.assert_allclose(found, w * told + (1 - w) * untold, atol=1e-5)
    np.testing.assert_allclose(found[2], untold[2], atol=1e-6)  # who has no label is not guided
    assert (np.abs(told - untold)[LABEL >= 0] > 1e-3).all()


def test_guidance_of_one_costs_one_call():
    """w = 1 is the network with its label to the last bit, of a batch no larger; any other w doubles the batch."""
    batches = []

    def counting(x_t, alpha, label):
        batches.append(len(x_t))
        return u(x_t, alpha, label)

    np.testing.assert_array_equal(gdm.guided(counting, LABEL)(X, ALPHA), u(X, ALPHA, LABEL))
    gdm.guided(counting, LABEL, 2.0)(X, ALPHA)
    assert batches == [4, 8]


def test_one_label_for_all():
    one, many = (gdm.guided(u, label, 2.0)(X, ALPHA) for label in (3, [3, 3, 3, 3]))
    np.testing.assert_array_equal(one, many)


@functools.cache
def generated():
    return gdm.generate(gdm.guided(u, LABEL, 2.0), PROCESS, SCHEDULE, Z, **ADAPTIVE)


def test_adaptive_steps_keep_each_example_s_label():
    """Alone with its label an example comes out as in the batch, though steps adapt to each."""
    together = generated()
    for n in (0, 3):
        alone = gdm.generate(gdm.guided(u, LABEL[n : n + 1], 2.0), PROCESS, SCHEDULE, Z[n : n + 1], **ADAPTIVE)
        np.testing.assert_allclose(together[n : n + 1], alone, atol=1e-5)
    fixed = gdm.generate(gdm.guided(u, LABEL, 2.0), PROCESS, SCHEDULE, Z, solver="rk4", steps=80)
    np.testing.assert_allclose(together, fixed, atol=1e-4)


def test_one_label_for_all_under_adaptive_steps():
    one, many = (
        gdm.generate(gdm.guided(u, label, 2.0), PROCESS, SCHEDULE, Z, **ADAPTIVE) for label in (3, [3, 3, 3, 3])
    )
    np.testing.assert_allclose(one, many, atol=1e-6)


def test_encode_undoes_generate():
    """Under the same labels and the same w; not under others."""
    back = gdm.encode(gdm.guided(u, LABEL, 2.0), PROCESS, SCHEDULE, generated(), **ADAPTIVE)
    np.testing.assert_allclose(back, Z, atol=1e-4)
    other = gdm.encode(gdm.guided(u, LABEL[::-1], 2.0), PROCESS, SCHEDULE, generated(), **ADAPTIVE)
    assert (np.abs(other - Z).max(1) > 1e-2).all()


def test_new_labels_reuse_the_compilation():
    """And other guidance too, other than to and from 1, and new parameters."""

    def apply(scale, x_t, alpha, label):
        return scale * u(x_t, alpha, label)

    cases = [(LABEL, 2.0, 0.5), (LABEL[::-1], 2.0, 0.5), (LABEL, 3.0, 0.5), (LABEL, 2.0, 0.7)]
    for count, (label, w, scale) in enumerate(cases):
        network = gdm.guided(functools.partial(apply, jnp.float32(scale)), label, w)
        with compilations() as made:
            gdm.generate(network, PROCESS, SCHEDULE, Z, solver="euler", steps=6)
        assert bool(made) == (count == 0)


def test_labels_in_a_likelihood():
    """Each example has the density of its own label."""
    x = jnp.repeat(X[:1], 4, axis=0)
    options = {"solver": "rk4", "steps": 20}
    found = gdm.log_likelihood(gdm.guided(u, LABEL), PROCESS, SCHEDULE, x, **options).total
    expected = [
        gdm.log_likelihood(gdm.guided(u, jnp.full(4, label)), PROCESS, SCHEDULE, x, **options).total[0]
        for label in LABEL.tolist()
    ]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert len(np.unique(np.round(expected, 2))) == 4


@pytest.mark.parametrize("options", [{"solver": "euler", "steps": 4}, ADAPTIVE], ids=["fixed", "adaptive"])
@pytest.mark.parametrize("w", [1.0, 2.0])
def test_as_many_labels_as_examples(w, options):
    with pytest.raises(ValueError, match="label: expected one for all or for each of 4, got 3"):
        gdm.generate(gdm.guided(u, LABEL[:3], w), PROCESS, SCHEDULE, Z, **options)


@pytest.mark.parametrize(
    "label, w, message",
    [
        (LABEL, -0.1, "guidance: must not be negative, got -0.1"),
        (LABEL, float("nan"), "guidance: must not be negative, got nan"),
        ([0.5, 1.0], 1.0, "label: must be whole numbers, one an example, got float32"),
        ([[0, 1]], 1.0, r"label: must be whole numbers, one an example, got int32 of shape \(1, 2\)"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_input(label, w, message):
    with pytest.raises(ValueError, match=message):
        gdm.guided(u, label, w)


@pytest.mark.parametrize("w", [0.0, 1.0, 2.5])
def test_autoguidance_is_linear_in_w(w):
    """With labels and jumps passed on, and around it the guidance of a label."""

    def weak(x_t, alpha, label, beta=0.0):
        return x_t[:, ::-1] * jnp.cos(label[:, None] * alpha[:, :1]) + beta

    both = gdm.autoguided(lambda x_t, alpha, label, beta=0.0: u(x_t, alpha, label) + beta, weak, w)
    found = both(X, ALPHA, LABEL, beta=0.5)
    np.testing.assert_allclose(found, w * (u(X, ALPHA, LABEL) + 0.5) + (1 - w) * weak(X, ALPHA, LABEL, 0.5), atol=1e-5)
    told, untold = both(X, ALPHA, LABEL), both(X, ALPHA, jnp.full(4, -1))
    np.testing.assert_allclose(gdm.guided(both, LABEL, 2.0)(X, ALPHA), 2 * told - untold, atol=1e-5)


def test_autoguided_normals():
    """Of normals of deviations s, and b of the weaker network, w makes one of s^w b^(1 - w): d log x is linear in w."""
    s, b, w = np.array([0.5, 0.8, 1.2]), np.array([0.9, 1.0, 1.1]), 1.5

    def best(variance):
        def network(x_t, alpha):
            a = alpha[:, PROCESS.groups.index]
            return (a * variance - (1 - a)) / (a**2 * variance + (1 - a) ** 2) * x_t

        return network

    led, deviation = gdm.autoguided(best(s**2), best(b**2), w), s**w * b ** (1 - w)
    x = gdm.generate(led, PROCESS, SCHEDULE, Z, **ADAPTIVE)
    np.testing.assert_allclose(x, Z * deviation, rtol=1e-4)
    np.testing.assert_allclose(gdm.encode(led, PROCESS, SCHEDULE, x, **ADAPTIVE), Z, atol=1e-4)
    found = gdm.log_likelihood(led, PROCESS, SCHEDULE, X, solver="rk4", steps=40).total
    np.testing.assert_allclose(found, scipy.stats.norm.logpdf(X, scale=deviation).sum(1), atol=1e-3)


@pytest.mark.parametrize("w", [-0.1, float("nan")])
def test_autoguidance_is_not_negative(w):
    with pytest.raises(ValueError, match=f"autoguidance: must not be negative, got {w}"):
        gdm.autoguided(u, u, w)


def test_labels_go_around_autoguidance():
    with pytest.raises(ValueError, match="give the label afterwards"):
        gdm.autoguided(gdm.guided(u, 3), u, 2.0)


def test_a_network_must_answer_in_kind():
    with pytest.raises(ValueError, match=r"like x_t, \(4, 3\), but it returned \(4, 1\)"):
        gdm.generate(lambda x_t, alpha: x_t[:, :1], PROCESS, SCHEDULE, Z, solver="euler", steps=2)
