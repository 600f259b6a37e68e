"""A trained model: samples, latents, likelihood, labels, other paths."""

import dataclasses

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax import latent, ode
from gdm_jax.config import build
from tests.model.digits import SHAPE, first_digits
from tests.runs import compilations

# Samples and latents


def test_a_sample_depends_on_its_seed_alone(model):
    """Not on its batch, its place in it, or the number of devices."""
    x = model.sample(20)
    assert (x.shape, x.dtype) == ((20, 8, 8, 1), np.float32)
    np.testing.assert_allclose(model.sample(seeds=[11, 3, 19]), x[[11, 3, 19]], atol=1e-5)
    np.testing.assert_allclose(model.sample(20, batch=8), x, atol=1e-5)
    assert np.ptp(x, axis=0).min() > 1e-3
    options = build.solver_options(model.config.sampling)
    alone = jax.jit(lambda z: ode.generate(model.u, model.process, model.schedule, z, **options))
    np.testing.assert_allclose(alone(latent.noise(np.arange(20), SHAPE)), x, atol=1e-5)


def test_temperature_scales_the_noise_of_each_group(model):
    """Of all that the model draws: a group at 0 holds nothing, one at 1 what it held."""
    cold = model.under(temperature=(1.0, 0.5, 0.0))
    for purpose in ("sample", "fill"):
        z = latent.noise(range(4), SHAPE, purpose)
        parts = [np.asarray(latent.keep(model.process, z, [j])) for j in range(3)]
        np.testing.assert_allclose(cold.noise(range(4), purpose), parts[0] + parts[1] / 2, atol=1e-6)
    np.testing.assert_array_equal(cold.sample(4), model.decode(cold.noise(range(4))))
    x = model.sample(2)
    filled = model.fill(x, [0], z=cold.noise(range(2), "fill"))
    np.testing.assert_allclose(cold.fill(x, [0]), filled, atol=1e-6)
    assert np.abs(filled - model.fill(x, [0])).max() > 1e-3
    np.testing.assert_allclose(model.under(temperature=(0.5,)).noise([7]), model.noise([7]) / 2, atol=1e-6)


@pytest.mark.parametrize("temperature", [(1.0, 1.0), (1.0, -0.5, 1.0), (float("inf"),)])
def test_bad_temperature(model, temperature):
    with pytest.raises(ValueError, match="sampling.temperature: must be"):
        model.under(temperature=temperature)


def test_encode_and_decode(model):
    x = first_digits(model, 5)
    z = model.encode(x, solver="heun", steps=64)
    assert (z.shape, z.dtype) == (x.shape, np.float32)
    expected = gdm.encode(model.u, model.process, model.schedule, x, solver="heun", steps=64)
    np.testing.assert_allclose(z, expected, atol=1e-5)
    assert np.abs(z - x).max((1, 2, 3)).min() > 0.1
    np.testing.assert_allclose(model.decode(z, solver="heun", steps=64), x, atol=1e-3)


def test_inverse_euler_takes_the_steps_of_invert(model):
    x = first_digits(model, 5)
    z = model.encode(x, solver="inverse_euler")
    np.testing.assert_allclose(model.decode(z, solver="euler", steps=model.inverse_steps), x, atol=1e-3)


def test_frames_lead_from_noise_to_data(model):
    x, times, states = model.sample(3, frames=2)
    assert states.shape == (1 + 3 * 2, 3, 8, 8, 1) and times.shape == (7,)
    assert (np.diff(times) < 0).all() and (times[0], times[-1]) == (1, 0)
    np.testing.assert_allclose(states[0], latent.noise(np.arange(3), SHAPE), atol=1e-6)
    np.testing.assert_allclose(states[-1], x, atol=1e-6)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda model: model.decode(np.zeros((2, 4, 4, 1))),
            r"z: must be \[n, 8, 8, 1\] with n >= 1, got \(2, 4, 4, 1\)",
        ),
        (lambda model: model.sample(4, solver="eulr"), "solver"),
        (lambda model: model.sample(4, steps=2), "steps"),
        (lambda model: model.sample(0), "count: must be at least 1, got 0"),
        (lambda model: model.sample(seeds=[]), "seeds: must be"),
        (lambda model: model.sample(4, batch=0), "batch"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_samples(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)


# Likelihood


LIKELIHOOD = {"probes": 2, "seed": 5}


def test_likelihood_by_group_and_batch(model):
    """Groups sum to the total; noise and signs depend on an example's place alone, not on the batch it is solved in."""
    x, label = first_digits(model, 12), np.arange(12) % 10
    found = model.log_likelihood(x, draws=1, label=label, **LIKELIHOOD)
    assert found.groups.shape == (12, 3) and found.z.shape == x.shape
    np.testing.assert_allclose(found.groups.sum(1), found.total, rtol=1e-5)
    for name, value in model.log_likelihood(x, draws=1, label=label, batch=8, **LIKELIHOOD)._asdict().items():
        np.testing.assert_allclose(value, getattr(found, name), rtol=1e-4, atol=1e-4)


def test_draws_are_averaged(model, digits):
    """The mean of two draws, of which the first is the one of a single draw, with the standard error of that mean."""
    one, two = (model.log_likelihood(digits, draws=n, label=3, **LIKELIHOOD) for n in (1, 2))
    second = 2 * two.total - one.total
    np.testing.assert_allclose(two.error, np.abs(second - one.total) / 2, rtol=1e-2, atol=1e-3)
    np.testing.assert_allclose(two.groups.sum(1), two.total, rtol=1e-5)
    assert (two.error > 1e-3).all()
    again = model.log_likelihood(digits, draws=1, label=3, **LIKELIHOOD)
    np.testing.assert_array_equal(again.total, one.total)
    other = model.log_likelihood(digits, draws=1, label=3, probes=2, seed=6)
    assert (np.abs(other.total - one.total) > 1e-3).all()


def test_likelihood_is_that_of_the_network(model, digits):
    """By exact traces: what `gdm.log_likelihood` gives for the network, the process and the schedule of the model."""
    options = {"solver": "heun", "steps": 6, "probes": 0}
    expected = gdm.log_likelihood(model.u, model.process, model.schedule, digits, **options)
    found = model.log_likelihood(digits, **options)
    np.testing.assert_allclose(found.groups, expected.groups, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.total, expected.total, rtol=1e-4, atol=1e-3)


def test_likelihood_of_the_data_as_they_are(model, digits):
    """Without draws the latent is that of encode, whatever the seed of the signs; another label is another density."""
    found, other = (model.log_likelihood(digits, label=label, **LIKELIHOOD) for label in (3, 5))
    np.testing.assert_allclose(found.z, model.encode(digits, label=3), atol=1e-5)
    assert (np.abs(other.total - found.total) > 1e-3).all()


# Labels


def test_labels_are_told(model):
    """One label for all or one an example; each changes the samples, and without one they are drawn of all classes."""
    seeds = [1, 2, 3]
    found = {label: model.sample(seeds=seeds, label=label) for label in (3, 5, -1)}
    for a, b in ((3, 5), (3, -1), (5, -1)):
        assert np.abs(found[a] - found[b]).max((1, 2, 3)).min() > 1e-3
    mixed = model.sample(seeds=seeds, label=[5, -1, 3])
    for i, label in enumerate([5, -1, 3]):
        np.testing.assert_allclose(mixed[i], found[label][i], atol=1e-5)
    np.testing.assert_allclose(found[-1], model.sample(seeds=seeds), atol=1e-5)


def test_labels_stay_with_their_examples_in_small_batches(model):
    label = np.arange(20) % 10
    np.testing.assert_allclose(model.sample(20, label=label, batch=8), model.sample(20, label=label), atol=1e-5)


def test_guidance(model):
    """0 forgets the label, 1 is the label as trained, more goes beyond it in the same direction."""
    seeds = [1, 2, 3]
    by = {w: model.sample(seeds=seeds, label=3, guidance=w) for w in (0, 1, 3)}
    np.testing.assert_allclose(by[0], model.sample(seeds=seeds, label=-1), atol=1e-5)
    np.testing.assert_allclose(by[1], model.sample(seeds=seeds, label=3), atol=1e-5)
    step, leap = ((by[w] - by[0]).reshape(3, -1) for w in (1, 3))
    assert (np.linalg.norm(leap, axis=1) > 1.5 * np.linalg.norm(step, axis=1)).all()
    assert ((leap * step).sum(1) > 0).all()
    np.testing.assert_allclose(model.under(guidance=3.0).sample(seeds=seeds, label=3), by[3], atol=1e-5)


def test_autoguidance(workdir, model):
    """Away from the network of the fifth step, also under a label; 1 is without it."""
    weak = gdm.load(workdir, step=5)
    led = gdm.load(workdir, autoguidance=2.0, weak_step=5)
    network = gdm.guided(gdm.autoguided(model.u, weak.u, 2.0), 3)
    z = gdm.noise(range(3), SHAPE)
    expected = gdm.generate(network, model.process, model.schedule, z, solver="euler", steps=6)
    found = led.decode(z, label=3, solver="euler", steps=6)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - model.decode(z, label=3, solver="euler", steps=6)).max() > 1e-3
    np.testing.assert_array_equal(gdm.load(workdir, weak_step=5).sample(3), model.sample(3))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"autoguidance": 2.0}, "sampling.weak_step: must be the step of an earlier checkpoint"),
        ({"autoguidance": 2.0, "weak_step": 7}, r"checkpoint: none at step 7 in .*; there are \[5, 10\]"),
        ({"autoguidance": -1.0, "weak_step": 5}, "sampling.autoguidance: must be"),
    ],
)
def test_bad_autoguidance(workdir, changes, message):
    with pytest.raises(ValueError, match=message):
        gdm.load(workdir, **changes)


def test_a_labelled_digit_comes_back_under_its_label_alone(model, digits):
    """Three digits, each inverted under a label of its own."""
    found = model.invert(digits[:3], label=[3, 5, 7])
    assert found.converged.all()
    back, other = (model.decode(found.z, label=label) for label in ([3, 5, 7], [5, 7, 3]))
    np.testing.assert_allclose(back, digits[:3], atol=2e-3)
    assert np.abs(other - digits[:3]).max((1, 2, 3)).min() > 5e-3


# Other paths


def test_a_model_is_shown_in_a_line(model):
    assert repr(model) == "Model(mlp, data 8x8x1, 3 groups, step 10)"


def test_under_equals_load(workdir, model):
    """The same samples, different from those in the first order; the model itself is left as it is."""
    first = model.sample(4)
    for changes in ({"order": (2, 0, 1)}, {"overlap": 1}):
        x = model.under(**changes).sample(4)
        np.testing.assert_allclose(x, gdm.load(workdir, **changes).sample(4), atol=1e-5)
        assert np.abs(x - first).max() > 1e-3, changes
    np.testing.assert_array_equal(model.sample(4), first)


def test_another_order_compiles_nothing(model):
    """A path is an argument of what is compiled."""
    way = dataclasses.replace(model, u=jax.tree_util.Partial(lambda x_t, alpha: jnp.sin(x_t)))
    first = way.sample(4)
    with compilations() as made:
        other = way.under(order=(2, 0, 1)).sample(4)
    assert not made and np.abs(other - first).max() > 1e-4


# Refusals


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda model, x: model.sample(2, label=10), r"label: must be from 0 to 9, or -1 for none, got 10"),
        (lambda model, x: model.sample(2, label=[0, -2]), r"label: must be from 0 to 9, or -1 for none, got \[0, -2\]"),
        (lambda model, x: model.sample(2, label=[1, 2, 3]), "label: must be a whole number, or one for each of 2"),
        (lambda model, x: model.sample(2, label=3.0), "label: must be a whole number"),
        (lambda model, x: model.sample(2, label=[[1, 2]]), "label: must be a whole number"),
        (lambda model, x: model.sample(2, guidance=2.0), "guidance: needs a label to guide towards"),
        (lambda model, x: model.under(autoguidance=2.0, weak_step=5), "autoguidance: .* give it to gdm_jax.load"),
        (lambda model, x: model.sample(2, label=1, guidance=-1.0), "guidance: must not be negative, got -1.0"),
        (lambda model, x: model.sample(2, label=1, guidance=float("nan")), "guidance: must not be negative, got nan"),
        (lambda model, x: model.fill(x, [1]), r"not trained to go on from groups \[1\]; .* \[0\], \[2\], \[0, 1\]"),
        (lambda model, x: model.fill(x, []), "keep: name at least one of 3 groups and not all"),
        (lambda model, x: model.fill(x, [0, 1, 2]), "keep: name at least one of 3 groups and not all"),
        (lambda model, x: model.fill(x, [3]), r"3 is out of range; there are groups 0\.\.2"),
        (lambda model, x: model.fill(x * np.nan, [0]), "x holds NaN or infinite values"),
        (lambda model, x: model.fill(x, [0], z=x * np.inf), "z holds NaN or infinite values"),
        (lambda model, x: model.fill(x[0], [0]), r"x: must be \[n, 8, 8, 1\] with n >= 1, got \(8, 8, 1\)"),
        (lambda model, x: model.fill(x[:0], [0]), r"x: must be \[n, 8, 8, 1\] with n >= 1, got \(0, 8, 8, 1\)"),
        (lambda model, x: model.fill(x, [0], z=x[:, :4]), r"z: must be \[n, 8, 8, 1\] .* got \(2, 4, 8, 1\)"),
        (lambda model, x: model.fill(x, [0], seeds=[1, 2, 3]), "one shape"),
        (lambda model, x: model.variations(1, [], [0]), "n >= 1"),
        (lambda model, x: model.log_likelihood(x[:, :4]), r"x: must be \[n, 8, 8, 1\]"),
        (lambda model, x: model.log_likelihood(x, probes=-1), "probes: .*-1"),
        (lambda model, x: model.log_likelihood(x, draws=-1), "draws: .*-1"),
        (lambda model, x: model.log_likelihood(x, batch=0), "batch: must be at least 1, got 0"),
        (
            lambda model, x: model.under(order=(1, 0, 2)),
            r"order: the network was not trained on \(1, 0, 2\); it was on "
            r"\(0, 1, 2\), \(2, 0, 1\)",
        ),
        (lambda model, x: model.under(overlap=0.5), r"sampling.overlap: must be one that .* trained on, \(0.0, 1.0\)"),
        (lambda model, x: model.under(oder=(2, 0, 1)), "there is no field sampling.oder; did you mean 'order'"),
        (lambda model, x: model.under(solver="eulr"), "did you mean 'euler'"),
        (lambda model, x: model.under(overlap=1).fill(x, [1]), "not trained to go on from groups"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_refusals(model, digits, call, message):
    """Before anything is solved, in one line."""
    with pytest.raises(ValueError, match=message) as caught:
        call(model, digits[:2])
    assert "\n" not in str(caught.value)


def test_a_model_without_labels_takes_none(unlabelled):
    with pytest.raises(ValueError, match="label: this model was trained without labels; train one with model.classes"):
        unlabelled.sample(2, label=3)


# What a program depends on


def test_another_process_or_network_is_another_program(model):
    """Put in the place of the model's own: the answer is theirs."""
    first = model.sample(4)
    for change in (
        {"process": dataclasses.replace(model.process, strict=False)},
        {"process": gdm.Process(gdm.groups.bottom_to_top((8, 8), 3), strict=True)},
        {"u": jax.tree_util.Partial(lambda x_t, alpha: x_t)},
    ):
        other = dataclasses.replace(model, **change)
        options = {"solver": "euler", "steps": 6}
        z = latent.noise(range(4), SHAPE)
        expected = gdm.generate(other.u, other.process, other.schedule, z, **options)
        np.testing.assert_allclose(other.sample(4, **options), expected, atol=1e-5)
        assert np.abs(other.sample(4) - first).max() > 1e-4


def test_two_solvers_of_one_name(model):
    def made(factor):
        class Mine(diffrax.Euler):
            def step(self, terms, t0, t1, y0, args, *rest):
                y1, *others = super().step(terms, t0, t1, y0, args, *rest)
                return factor * y1, *others

        return Mine()

    one, two = (model.sample(2, solver=made(factor), steps=3) for factor in (1.0, 0.0))
    assert np.abs(one).max() > 0.1 and (two == 0).all()


def test_a_search_over_shares_compiles_once(model):
    model.sample(2, solver="euler", steps=(4, 4, 4))
    with compilations() as made:
        for steps in ((1, 1, 10), (3, 8, 1), (6, 5, 5)):
            model.sample(2, solver="euler", steps=steps)
    assert not made
