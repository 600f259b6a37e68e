"""The fields of an experiment: the commented default, as frozen dataclasses."""

from __future__ import annotations

import dataclasses


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
