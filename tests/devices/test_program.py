"""The answer is always that of u as it is now, whatever way u is written in; and what need not be compiled is not."""

import functools
import os

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import gdm_jax as gdm
from gdm_jax.devices import program
from tests.runs import compilations

PROCESS = gdm.Process(gdm.groups.from_index([0, 0, 1, 1]))
SCHEDULE = gdm.schedule.uniform(2)
EULER = {"solver": "euler", "steps": 2}
X, Z = np.random.default_rng(0).uniform(-1, 1, (2, 3, 4)).astype(np.float32)
ALPHA = np.array([[0.5, 0.0], [1.0, 0.25], [1.0, 0.75]], np.float32)
T = np.array([0.75, 0.375, 0.125], np.float32)
WEIGHTS = [np.random.default_rng(seed).uniform(-0.8, 0.8, (4, 4)).astype(np.float32) for seed in (1, 2)]


def formula(w, x_t, alpha):
    """The mathematics that every network below computes."""
    return jnp.tanh(x_t @ w) * (1 + alpha[:, :1])


# Ways of writing u: each is a generator, which gives u with the first weights, and then u once it has others.


def closure(first, second):
    w = first
    u = lambda x_t, alpha: formula(w, x_t, alpha)  # noqa: E731
    yield u
    w = second
    yield u


def module_variable(first, second):
    global_of.w = first
    yield global_of
    global_of.w = second
    yield global_of


def global_of(x_t, alpha):
    return formula(global_of.w, x_t, alpha)


def changed_object(first, second):
    class Net:
        def __call__(self, x_t, alpha):
            return formula(self.w, x_t, alpha)

    u = Net()
    u.w = first
    yield u
    u.w = second
    yield u


def method(first, second):
    for u in changed_object(first, second):
        yield u.__call__


def list_in_place(first, second):
    held = [first]
    u = lambda x_t, alpha: formula(held[0], x_t, alpha)  # noqa: E731
    yield u
    held[0] = second
    yield u


def dict_in_place(first, second):
    held = {"w": first}
    u = functools.partial(lambda held, x_t, alpha: formula(held["w"], x_t, alpha), held)
    yield u
    held["w"] = second
    yield u


def array_in_place(first, second):
    w = first.copy()
    u = lambda x_t, alpha: formula(w, x_t, alpha)  # noqa: E731
    yield u
    w[:] = second
    yield u


def partial(first, second):
    yield functools.partial(formula, first)
    yield functools.partial(formula, second)


def partial_of_a_closure(first, second):
    power = 0  # of a factor 2, which the second weights lack
    u = lambda w, x_t, alpha: formula(w * 2.0**power, x_t, alpha)  # noqa: E731
    yield functools.partial(u, first)
    power = 1
    yield functools.partial(u, second / 2)


def jitted(first, second):
    yield functools.partial(jax.jit(formula), first)
    yield functools.partial(jax.jit(formula), second)


def equinox(first, second):
    class Net(eqx.Module):
        w: jax.Array

        def __call__(self, x_t, alpha):
            return formula(self.w, x_t, alpha)

    u = Net(jnp.asarray(first))
    yield u
    yield eqx.tree_at(lambda u: u.w, u, jnp.asarray(second))


class NNX(nnx.Module):
    def __init__(self, w):
        self.w = nnx.Param(jnp.asarray(w))

    def __call__(self, x_t, alpha):
        return formula(self.w[...], x_t, alpha)


def nnx_module(first, second):
    u = NNX(first)
    yield u
    u.w[...] = jnp.asarray(second)
    yield u


def nnx_in_a_lambda(first, second):
    net = NNX(first)
    u = lambda x_t, alpha: net(x_t, alpha)  # noqa: E731
    yield u
    net.w[...] = jnp.asarray(second)
    yield u


class Linen(nn.Module):
    @nn.compact
    def __call__(self, x_t, alpha):
        return formula(self.param("w", nn.initializers.zeros, (4, 4)), x_t, alpha)


def linen_apply(first, second):
    yield functools.partial(Linen().apply, {"params": {"w": jnp.asarray(first)}})
    yield functools.partial(Linen().apply, {"params": {"w": jnp.asarray(second)}})


def linen_bound(first, second):
    yield Linen().bind({"params": {"w": jnp.asarray(first)}})
    yield Linen().bind({"params": {"w": jnp.asarray(second)}})


def written_out(first, second):
    yield lambda x_t, alpha: formula(first, x_t, alpha)
    yield lambda x_t, alpha: formula(second, x_t, alpha)


WAYS = [
    closure, module_variable, changed_object, method, list_in_place, dict_in_place, array_in_place, partial,
    partial_of_a_closure, jitted, equinox, nnx_module, nnx_in_a_lambda, linen_apply, linen_bound, written_out,
]  # fmt: skip

# Entry points: ours, of (u, x [n, 4]), and the same mathematics step by step, of (w, x [n, 4]).


def steps(forward):
    """(alpha at which u is called, increment of alpha) of each Euler step, two groups of one step each."""
    ways = [([0.0, 0.0], [1.0, 0.0]), ([1.0, 0.0], [0.0, 1.0])]
    if not forward:
        return [tuple(map(np.float32, step)) for step in ways]
    return [(np.float32(alpha) + np.float32(d), -np.float32(d)) for alpha, d in ways[::-1]]


def spread(values):
    return np.repeat(values, 2, axis=-1)


def euler(w, x, walk):
    for alpha, d in walk:
        x = x + spread(d) * formula(w, x, jnp.broadcast_to(alpha, (len(x), 2)))
    return x


def undone(w, x):
    """The fixed points, found by the plain iteration, which contracts here."""
    for alpha, d in steps(False)[::-1]:
        y = x
        for _ in range(60):
            y = x - spread(d) * formula(w, y, jnp.broadcast_to(alpha, (len(y), 2)))
        x = y
    return x


def log_p(w, x):
    total = 0.0
    for alpha, d in steps(True):
        jacobian = jax.vmap(jax.jacfwd(lambda y, alpha=alpha: formula(w, y[None], alpha[None])[0]))(x)
        total = total + (jnp.diagonal(jacobian, axis1=1, axis2=2) * spread(d)).sum(-1)
        x = x + spread(d) * formula(w, x, jnp.broadcast_to(alpha, (len(x), 2)))
    return total - 0.5 * (x**2 + np.log(2 * np.pi)).sum(-1)


def given(w, z):
    return euler(w, jnp.where(spread(np.array([True, False])), X[: len(z)], z), steps(False)[1:])


def residual(w, x, alpha):
    a = spread(alpha)
    z = Z[: len(x)]
    return x - z - formula(w, a * x + (1 - a) * z, alpha)


def moving(w, x):
    alpha = ALPHA[: len(x)]
    moves = spread((alpha > 0) & (alpha < 1))
    return (jnp.square(residual(w, x, alpha)) * moves).sum(-1) / moves.sum(-1)


def weighted(w, x):
    t = T[: len(x)]
    alpha = np.stack([np.clip(2 - 2 * t, 0, 1), np.clip(1 - 2 * t, 0, 1)], -1)
    rate = np.stack([np.where(t >= 0.5, -2.0, 0.0), np.where(t < 0.5, -2.0, 0.0)], -1)
    return jnp.square(spread(rate) * residual(w, x, alpha)).mean(-1)


ENTRIES = {
    "generate": (lambda u, x: gdm.generate(u, PROCESS, SCHEDULE, x, **EULER), lambda w, x: euler(w, x, steps(False))),
    "encode": (lambda u, x: gdm.encode(u, PROCESS, SCHEDULE, x, **EULER), lambda w, x: euler(w, x, steps(True))),
    "invert": (lambda u, x: gdm.invert(u, PROCESS, SCHEDULE, x, steps=2, memory=4).z, undone),
    "log_likelihood": (lambda u, x: gdm.log_likelihood(u, PROCESS, SCHEDULE, x, **EULER).total, log_p),
    "generate_given": (
        lambda u, x: gdm.generate_given(u, PROCESS, SCHEDULE, X[: len(x)], x, keep=[0], **EULER),
        given,
    ),
    "unweighted": (
        lambda u, x: gdm.loss.unweighted(u, PROCESS, x, Z[: len(x)], ALPHA[: len(x)]),
        lambda w, x: jnp.square(residual(w, x, ALPHA[: len(x)])).mean(-1),
    ),
    "moving": (lambda u, x: gdm.loss.moving(u, PROCESS, x, Z[: len(x)], ALPHA[: len(x)]), moving),
    "weighted": (lambda u, x: gdm.loss.weighted(u, PROCESS, SCHEDULE, x, Z[: len(x)], T[: len(x)]), weighted),
}


def scanned(function, x):
    return jax.lax.scan(lambda _, x: (None, function(x)), None, x[None])[1][0]


TRANSFORMATIONS = {
    "none": lambda function, x: function(x),
    "jit": lambda function, x: jax.jit(function)(x),
    "grad": lambda function, x: jax.grad(lambda x: function(x).sum())(x),
    "jit(grad)": lambda function, x: jax.jit(jax.grad(lambda x: function(x).sum()))(x),
    "vmap": lambda function, x: jax.vmap(lambda one: function(one[None])[0])(jnp.broadcast_to(x[:1], x.shape)),
    "scan": scanned,
}


@functools.cache
def expected(entry, transformation, n):
    _, plain = ENTRIES[entry]
    return TRANSFORMATIONS[transformation](functools.partial(plain, WEIGHTS[n]), jnp.asarray(X))


WHOLE = [(entry, transformation, WAYS) for entry in ENTRIES for transformation in TRANSFORMATIONS]


def part():
    """Some of the table, for a solve takes seconds to trace under a gradient: every way, entry and transformation.

    GDM_WHOLE_TABLE=1 runs the whole table, which takes half an hour.
    """
    for n, (entry, transformation, every) in enumerate(WHOLE):
        if entry == "generate" and transformation == "none":
            yield entry, transformation, every
        elif entry in ("generate", "unweighted") or transformation == "none" or n % 7 in (1, 4):
            count = 1 if "grad" in transformation else 2
            yield entry, transformation, [every[(3 * n + i) % len(every)] for i in range(count)]


@pytest.mark.parametrize("entry, transformation, ways", WHOLE if os.environ.get("GDM_WHOLE_TABLE") else list(part()))
def test_any_way_of_writing_u(entry, transformation, ways):
    """With its first weights and then with others, against the mathematics written out."""
    ours, _ = ENTRIES[entry]
    for way in ways:
        for n, u in enumerate(way(*WEIGHTS)):
            found = TRANSFORMATIONS[transformation](functools.partial(ours, u), jnp.asarray(X))
            message = f"{way.__name__}, {'first' if n == 0 else 'other'} weights"
            np.testing.assert_allclose(found, expected(entry, transformation, n), atol=2e-5, err_msg=message)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("way", [closure, array_in_place, partial, equinox, nnx_module, nnx_in_a_lambda, linen_bound])
def test_new_arrays_compile_nothing(entry, way):
    """Whatever holds them: the program of the first weights serves the second."""
    ours, _ = ENTRIES[entry]
    first, second = WEIGHTS
    for n, u in enumerate(way(first, second)):
        with compilations() as made:
            ours(u, X)
        assert n == 0 or not made


def test_settled():
    """Who is traced anew at each call, and who is not."""
    variable, net = 2.0, Linen()
    reads_libraries = lambda w, x_t, alpha: jnp.tanh(jax.nn.relu(x_t @ w))  # noqa: E731
    assert program.settled(reads_libraries)
    assert program.settled(jax.tree_util.Partial(reads_libraries, X))
    assert program.settled(jax.tree_util.Partial(net.apply, {"params": {"w": X}}))
    assert program.settled(eqx.nn.MLP(4, 4, 8, 1, key=jax.random.key(0)))
    assert program.settled(gdm.guided(lambda x_t, alpha, label: x_t, 3))
    global activation
    activation = jnp.tanh  # may be bound to another function of the same library
    for changing in (
        lambda x_t, alpha: activation(x_t),
        lambda x_t, alpha: variable * x_t,  # a variable
        lambda x_t, alpha: formula(X, x_t, alpha),  # a function that may be defined anew
        lambda x_t, alpha, scale=[2.0]: scale[0] * x_t,  # a list  # noqa: B006
        lambda x_t, alpha: [WEIGHTS[0] for _ in range(2)][0] * x_t,  # within an inner function
        NNX(X).__call__,  # an object
    ):
        assert not program.settled(changing)
        assert not program.settled(jax.tree_util.Partial(changing, X))
        assert not program.settled(gdm.guided(changing, 3))


def test_functions_that_call_back_are_called():
    """The text of a program does not say which function it calls: two of them are two programs."""

    def calling(seen):
        return lambda x_t, alpha: jax.debug.callback(seen.append, alpha) or x_t

    for seen in ([], []):
        jax.block_until_ready(gdm.generate(calling(seen), PROCESS, SCHEDULE, X, **EULER))
        jax.effects_barrier()
        assert len(seen) == 2


def test_another_derivative_rule_is_another_program():
    """Two functions of the same values: what is differentiated goes by each one's own rule."""

    def straight_through(slope):
        @jax.custom_jvp
        def sign(x):
            return jnp.sign(x)

        sign.defjvp(lambda primals, tangents: (sign(*primals), slope * tangents[0]))
        return lambda x_t, alpha: sign(x_t)

    for slope in (1.0, 3.0):
        u = straight_through(slope)
        total = lambda x, u=u: gdm.loss.unweighted(u, PROCESS, x, x, ALPHA).sum()  # noqa: E731
        gradient = jax.grad(total)(jnp.asarray(X))
        np.testing.assert_allclose(gradient, 2 * slope * np.sign(X) / 4, rtol=1e-6)  # of the mean of sign(x)^2
        trace = gdm.log_likelihood(u, PROCESS, SCHEDULE, X, **EULER)
        normal = -0.5 * (trace.z**2 + np.log(2 * np.pi)).sum(-1)
        np.testing.assert_allclose(trace.total - normal, -4 * slope, rtol=1e-5)
