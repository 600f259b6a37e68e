"""How large an experiment is: which config files its models come from, and how many images judge them."""

from __future__ import annotations

from typing import NamedTuple


class Scale(NamedTuple):
    """Settings that experiments share.

    Attributes:
      pixels, bands: config files of models of pixel groups, and of frequency bands; the variant follows a colon.
      changes: overrides of their fields.
      features: of `gdm_jax.metrics.FEATURES`.
      count, sets: images a set of seeds, and sets.
    """

    pixels: str
    bands: str
    changes: tuple[str, ...]
    features: str
    count: int
    sets: int


SMOKE = (
    "data.name=digits",
    "data.path=",
    "data.shape=(8, 8, 1)",
    "model.name=mlp",
    "model.alpha_channels=False",
    "model.channels=32",
    "training.batch=64",
    "training.steps=12",
    "training.warmup_images=64",
    "training.sample_every=12",
    "training.save_every=12",
)
SCALES = {
    "paper": Scale("cifar10.py:{}", "ffhq64_bands.py", (), "inception", 10_000, 3),
    "small": Scale("mnist.py:{}", "mnist.py:bands", (), "classifier", 1_000, 3),
    "smoke": Scale("mnist.py:{}", "mnist.py:bands", SMOKE, "pixels", 96, 2),
}
SMOKE_BANDS = ("process.bands=(4, 12, 32)",)
