"""Pictures: grids, films, maps of numbers, charts. Arrays in, Pillow images or files out."""

from gdm_jax.drawing.films import film
from gdm_jax.drawing.maps import heat
from gdm_jax.drawing.sheets import cloud, grid, save, stack

__all__ = ["cloud", "film", "grid", "heat", "save", "stack"]
