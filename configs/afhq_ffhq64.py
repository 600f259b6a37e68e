"""`ffhq64_bands` trained on faces and animals together, so that bands can be swapped between them (Fig. 7b).

    gdm train --config configs/afhq_ffhq64.py --workdir runs/afhq_ffhq64
    gdm edit swap --workdir runs/afhq_ffhq64 --images faces/ --donor-images animals/ --groups 0

data.mixture names the two folders and their weights. Not measured yet.
"""

from gdm_jax.config import inherit


def get_config():
    config = inherit(__file__, "ffhq64_bands.py")
    config.data.mixture = (("folder", "~/ffhq", 1.0), ("folder", "~/afhq", 1.0))
    return config
