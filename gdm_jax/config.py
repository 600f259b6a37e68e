"""What an experiment is: ConfigDict files -> checked frozen dataclasses, once, at the edge.

The dataclasses below are the commented default. An experiment file returns `default()` with some fields set:

    from gdm_jax.config import default

    def get_config():
        config = default()
        config.process.groups = "bottom_to_top"
        config.process.k = 2
        return config

Fields may be overridden from a command line as `--config.training.batch=64`. A workdir keeps its config as JSON, so
loading a model runs no config file.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import importlib.util
import json
import math
import pathlib
import typing

import ml_collections

from gdm_jax import build, groups, interpolant, ode


@dataclasses.dataclass(frozen=True)
class Data:
    name: str = "digits"  # digits, mixture2d, folder, or a TFDS data set prepared as array_record
    path: str = ""  # the folder of images, for name "folder"
    dir: str = ""  # where prepared data sets live; empty for TFDS's own default
    split: str = "train"
    shape: tuple[int, ...] = (8, 8, 1)  # (height, width, channel) or (dim,)
    mixture: tuple = ()  # several data sets instead of name and path: (name, path, weight) each; labels count them
    flip: bool = False  # mirror left to right with probability one half
    levels: int = 256  # values that a pixel takes, evenly spread over 0..255
    dequantise: bool = False  # add uniform noise of one level's width, for likelihoods
    skip_unreadable: bool = False  # leave out image files that cannot be read, instead of stopping


@dataclasses.dataclass(frozen=True)
class Groupwise:
    groups: str = "single"  # single, bottom_to_top, right_to_left, blockwise, cascade, cascade_inverse, per_element,
    #                         frequency_bands, from_index
    k: int = 1  # number of groups, where the partition takes one
    blocks: tuple[int, ...] = (3, 3)  # rows and columns of blockwise
    bands: tuple[int, ...] = ()  # frequency ranks at which bands 1, 2, ... begin
    index: tuple = ()  # the group of every element, nested as the datum, for from_index
    basis: str = "identity"  # identity, dct, gaussian_blur
    sigma: float = 0.4  # of gaussian_blur, pixels
    interpolant: str = "linear"  # linear, variance_preserving
    strict: bool = False  # hide groups not yet begun from the network, Prop. 3.3


@dataclasses.dataclass(frozen=True)
class Intervals:
    boundaries: tuple = ()  # where adjacent intervals meet, rising; empty for equal intervals
    overlap: tuple[float, ...] = (0.0,)  # 0 one group after another, 1 all at once; with equal intervals only
    order: tuple = ()  # groups in the order of generation; empty for 0, 1, ...
    random_order: bool = False  # a fresh permutation for every example
    random_orders: int = 0  # or one of this many permutations, chosen once by the seed
    # Several boundaries ((0.5,), (0.3,)), overlaps or orders: every example draws one in training.


@dataclasses.dataclass(frozen=True)
class Model:
    name: str = "unet"  # unet (DDPM++), mlp
    channels: int = 128  # width of the U-Net at multiplier 1, or of the MLP
    multipliers: tuple[int, ...] = (2, 2, 2)
    blocks: int = 4  # residual blocks a resolution of the U-Net, or of the MLP
    attention: tuple[int, ...] = (16,)  # resolutions with self-attention
    patch: int = 1  # fold squares of pixels into channels first; 2 quarters the cost
    space: str = "pixels"  # what it sees and returns: pixels, or the basis's coefficients: frequency (Fig. 10)
    alpha_channels: bool = False  # also concatenate A(t) to the input, for pixel groups
    classes: int = 0  # class labels 0, 1, ... that it is told, of the data set; 0 for none
    dropout: float = 0.0
    dtype: str = "float32"  # of the computation: float32, bfloat16
    remat: bool = False  # recompute activations in the backward pass to save memory


@dataclasses.dataclass(frozen=True)
class Training:
    loss: str = "unweighted"  # unweighted (Eq. 8), weighted (Eq. 7), moving (Eq. 8 on moving elements)
    label_dropout: float = 0.1  # share of examples whose label is withheld, for classifier-free guidance
    augment: float = 0.0  # probability of each geometric augmentation, told to the network; 0 for none
    batch: int = 512  # examples a step, over all devices
    steps: int = 400_000
    learning_rate: float = 1e-3
    warmup_images: int = 10_000_000  # linear warm-up of the learning rate
    decay: str = "constant"  # after the warm-up: constant, or cosine to zero at the last step
    betas: tuple[float, float] = (0.9, 0.999)  # of Adam
    clip: float = 0.0  # global norm to clip gradients to; 0 for none
    accumulate: int = 1  # micro-batches a step
    ema_halflife_images: int = 500_000
    ema_ramp: float = 0.05  # the half-life is at most this share of the images seen
    log_every: int = 100  # steps
    sample_every: int = 10_000
    save_every: int = 2_500
    keep: int = 2  # newest checkpoints kept
    keep_every: int = 50_000  # and every checkpoint at a multiple of this


@dataclasses.dataclass(frozen=True)
class Sampling:
    solver: str = "euler"  # a name of gdm_jax.ode.SOLVERS
    steps: tuple[int, ...] = (128,)  # a total, or one number per group; empty adapts them
    rtol: float = 1e-5  # of adaptive steps
    atol: float = 1e-5
    boundaries: tuple[float, ...] = ()  # intervals to sample with; empty for the (first) training ones
    overlap: tuple[float, ...] = ()  # one of schedule.overlap; empty for its first
    order: tuple[int, ...] = ()  # one of the training orders; empty for the first
    guidance: float = 1.0  # classifier-free, where a label is given: 1 follows the label as trained, more sharpens


@dataclasses.dataclass(frozen=True)
class Config:
    seed: int = 0
    data: Data = Data()
    process: Groupwise = Groupwise()
    schedule: Intervals = Intervals()
    model: Model = Model()
    training: Training = Training()
    sampling: Sampling = Sampling()


def default() -> ml_collections.ConfigDict:
    """The default experiment as a locked ConfigDict, to be changed field by field."""
    return ml_collections.ConfigDict(dataclasses.asdict(Config())).lock()


def inherit(file: str, sibling: str, variant: str = "") -> ml_collections.ConfigDict:
    """The ConfigDict of another experiment file in the same folder: `inherit(__file__, "digits.py")`."""
    return _run(pathlib.Path(file).parent / sibling, variant)


def load(path, overrides: typing.Sequence[str] = ()) -> Config:
    """The config of an experiment file, with `--config.a.b=value` overrides.

    Args:
      path: a Python file with `get_config() -> ConfigDict`, or FILE:VARIANT for one whose get_config takes a variant.
      overrides: each `--config.FIELD=VALUE` or `FIELD=VALUE`.

    Raises:
      ValueError: if the file is missing or not a config, or a field is unknown, mistyped or out of range.
    """
    file, _, variant = str(path).partition(":")
    settings = _run(pathlib.Path(file), variant)
    for override in overrides:
        _override(settings, override)
    return from_dict(settings.to_dict())


def _run(path: pathlib.Path, variant: str) -> ml_collections.ConfigDict:
    if not path.is_file():
        raise ValueError(f"--config: there is no file {str(path)!r}; see configs/ for examples")
    spec = importlib.util.spec_from_file_location(f"gdm_config_{path.stem}", path)
    if spec is None:
        raise ValueError(f"--config: {str(path)!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        settings = module.get_config(variant) if variant else module.get_config()
    except ValueError:
        raise
    except Exception as error:  # whatever a user's file may do wrong
        raise ValueError(f"--config: {path}: {_first_line(error)}") from error
    if not isinstance(settings, ml_collections.ConfigDict):
        raise ValueError(f"--config: {path}: get_config must return a ConfigDict, got {settings!r}")
    return settings


def from_dict(values: dict) -> Config:
    """Nested dicts -> Config, checked.

    Raises:
      ValueError: if a field is unknown (with a suggestion), mistyped or out of range.
    """
    config = _build(Config, values, "")
    check(config)
    return config


def from_json(text: str) -> Config:
    """The inverse of `to_json`. Raises ValueError as `from_dict`, or if the text is not JSON."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"config: not JSON ({error})") from None
    return from_dict(values)


def to_json(config: Config) -> str:
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def differences(a: Config, b: Config) -> list[str]:
    """Dotted names of the fields in which two configs differ."""
    flat_a, flat_b = (dict(_flatten(dataclasses.asdict(c))) for c in (a, b))
    return [name for name in flat_a if flat_a[name] != flat_b[name]]


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
    ode.plan(build.schedule(config, built.k), forward=False, **build.solver_options(config.sampling))


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
        raise ValueError(f"{name}: must be one of {', '.join(allowed)}, got {value!r}{_suggest(value, allowed)}")


def _suggest(name: str, known) -> str:
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _build(kind, values, prefix: str):
    if not isinstance(values, dict):
        raise ValueError(f"config: {prefix.rstrip('.') or 'the top level'} must be a section of fields, got {values!r}")
    hints = typing.get_type_hints(kind)
    for name in values:
        if name not in hints:
            raise ValueError(f"config: there is no field {prefix}{name}{_suggest(name, hints)}")
    built = {}
    for name, value in values.items():
        hint = hints[name]
        if dataclasses.is_dataclass(hint):
            built[name] = _build(hint, value, f"{prefix}{name}.")
        else:
            built[name] = _typed(f"{prefix}{name}", value, hint)
    return kind(**built)


def _typed(name: str, value, hint):
    """value as the field's type; lists become tuples and whole numbers floats, nothing else is converted."""
    kind = typing.get_origin(hint) or hint
    if kind is tuple and isinstance(value, (list, tuple)):
        inner = typing.get_args(hint)
        if not inner:
            return _deep_tuple(value)
        if inner[-1] is not Ellipsis and len(value) != len(inner):
            raise ValueError(f"{name}: must hold {len(inner)} values, got {tuple(value)}")
        return tuple(_typed(name, item, inner[0]) for item in value)
    if kind is float and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise ValueError(f"{name}: must be a number of float's range, got a larger one") from None
    if type(value) is not kind:
        raise ValueError(f"{name}: must be of type {kind.__name__}, got {value!r}")
    return value


def _deep_tuple(value):
    return tuple(_deep_tuple(v) for v in value) if isinstance(value, (list, tuple)) else value


def _flatten(values: dict, prefix: str = ""):
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _override(settings, override: str) -> None:
    """Set one `--config.a.b=value`. The value is read as a Python literal, or as text where it is none."""
    name, equals, text = override.removeprefix("--").removeprefix("config.").partition("=")
    if not equals:
        raise ValueError(f"{override}: an override has the form --config.FIELD=VALUE")
    *parents, leaf = name.split(".")
    section, seen = settings, ""
    for part in [*parents, leaf]:
        if not isinstance(section, ml_collections.ConfigDict) or part not in section:
            known = list(section) if isinstance(section, ml_collections.ConfigDict) else []
            raise ValueError(f"config: there is no field {seen}{part}{_suggest(part, known)}")
        last, section, seen = section, section[part], f"{seen}{part}."
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    if isinstance(section, str):
        value = text.strip("'\"")
    if isinstance(section, tuple) and not isinstance(value, (tuple, list)):
        value = (value,)
    with last.ignore_type():  # from_dict checks the type and names the field
        last[leaf] = value


def _first_line(error) -> str:
    return (str(error.args[0]) if error.args else type(error).__name__).strip().splitlines()[0]
