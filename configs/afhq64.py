"""GDM-F on AFHQ at 64x64: `ffhq64_bands` with more dropout, because AFHQ has fewer images.

    gdm train --config configs/afhq64.py --config.data.path=~/afhq --workdir runs/afhq64

Not measured yet.
"""

from gdm_jax.config import inherit


def get_config():
    config = inherit(__file__, "ffhq64_bands.py")
    config.data.path = "~/afhq"
    config.model.dropout = 0.25
    return config
