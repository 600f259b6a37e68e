"""Data: TFDS sources read through Grain. TensorFlow is never imported."""

from gdm_jax.data.gaussians import Mixture
from gdm_jax.data.images import find_images, read_image
from gdm_jax.data.pipeline import stream
from gdm_jax.data.sources import SOURCES, Several, Source, examples, fingerprint, open_source, spread

__all__ = [
    "SOURCES",
    "Mixture",
    "Several",
    "Source",
    "examples",
    "find_images",
    "fingerprint",
    "open_source",
    "read_image",
    "spread",
    "stream",
]
