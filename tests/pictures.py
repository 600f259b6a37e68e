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
    factor = max(1, -(-64 // min(image.shape[:2])))
    tile = np.broadcast_to(to_uint8(image), (*image.shape[:2], 3)).repeat(factor, 0).repeat(factor, 1)
    page, tile = (one.astype(np.int32) @ (1, 256, 65_536) for one in (pixels(picture), tile))
    height, width = (max(0, size - side + 1) for size, side in zip(page.shape, tile.shape))
    y, x = np.indices((height, width)).reshape(2, -1)
    for row, column in np.ndindex(tile.shape):
        likely = page[y + row, x + column] == tile[row, column]
        y, x = y[likely], x[likely]
        if len(y) == 0:
            return False
    return True
