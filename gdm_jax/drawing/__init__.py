"""Pictures: grids, films, maps of numbers, charts. Arrays in, Pillow images or files out."""

from gdm_jax.drawing.films import film
from gdm_jax.drawing.grids import cloud, grid, save, stack
from gdm_jax.drawing.maps import heat

__all__ = ["cloud", "film", "grid", "heat", "save", "stack"]
