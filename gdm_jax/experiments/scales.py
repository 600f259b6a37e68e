"""How large an experiment is: which config files its models come from, and how many images judge them."""

from __future__ import annotations

import dataclasses

__all__ = ["SCALES", "SMOKE_BANDS", "Scale"]


@dataclasses.dataclass(frozen=True)
class Scale:
    """Settings that experiments share.

    Attributes:
      pixels: Config file of models of pixel groups; {} takes the variant.
      bands: Config file of models of frequency bands.
      changes: Overrides of the configs' fields.
      features: Features by which images are judged, from `gdm_jax.metrics.FEATURES`.
      count: Number of images in a set of seeds.
      sets: Number of sets of seeds.
      solver: Solver of the paper's comparisons.
    """

    pixels: str
    bands: str
    changes: tuple[str, ...]
    features: str
    count: int
    sets: int
    solver: str


_SMOKE = (
    "data.name=digits",
    "data.path=",
    "data.shape=(8, 8, 1)",
    "model.name=mlp",
    "model.alpha_channels=False",
    "model.channels=32",
    "training.batch=64",
    "training.steps=12",
    "training.warmup_images=64",
    "training.sample_every=0",
    "training.save_every=12",
)
SCALES: dict[str, Scale] = {
    "paper": Scale("cifar10.py:{}", "ffhq64_bands.py", (), "inception", 10_000, 3, "euler"),
    "small": Scale("mnist.py:{}", "mnist.py:bands", (), "classifier", 1_000, 3, "abm3"),
    "smoke": Scale("mnist.py:{}", "mnist.py:bands", _SMOKE, "pixels", 96, 2, "euler"),
}
SMOKE_BANDS = ("process.bands=(4, 12, 32)",)
