"""Evaluation: the protocol's numbers on a field whose samples are known, and nothing computed twice or lost.

The network is u = a x_t in every pixel, so that sampling multiplies noise by one number and samples are normal.
"""

import dataclasses
import json

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax import config as configs
from gdm_jax import data, evaluation, metrics, pixels
from gdm_jax.config import build
from gdm_jax.evaluation import protocol, provenance
from gdm_jax.evaluation.judges import Judge
from gdm_jax.metrics import Statistics
from gdm_jax.metrics.features import classifier
from gdm_jax.model import Model

SHAPE, D = (4, 4, 1), 16
DIGITS = {"data": {"shape": (8, 8, 1)}, "model": {"name": "mlp"}}


def field(x_t, alpha, label=None):
    return -1.0 * x_t if label is None else -(1 + 0.2 * label[:, None, None, None]) * x_t


def make(**sampling):
    """A model of 4x4 images in two groups."""
    config = configs.from_dict(
        {
            "data": {"shape": SHAPE},
            "process": {"groups": "bottom_to_top", "k": 2},
            "model": {"name": "mlp", "classes": 4},
            "sampling": {"steps": [6], **sampling},
        }
    )
    process = build.process(config)
    family = build.family(config, process.k)
    return Model(jax.tree_util.Partial(field), process, build.schedule(config, process.k), family, config, 7)


@pytest.fixture(scope="module")
def model():
    return make()


OTHER_GROUPS = gdm.groups.from_index(np.arange(16).reshape(4, 4) % 2)


def mine(factor):
    """A solver of one's own, of the same name whatever it does."""

    class Mine(diffrax.Euler):
        def step(self, terms, t0, t1, y0, args, *rest):
            y1, *others = super().step(terms, t0, t1, y0, args, *rest)
            return factor * y1, *others

    return Mine()


class Pixels:
    """Pixels as features, counting the images that it has seen; fails once it has seen `limit`."""

    def __init__(self, limit=np.inf):
        self.seen, self.limit = 0, limit

    def __call__(self, images):
        if len(images) > 1:  # not the grey one that evaluate asks for the number of features
            if self.seen >= self.limit:
                raise KeyboardInterrupt
            self.seen += len(images)
        return metrics.pixels(images)


def judged(features=None, std=0.3, members=None):
    real = Statistics(np.zeros(D), std**2 * np.eye(D), None)
    return Judge("pixels", features or Pixels(), real, {"data": "a normal law"}, members)


def scale_of(model):
    """What the field multiplies noise with, in every pixel."""
    return float(model.decode(np.ones((1, *SHAPE)))[0, 0, 0, 0])


def test_the_distance_of_a_known_law(model, tmp_path):
    """Samples are N(0, c^2), so the distance from N(0, s^2) is d (c - s)^2, up to 4,000 samples' error."""
    c = scale_of(model)
    assert 0.1 < c < 0.3  # so that next to nothing is clipped
    found = evaluation.evaluate(model, judged(std=0.5), tmp_path, count=4_000, neighbours=0)
    assert found.frechet.mean == pytest.approx(D * (c - 0.5) ** 2, rel=0.02)
    own = evaluation.evaluate(model, judged(std=c), tmp_path, count=4_000, neighbours=0)
    assert own.frechet.mean < 0.01 * found.frechet.mean


def blurred(x_t, alpha):
    """A network that mixes pixels, so that its sums may be taken in another order."""
    kernel = jnp.asarray(np.random.default_rng(0).normal(size=(3, 3, 1, 8)), jnp.float32)
    hidden = jnp.tanh(jax.lax.conv(x_t.transpose(0, 3, 1, 2), kernel.transpose(3, 2, 0, 1), (1, 1), "SAME"))
    return -x_t - 0.1 * jnp.einsum("bchw,c->bhw", hidden, jnp.arange(8.0) - 3.5)[..., None]


@pytest.mark.parametrize("batch", [16, 100])
def test_neither_batch_nor_devices_matter(model, tmp_path, monkeypatch, batch):
    """Eight devices with either batch, and one device with a third; 208 images, which none of them divides."""
    several = dataclasses.replace(model, u=jax.tree_util.Partial(blurred))
    assert jax.local_device_count() == 8
    x = several.sample(208, batch=batch)
    found = evaluation.evaluate(several, judged(), tmp_path / "8", count=208, batch=batch)
    monkeypatch.setattr(jax, "local_device_count", lambda: 1)
    np.testing.assert_allclose(several.sample(208, batch=64), x, atol=1e-5)
    again = evaluation.evaluate(several, judged(), tmp_path / "1", count=208, batch=64)
    assert found.frechet.mean == pytest.approx(again.frechet.mean, rel=1e-3)
    assert found.depends_on == again.depends_on


def test_sets_are_of_their_own_seeds(model, tmp_path):
    found = evaluation.evaluate(model, judged(), tmp_path, count=64, sets=3, neighbours=0)
    values = found.frechet.sets
    assert len(set(values)) == 3
    assert found.frechet.mean == pytest.approx(np.mean(values))
    assert found.frechet.std == pytest.approx(np.std(values, ddof=1))
    second = evaluation.evaluate(model, judged(), tmp_path, count=64, first_set=1, neighbours=0)
    assert second.frechet.sets == values[1:2] and second.first_seed == 64 and second.frechet.std is None
    x = model.sample(seeds=np.arange(64, 128))
    as_bytes = np.rint((np.clip(x, -1, 1) + 1) * 127.5) / 127.5 - 1
    direct = metrics.frechet_distance(metrics.pixels(as_bytes), judged().real)
    assert values[1] == pytest.approx(direct, rel=1e-4)


def test_labels_in_turn(model, tmp_path):
    """Seed n is told label n modulo their number, in every set and chunk."""
    evaluation.evaluate(model, judged(), tmp_path, count=40, sets=2, label=[3, 0, 1], neighbours=0)
    seen = np.concatenate([np.load(next(tmp_path.rglob(f"{part}.npy"))) for part in ("0-39", "40-79")])
    for n in (0, 1, 2, 41, 79):
        x = model.sample(seeds=[n], label=[3, 0, 1][n % 3])
        np.testing.assert_allclose(seen[n], np.clip(x, -1, 1).ravel(), atol=0.6 / 127.5)
    one = Pixels()
    evaluation.evaluate(model, judged(one), tmp_path, count=40, label=3, neighbours=0)
    assert one.seen == 40


class Sure:
    """A classifier that always sees class 3."""

    def head(self, features):
        return np.tile([0.0, 0.0, 0.05, 0.95], (len(features), 1))


def test_samples_seen_as_what_they_were_told(model, tmp_path):
    sure = dataclasses.replace(judged(), classifier=Sure())
    found = evaluation.evaluate(model, sure, tmp_path, count=40, label=[3, 0, 1], neighbours=0)
    assert found.measures["as_told"].mean == 14 / 40 and found.measures["confident"].mean == 1
    assert "as_told" not in evaluation.evaluate(model, sure, tmp_path, count=40, neighbours=0).measures


def test_goes_on_where_it_was_interrupted(model, tmp_path):
    whole = evaluation.evaluate(model, judged(), tmp_path / "whole", count=1_200, neighbours=0)
    with pytest.raises(KeyboardInterrupt):
        evaluation.evaluate(model, judged(Pixels(limit=1_000)), tmp_path / "cut", count=1_200, neighbours=0)
    rest = Pixels()
    found = evaluation.evaluate(model, judged(rest), tmp_path / "cut", count=1_200, neighbours=0)
    assert rest.seen == 200 and found == whole
    larger = Pixels()
    evaluation.evaluate(model, judged(larger), tmp_path / "cut", count=1_500, neighbours=0)
    assert larger.seen == 500  # the last chunk, which had been of 200
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize(
    "change, options",
    [
        (lambda model: model, {"steps": 8}),
        (lambda model: model, {"solver": "heun"}),
        (lambda model: make(boundaries=(0.3,)), {}),
        (lambda model: dataclasses.replace(model, step=8), {}),
        (lambda model: dataclasses.replace(model, process=dataclasses.replace(model.process, strict=True)), {}),
        (lambda model: dataclasses.replace(model, process=gdm.Process(OTHER_GROUPS)), {}),
        (lambda model: model, {"solver": mine(1.0)}),
        (lambda model: dataclasses.replace(model, u=jax.tree_util.Partial(field, np.ones(1))), None),
    ],
    ids=["steps", "solver", "intervals", "checkpoint", "strict", "groups", "own solver", "network"],
)
def test_no_two_kinds_of_samples_share_a_file(model, tmp_path, change, options):
    evaluation.evaluate(model, judged(), tmp_path, count=24, neighbours=0)
    if options is None:  # other parameters; they are not asked to be of use
        assert protocol._depends(change(model), judged()) != protocol._depends(model, judged())
        return
    other = Pixels()
    evaluation.evaluate(change(model), judged(other), tmp_path, count=24, neighbours=0, **options)
    assert other.seen == 24


def test_what_is_of_one_name_and_differs_has_another_fingerprint():
    """Solvers, functions and arrays; the same one, made again, has the same."""
    kinds = [mine(1.0), mine(2.0), lambda x: x + 1, lambda x: x + 2, np.zeros(3), np.zeros((3, 1)), {"a": 1}, {"a": 2}]
    marks = [provenance.fingerprint(kind) for kind in kinds]
    assert len(set(marks)) == len(marks)
    assert provenance.fingerprint(mine(1.0)) == marks[0] and provenance.fingerprint(lambda x: x + 1) == marks[2]
    around = {"a": 1}
    around["itself"] = around
    assert provenance.fingerprint(around) != marks[6]


def test_samples_asked_for_in_other_words_are_the_same(model, tmp_path):
    evaluation.evaluate(model, judged(), tmp_path, count=24, neighbours=0)
    again = Pixels()
    words = {"steps": (3, 3)}, {"batch": 7}, {"solver": model.config.sampling.solver}
    same = make(boundaries=(0.5,)), make(rtol=1e-3)
    for model, options in [*((model, {}) for model in same), *((model, options) for options in words)]:
        evaluation.evaluate(model, judged(again), tmp_path, count=24, neighbours=0, **options)
    assert again.seen == 0
    evaluation.evaluate(make(temperature=(0.5,)), judged(again), tmp_path, count=24, neighbours=0)
    assert again.seen


def test_all_that_a_number_depends_on_stands_beside_it(model, tmp_path):
    members = np.random.default_rng(0).normal(0, 0.3, (50, D))
    found = evaluation.evaluate(model, judged(members=members), tmp_path, count=40, solver="heun", steps=4)
    written = json.loads(next(tmp_path.rglob("40x1from0-*.json")).read_text())
    assert written == json.loads(json.dumps(found.as_dict()))
    depends = written["depends_on"]
    assert depends["features"] == "pixels" and depends["checkpoint"] == 7
    assert depends["solver"] == "heun" and depends["steps"] == [2, 2]
    np.testing.assert_allclose(depends["intervals"], [[0.5, 1.0], [0.0, 0.5]])
    assert written["count"] == 40 and written["first_seed"] == 0 and written["calls"] == 8
    assert {"jax", "gdm-jax", "device"} <= set(depends["versions"]) and depends["network"]["dtype"] == "float32"
    assert 0 <= written["precision"]["mean"] <= 1 and 0 <= written["recall"]["mean"] <= 1
    assert next(tmp_path.rglob("samples.png")).stat().st_size > 100


def test_calls_of_a_model(model):
    """As counted by the network itself."""
    made = []

    def counted(x_t, alpha):
        jax.debug.callback(lambda: made.append(1))
        return -x_t

    watched = dataclasses.replace(model, u=jax.tree_util.Partial(counted))
    led = dataclasses.replace(model, u=gdm.autoguided(watched.u, model.u, 2.0))
    assert evaluation.calls(led, steps=3) == 2 * evaluation.calls(model, steps=3)
    for options in ({}, {"solver": "heun", "steps": 3}, {"solver": "tsit5", "steps": 5}, {"steps": (2, 4)}):
        made.clear()
        watched.sample(8, **options)
        jax.effects_barrier()
        assert len(made) == 8 * evaluation.calls(model, **options)  # one image on each device
    assert evaluation.calls(make(solver="tsit5", steps=())) is None
    assert evaluation.calls(model, solver="tsit5", steps=None) is None


# Judges


@pytest.fixture(scope="module")
def settings(digits_dir):
    return dataclasses.replace(configs.from_dict(DIGITS).data, dir=digits_dir)


@pytest.fixture(scope="module")
def digits(settings):
    """All of them, uint8 `[1797, 8, 8, 1]`, and their labels."""
    source = data.open_source(settings)
    examples = [source[i] for i in range(len(source))]
    return np.stack([one["x"] for one in examples]), np.stack([one["label"] for one in examples])


def test_a_judge_of_digits_is_made_once(settings, digits, tmp_path, monkeypatch):
    judge = evaluation.judge(settings, "classifier", tmp_path, members=300)
    x = np.asarray(pixels.to_model_range(digits[0]))
    assert judge.classifier.accuracy(x, digits[1]) > 0.97
    assert judge.real.count == 1_797 and len(judge.members) == 300
    probabilities = judge.classifier.probabilities(x)
    np.testing.assert_allclose(judge.classifier.head(judge.features(x)), probabilities, atol=1e-6)
    monkeypatch.setattr(classifier, "optax", None)  # without which none can be fitted
    monkeypatch.setattr(metrics, "statistics", None)
    again = evaluation.judge(settings, "classifier", tmp_path, members=300)
    assert again.name == judge.name and (again.members == judge.members).all()
    np.testing.assert_array_equal(again.real.sigma, judge.real.sigma)


def test_real_data_stand_near_themselves_and_noise_far_away(settings, digits, tmp_path):
    judge = evaluation.judge(settings, "pixels", tmp_path)
    floor, x = evaluation.floor(judge, 1_797), digits[0][::2]
    near = evaluation.compare_images(x, judge)
    rng = np.random.default_rng(0)
    noise = evaluation.compare_images(rng.integers(0, 256, x.shape).astype(np.uint8), judge)
    assert near.frechet.mean < floor < 0.05 * noise.frechet.mean
    assert near.measures["precision"].mean > 0.9
    assert noise.measures["precision"].mean == 0 and noise.measures["recall"].mean == 0


def test_floor_is_what_new_draws_of_the_law_score():
    """Against new draws of the law itself, more and fewer than the members that the floor is measured with."""
    rng, real = np.random.default_rng(0), 6_000
    judge = Judge("", metrics.pixels, metrics.statistics(rng.normal(size=(real, D))), {}, rng.normal(size=(1_000, D)))
    for count in (200, 4_000):
        scores = [metrics.frechet_distance(rng.normal(size=(count, D)), judge.real) for _ in range(40)]
        assert evaluation.floor(judge, count) == pytest.approx(np.mean(scores), rel=0.25)


def test_samples_held_against_another_split(settings, digits, tmp_path):
    """The classifier stays the one of the split trained on."""
    judge = evaluation.judge(settings, "pixels", tmp_path, split="train[:500]")
    seen = metrics.pixels(np.asarray(pixels.to_model_range(digits[0][:500])))
    np.testing.assert_allclose(judge.real.mu, seen.mean(0), atol=1e-5)
    assert judge.about["split"] == "train[:500]"


def test_reference_statistics_from_a_file(settings, digits, tmp_path):
    file = tmp_path / "public.npz"
    np.savez(file, mu=np.zeros(64), sigma=np.eye(64))
    judge = evaluation.judge(settings, "pixels", tmp_path, reference=file)
    assert judge.members is None and judge.about == {"file": str(file)}
    found = evaluation.compare_images(digits[0], judge)
    assert set(found.as_dict()) == {"frechet", "count", "neighbours", "features", "reference", "versions"}
    evaluation.judge(dataclasses.replace(settings, name="nowhere"), "pixels", tmp_path, reference=file)  # needs no data


def test_bad_input(model, settings, tmp_path):
    with pytest.raises(ValueError, match="^features: must be one of inception, .* pixels, got 'pixel'"):
        evaluation.judge(settings, "pixel", tmp_path)
    with pytest.raises(ValueError, match="^evaluate: looks at models of images"):
        evaluation.judge(dataclasses.replace(settings, name="mixture2d", shape=(2,)), "pixels", tmp_path)
    with pytest.raises(ValueError, match="^features: pixels are 12,288 values of an image, and a covariance"):
        evaluation.judge(dataclasses.replace(settings, shape=(64, 64, 3)), "pixels", tmp_path)
    several = dataclasses.replace(settings, mixture=(("digits", "", 1.0), ("digits", "", 2.0)))
    with pytest.raises(ValueError, match="^reference: a mixture of data sets is no one set"):
        evaluation.judge(several, "pixels", tmp_path)
    broken = dataclasses.replace(model, u=jax.tree_util.Partial(lambda x_t, alpha: x_t * jnp.nan))
    with pytest.raises(ValueError, match="^evaluate: samples of seeds 0 to 9 are not finite"):
        evaluation.evaluate(broken, judged(), tmp_path, count=10)
    for options, message in (
        ({"steps": 1}, "steps"),
        ({"label": [0, 4]}, r"label: must be from 0 to 3, or -1 for none, got \[0, 4\]"),
        ({"guidance": 2.0}, "guidance: needs a label"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluation.check(model, 10, 1, **options)
    for count, sets in ((1, 1), (10, 0)):
        with pytest.raises(ValueError, match="^count: at least 2 images and 1 set"):
            evaluation.evaluate(model, judged(), tmp_path, count=count, sets=sets)
    other = judged()
    other = dataclasses.replace(other, real=Statistics(np.zeros(9), np.eye(9), None))
    with pytest.raises(ValueError, match="^reference: its statistics are of 9 features, pixels has 16"):
        evaluation.evaluate(model, other, tmp_path, count=10)
    with pytest.warns(UserWarning, match="9 members are too few for 16 features"):
        evaluation.evaluate(model, judged(), tmp_path, count=9, neighbours=0)
