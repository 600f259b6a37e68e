"""What a picture holds: images, magnified so that their smaller side is 64 pixels, at any place of it."""

import numpy as np
from PIL import Image

from gdm_jax.pixels import to_uint8


def pixels(picture, frame=-1):
    """A picture, or the file of one, as uint8 `[height, width, 3]`; a frame of a film, the last by default."""
    if not isinstance(picture, Image.Image):
        picture = Image.open(picture)
        picture.seek(range(getattr(picture, "n_frames", 1))[frame])
    return np.asarray(picture.convert("RGB"))


def holds(picture, image) -> bool:
    """Whether an image `[height, width, channel]` in [-1, 1] stands somewhere in a picture, to the pixel."""
    page = pixels(picture)
    factor = max(1, -(-64 // min(image.shape[:2])))
    tile = np.broadcast_to(to_uint8(image), (*image.shape[:2], 3)).repeat(factor, 0).repeat(factor, 1)
    height, width = (size - side + 1 for size, side in zip(page.shape, tile.shape[:2]))
    if min(height, width) < 1:
        return False
    likely = np.ones((height, width), bool)
    for y in range(0, tile.shape[0], factor):
        for x in range(0, tile.shape[1], factor):
            likely &= (page[y : y + height, x : x + width] == tile[y, x]).all(-1)
    places = np.argwhere(likely)
    return any((page[y : y + tile.shape[0], x : x + tile.shape[1]] == tile).all() for y, x in places)
