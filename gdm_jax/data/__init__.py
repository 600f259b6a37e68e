"""Data: TFDS sources read through Grain. TensorFlow is never imported."""

from gdm_jax.data.images import find_images, read_image
from gdm_jax.data.pipeline import stream
from gdm_jax.data.plane import Mixture
from gdm_jax.data.sources import Several, examples, fingerprint, open_source, prepare, spread
