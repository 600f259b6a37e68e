"""The rules of a config's fields, and of fields together."""

from __future__ import annotations

import math

from gdm_jax import ode
from gdm_jax._tables import suggest
from gdm_jax.config import build
from gdm_jax.config.schema import Config, Model
from gdm_jax.process import groups, interpolant

# Beyond these a config asks for more than fits any machine.
LONGEST_AXIS, MOST_GROUPS, MOST_ORDERS = 1024, 4096, 10_000
MOST_LAYERS, MOST_PARAMETERS = 1024, 2**33  # of a network, about
MOST_PLACES = 2**20  # groups times the schedules that a network is trained on
MOST = {
    "training.batch": 2**20,
    "training.steps": 2**31 - 1,
    "model.channels": 2**14,
    "model.blocks": 2**8,
    "model.classes": 2**20,
    "training.warmup_images": 2**40,
    "training.ema_halflife_images": 2**40,
}
_PARTITIONS = (
    "single bottom_to_top right_to_left blockwise cascade cascade_inverse per_element frequency_bands from_index"
).split()


def check(config: Config) -> None:
    """Raises ValueError for the first field that breaks a rule, naming it, its value, the rule and the fix."""
    data, process, model, training = config.data, config.process, config.model, config.training
    _choice("process.groups", process.groups, _PARTITIONS)
    _choice("process.basis", process.basis, ("identity", "dct", "gaussian_blur"))
    _choice("process.interpolant", process.interpolant, tuple(interpolant.INTERPOLANTS))
    _choice("model.name", model.name, ("unet", "mlp"))
    _choice("model.space", model.space, ("pixels", "frequency"))
    _choice("model.dtype", model.dtype, ("float32", "bfloat16"))
    _choice("training.loss", training.loss, ("unweighted", "weighted", "moving"))
    _choice("training.decay", training.decay, ("constant", "cosine"))
    _choice("sampling.solver", config.sampling.solver, tuple(name for name in ode.SOLVERS if "inverse" not in name))
    _rule("seed", config.seed, 0 <= config.seed < 2**32, "in [0, 2**32)")
    for name in ("batch", "steps", "accumulate", "log_every", "sample_every", "save_every", "keep", "keep_every"):
        _rule(f"training.{name}", getattr(training, name), getattr(training, name) >= 1, "at least 1")
    for name in ("warmup_images", "ema_halflife_images", "ema_ramp", "clip"):
        _rule(f"training.{name}", getattr(training, name), getattr(training, name) >= 0, "at least 0")
    for name, most in MOST.items():
        section, field = name.split(".")
        value = getattr(getattr(config, section), field)
        _rule(name, value, value <= most, f"at most {most:,}")
    _rule("training.learning_rate", training.learning_rate, training.learning_rate > 0, "positive")
    _rule("training.betas", training.betas, all(0 <= beta < 1 for beta in training.betas), "in [0, 1)")
    _rule("process.sigma", process.sigma, process.sigma > 0, "positive")
    for name in ("rtol", "atol"):
        _rule(f"sampling.{name}", getattr(config.sampling, name), getattr(config.sampling, name) > 0, "positive")
    for name in ("blocks", "patch"):
        _rule(f"model.{name}", getattr(model, name), getattr(model, name) >= 1, "at least 1")
    widths = model.multipliers
    fits = 0 < len(widths) <= 12 and 1 <= min(widths) and max(widths) <= 64
    _rule("model.multipliers", widths, fits, "1 to 12 numbers from 1 to 64")
    _rule("model.dropout", model.dropout, 0 <= model.dropout < 1, "in [0, 1)")
    _rule("model.channels", model.channels, model.channels >= 4 and model.channels % 4 == 0, "a multiple of 4")
    _rule("data.shape", data.shape, len(data.shape) in (1, 3), "(dim,) or (height, width, channel)")
    _rule("data.shape", data.shape, min(data.shape) >= 1, "of sizes of at least 1")
    _rule("data.shape", data.shape, math.prod(data.shape) <= groups.LARGEST, f"of at most {groups.LARGEST:,} values")
    small = process.basis == "identity" or max(data.shape[:2]) <= LONGEST_AXIS
    _rule("data.shape", data.shape, small, f"of axes of at most {LONGEST_AXIS:,} for process.basis {process.basis!r}")
    _rule("data.flip", data.flip, len(data.shape) == 3 or not data.flip, "False for vectors")
    _rule("model.name", model.name, len(data.shape) == 3 or model.name == "mlp", "mlp where data.shape is (dim,)")
    layers, parameters = _size(model, math.prod(data.shape))
    _rule("model.blocks", f"about {layers:,} layers", layers <= MOST_LAYERS, f"of at most {MOST_LAYERS:,} layers")
    rule = f"of at most {MOST_PARAMETERS:,} parameters"
    _rule("model.channels", f"about {parameters:,} parameters", parameters <= MOST_PARAMETERS, rule)
    if model.name == "unet":
        divisor = model.patch * 2 ** (len(model.multipliers) - 1)
        fits = not any(n % divisor for n in data.shape[:2])
        _rule("data.shape", data.shape, fits, f"divisible by {divisor} for model.patch and model.multipliers")
    if training.batch % training.accumulate:
        raise ValueError(f"training.accumulate: {training.accumulate} does not divide training.batch {training.batch}")
    _rule("process.blocks", process.blocks, len(process.blocks) == 2, "(rows, columns)")
    if model.name == "mlp":
        for name, plain in (("dropout", 0.0), ("dtype", "float32"), ("remat", False), ("alpha_channels", False)):
            _rule(f"model.{name}", getattr(model, name), getattr(model, name) == plain, f"{plain!r} for the mlp")
    _rule("model.classes", model.classes, model.classes >= 0, "at least 0")
    _rule("training.label_dropout", training.label_dropout, 0 <= training.label_dropout <= 1, "in [0, 1]")
    _rule("training.augment", training.augment, 0 <= training.augment < 1, "in [0, 1)")
    _rule("training.augment", training.augment, model.name == "unet" or not training.augment, "0 for the mlp")
    plain = not (training.augment and data.flip)
    _rule("data.flip", data.flip, plain, "False where training.augment is above 0, which mirrors half of the images")
    _rule("data.levels", data.levels, 2 <= data.levels <= 256, "from 2 to 256")
    _rule("data.dequantise", data.dequantise, len(data.shape) == 3 or not data.dequantise, "False for vectors")
    for entry in data.mixture:
        three = isinstance(entry, tuple) and [type(part) for part in entry] in ([str, str, float], [str, str, int])
        fits = three and 0 < entry[2] < math.inf
        _rule("data.mixture", data.mixture, fits, "(name, path, weight) each, weights positive")
    _rule("sampling.guidance", config.sampling.guidance, 0 <= config.sampling.guidance < math.inf, "at least 0")
    orders = config.schedule.random_orders
    _rule("schedule.random_orders", orders, 0 <= orders <= MOST_ORDERS, f"from 0 to {MOST_ORDERS:,}")
    built = build.process(config)
    _rule("process.groups", f"{built.k:,} groups", built.k <= MOST_GROUPS, f"of at most {MOST_GROUPS:,} groups")
    fits = built.groups.shape in (data.shape, data.shape[:2])
    _rule("process.index", f"shape {built.groups.shape}", fits, f"of data.shape {data.shape}, channels optional")
    if model.alpha_channels and built.basis.matrices:
        raise ValueError("model.alpha_channels: A(t) is a picture only for pixel groups; set process.basis='identity'")
    if model.space == "frequency" and not built.basis.matrices:
        raise ValueError("model.space: 'frequency' needs a basis of frequencies; set process.basis to dct")
    paths = max(1, len(config.schedule.boundaries), len(config.schedule.overlap))
    places = built.k * paths * max(orders, len(config.schedule.order), 1)
    rule = f"of at most {MOST_PLACES:,} groups times orders times intervals"
    _rule("schedule.random_orders", f"{places:,}", places <= MOST_PLACES, rule)
    build.family(config, built.k)
    options = build.solver_options(config.sampling)
    path = ode.path.of(build.schedule(config, built.k), steps=options.pop("steps"))
    ode.settings(path, forward=False, **options)


def _size(model: Model, elements: int) -> tuple[int, int]:
    """About how many layers and parameters a network has; each of its fields may be small and their product not."""
    if model.name == "mlp":
        layers = 3 * model.blocks + 2
        return layers, model.channels * (layers * model.channels + 2 * elements + model.classes)
    each = 2 * model.blocks + 1  # residual blocks a resolution, downwards and upwards, of two 3x3 convolutions
    widths = [model.channels * multiplier for multiplier in model.multipliers]
    return 2 * each * len(widths), sum(20 * each * width**2 for width in widths) + 4 * model.channels * model.classes


def _rule(name, value, holds: bool, rule: str) -> None:
    if not holds:
        raise ValueError(f"{name}: must be {rule}, got {value}")


def _choice(name, value, allowed) -> None:
    if value not in allowed:
        raise ValueError(f"{name}: must be one of {', '.join(allowed)}, got {value!r}{suggest(value, allowed)}")
