"""The fields of an experiment: name, type, default, words and rule of each, as frozen dataclasses."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from gdm_jax import loss
from gdm_jax.networks import NETWORKS
from gdm_jax.ode import SOLVERS
from gdm_jax.process.basis import BASES
from gdm_jax.process.groups import GROUPINGS
from gdm_jax.process.interpolant import INTERPOLANTS
from gdm_jax.process.times import DENSITIES

__all__ = [
    "Config", "Data", "Groupwise", "Intervals", "Model", "Own", "Rule", "Sampling", "Table", "Training", "field",
    "fields",
]  # fmt: skip

# Entries that count beside those of the tables, for one load: "groupings", "bases" and "networks", each by its names.
Own = Mapping[str, Mapping[str, Callable]]


class Table(NamedTuple):
    """A table whose names a field may hold.

    Attributes:
      entries: The table itself, so that a name counts as soon as it is entered.
      place: Name by which a program imports the table.
      argument: Keyword of `gdm_jax.load` that brings entries for one load, or "".
    """

    entries: Mapping[str, Any]
    place: str
    argument: str = ""

    def names(self, own: Mapping[str, Any] = types.MappingProxyType({})) -> list[str]:
        """What a field may hold: names of the table and of the entries for one load, less what cannot generate."""
        return [name for name, entry in {**self.entries, **own}.items() if getattr(entry, "generates", True)]


class Rule(NamedTuple):
    """What a value must keep to; numbers in a tuple each for itself.

    Attributes:
      least: Smallest value.
      above: Bound that every value exceeds.
      most: Largest value.
      below: Bound that no value reaches.
      multiple: Number that divides every value.
      among: Allowed values.
      table: Table whose names are allowed.
      lengths: Allowed lengths of a tuple.
      form: Words for these lengths.
      optional: Whether a network that does not take the field leaves it at its default.
    """

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    multiple: int | None = None
    among: Collection[str] = ()
    table: Table | None = None
    lengths: Collection[int] = ()
    form: str = ""
    optional: bool = False

    def range(self) -> str:
        """What a number must keep to in words, as they follow 'must be'; "" where that is nothing."""
        kind = "" if self.multiple is None else f"a multiple of {self.multiple} "
        if self.above is not None:
            return "positive" if self.above == 0 else f"above {self.above}"
        if self.below is not None:
            return f"in [{self.least}, {self.below})"
        if self.most is not None:
            return f"{kind}from {self.least:,} to {self.most:,}"
        return "" if self.least is None else f"{kind}at least {self.least:,}"

    def length(self) -> str:
        """The allowed lengths of a tuple in words; "" for any."""
        return self.form or (f"{min(self.lengths)} to {max(self.lengths)} numbers" if self.lengths else "")

    def allowed(self) -> str:
        """All that the rule asks for, as `range`."""
        names = self.table.names() if self.table else self.among
        return f"one of {', '.join(names)}" if names else ", each ".join(filter(None, (self.length(), self.range())))


def field(default: Any, words: str, **rule: Any) -> Any:
    """A dataclass field with a default, its words and its rule, whose parts are those of `Rule`."""
    return dataclasses.field(default=default, metadata={"words": words, "rule": Rule(**rule)})


@dataclasses.dataclass(frozen=True)
class Data:
    """What is learnt."""

    name: str = field("digits", "Data set: digits, fruits, mixture2d, folder, or one of TFDS prepared as array_record.")
    path: str = field("", "Folder of images, for name 'folder'.")
    dir: str = field("", "Folder where prepared data sets lie. Empty for TFDS's own.")
    split: str = field("train", "Split of the data set, or a part of one.")
    shape: tuple[int, ...] = field(
        (8, 8, 1), "Shape of a datum.", least=1, lengths=(1, 3), form="(dim,) or (height, width, channel)"
    )
    mixture: tuple = field((), "Data sets (name, path, weight) instead of name and path. Labels count them.")
    flip: bool = field(False, "Whether images are mirrored left to right with probability one half.")
    levels: int = field(256, "Number of values that a pixel takes, evenly spread over 0..255.", least=2, most=256)
    dequantise: bool = field(False, "Whether uniform noise of one level's width is added, for likelihoods.")
    skip_unreadable: bool = field(False, "Whether image files that cannot be read are left out, instead of stopping.")


@dataclasses.dataclass(frozen=True)
class Groupwise:
    """How data become noise."""

    groups: str = field(
        "single", "Partition into groups.", table=Table(GROUPINGS, "gdm_jax.process.groups.GROUPINGS", "groupings")
    )
    k: int = field(1, "Number of groups, where the partition takes one.")
    blocks: tuple[int, ...] = field((3, 3), "Rows and columns of blockwise.", lengths=(2,), form="(rows, columns)")
    bands: tuple[int, ...] = field((), "Frequency ranks, from 0 for the lowest, at which bands 1, 2, ... begin.")
    index: tuple = field((), "Group of every element, nested as the datum, for from_index.")
    basis: str = field("identity", "Basis of the groups.", table=Table(BASES, "gdm_jax.process.basis.BASES", "bases"))
    sigma: float = field(0.4, "Width of gaussian_blur in pixels.", above=0)
    interpolant: str = field(
        "linear",
        "Path from data to noise.",
        table=Table(INTERPOLANTS, "gdm_jax.process.interpolant.INTERPOLANTS"),
    )
    strict: bool = field(False, "Whether groups that have not begun are hidden from the network (Prop. 3.3).")


@dataclasses.dataclass(frozen=True)
class Intervals:
    """When each group becomes noise."""

    boundaries: tuple = field((), "Times where adjacent intervals meet, rising. Empty for equal intervals.")
    overlap: tuple[float, ...] = field(
        (0.0,), "0 for one group after another, 1 for all at once. Equal intervals only."
    )
    order: tuple = field((), "Groups in the order of generation. Empty for 0, 1, ...")
    random_order: bool = field(False, "Whether every example has a permutation of its own.")
    random_orders: int = field(0, "Number of permutations, chosen once by the seed.", least=0, most=10_000)


@dataclasses.dataclass(frozen=True)
class Model:
    """The network. One that does not take a field marked optional refuses another value than its default."""

    name: str = field("unet", "Network.", table=Table(NETWORKS, "gdm_jax.networks.NETWORKS", "networks"))
    channels: int = field(
        128, "Width of the U-Net at multiplier 1, or of the MLP.", least=4, most=2**14, multiple=4
    )
    multipliers: tuple[int, ...] = field(
        (2, 2, 2), "Width of each resolution of the U-Net.", least=1, most=64, lengths=range(1, 13)
    )
    blocks: int = field(4, "Residual blocks of the MLP, or at each resolution of the U-Net.", least=1, most=2**8)
    attention: tuple[int, ...] = field((16,), "Resolutions with self-attention.")
    patch: int = field(1, "Side of the squares of pixels folded into channels; must divide the image's.", least=1)
    space: str = field(
        "pixels", "What it sees and returns: pixels, or the basis's coefficients (Fig. 10).",
        among=("pixels", "frequency"),
    )  # fmt: skip
    precondition: bool = field(False, "Whether it answers only for what the data's mean and variance do not tell.")
    alpha_channels: bool = field(False, "Whether A(t) joins the input, for pixel groups.", optional=True)
    classes: int = field(0, "Number of class labels of the data that it is told.", least=0, most=2**20, optional=True)
    jumps: bool = field(False, "Whether a second network learns jumps along its field.", optional=True)
    dropout: float = field(0.0, "Dropout rate.", least=0, below=1, optional=True)
    dtype: str = field("float32", "Type of the computation.", among=("float32", "bfloat16"), optional=True)
    remat: bool = field(False, "Whether activations are computed again to save memory.", optional=True)


@dataclasses.dataclass(frozen=True)
class Training:
    """How the network learns."""

    loss: str = field(
        "unweighted",
        "Loss: Eq. 8 as unweighted or, with less noise, rao_blackwell; Eq. 7 as weighted; mean_flow for few calls.",
        table=Table(loss.LOSSES, "gdm_jax.loss.LOSSES"),
    )
    start_from: str = field("", "Workdir, file or name of a model, whose averaged parameters this run begins with.")
    label_dropout: float = field(
        0.1, "Share of examples whose label is withheld, for classifier-free guidance.", least=0, most=1
    )
    shares: tuple[float, ...] = field(
        (), "Share of the examples for each group. Empty for the lengths of the intervals.", above=0
    )
    density: str = field(
        "uniform", "Density of the times in a group's interval.",
        table=Table(DENSITIES, "gdm_jax.process.times.DENSITIES"),
    )  # fmt: skip
    width: float = field(1.0, "Width of logit_normal.", above=0)
    tails: float = field(0.0, "Share of the examples at uniform times, whatever the density.", least=0, below=1)
    shift: tuple[float, ...] = field(
        (), "Factor for each group on the noise to signal at the times drawn; below 1 is nearer the data.", above=0
    )
    augment: float = field(0.0, "Probability of each augmentation, which the network is told.", least=0, below=1)
    augmentation: str = field("geometric", "Augmentation, by its name in gdm_jax.training.augment.AUGMENTATIONS.")
    batch: int = field(512, "Examples in a step, over all devices.", least=1, most=2**20)
    steps: int = field(400_000, "Number of steps.", least=1, most=2**31 - 1)
    learning_rate: float = field(1e-3, "Learning rate of Adam.", above=0)
    warmup_images: int = field(10_000_000, "Images over which the learning rate rises.", least=0, most=2**40)
    decay: str = field(
        "constant", "Course of the learning rate after that. cosine falls to zero at the last step.",
        among=("constant", "cosine"),
    )  # fmt: skip
    betas: tuple[float, float] = field((0.9, 0.999), "Decay rates of Adam's moments.", least=0, below=1)
    clip: float = field(0.0, "Global norm to which gradients are clipped. 0 for none.", least=0)
    accumulate: int = field(1, "Micro-batches in a step.", least=1)
    ema_halflife_images: int = field(500_000, "Half-life of the averaged parameters.", least=0, most=2**40)
    ema_ramp: float = field(0.05, "Largest half-life as a share of the images seen.", least=0)
    log_every: int = field(100, "Steps between rows of numbers.", least=1)
    sample_every: int = field(10_000, "Steps between pictures of samples. 0 for none, not even at the end.", least=0)
    save_every: int = field(2_500, "Steps between checkpoints.", least=1)
    keep: int = field(2, "Number of newest checkpoints that are kept.", least=1)
    keep_every: int = field(50_000, "Every checkpoint at a multiple of this is kept, too.", least=1)


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How samples are drawn, unless told otherwise."""

    solver: str = field("euler", "Solver of the ODE.", table=Table(SOLVERS, "gdm_jax.ode.SOLVERS"))
    steps: tuple[int, ...] = field((128,), "Total of steps, or one number for each group. Empty adapts them.")
    inverse_steps: tuple[int, ...] = field(
        (), "Euler's steps that invert undoes, as in steps. Empty for those of steps if solver is euler, or else 128.",
        least=1,
    )  # fmt: skip
    rtol: float = field(1e-5, "Relative tolerance of adaptive steps.", above=0)
    atol: float = field(1e-5, "Absolute tolerance of adaptive steps.", above=0)
    boundaries: tuple[float, ...] = field((), "Intervals to sample with. Empty for the first of training.")
    overlap: tuple[float, ...] = field((), "One of schedule.overlap. Empty for its first.")
    order: tuple[int, ...] = field((), "One of the orders of training. Empty for the first.")
    temperature: tuple[float, ...] = field(
        (), "Standard deviation of the noise of samples, for all groups or for each. Empty for 1.",
        least=0, below=math.inf,
    )  # fmt: skip
    guidance: float = field(
        1.0, "Classifier-free guidance where a label is given: 1 follows it as trained, more sharpens.",
        least=0, below=math.inf,
    )  # fmt: skip
    autoguidance: float = field(
        1.0, "Autoguidance: above 1 leads away from the network of weak_step, at two calls a point; 1 is without.",
        least=0, below=math.inf,
    )  # fmt: skip
    weak_step: int = field(
        0, "Step of an earlier checkpoint of the run, for autoguidance; training.keep_every keeps such.", least=0
    )


@dataclasses.dataclass(frozen=True)
class Config:
    """An experiment."""

    seed: int = field(0, "Seed of everything that chance decides.", least=0, most=2**32 - 1)
    data: Data = Data()
    process: Groupwise = Groupwise()
    schedule: Intervals = Intervals()
    model: Model = Model()
    training: Training = Training()
    sampling: Sampling = Sampling()


def fields(config: Config) -> Iterator[tuple[str, Any, dataclasses.Field]]:
    """Dotted name, value and description of every field, in the order of the sections."""
    for section in dataclasses.fields(config):
        value = getattr(config, section.name)
        if not dataclasses.is_dataclass(value):
            yield section.name, value, section
            continue
        for one in dataclasses.fields(value):
            yield f"{section.name}.{one.name}", getattr(value, one.name), one
