"""Numbers by which samples are judged."""

from gdm_jax.metrics.frechet import frechet_distance
