"""GDM-F on CelebA-HQ at 256x256, four bands, DDPM++ with six resolutions.

    gdm train --config configs/celebahq256_bands.py --config.data.path=~/celebahq --workdir runs/celebahq256

The bands hold the same frequencies as at 64x64. Recomputes activations to fit one accelerator. Augments as at 64x64,
the faces being fewer here, 30,000. Not measured yet.
"""

from gdm_jax.config import inherit


def get_config():
    config = inherit(__file__, "ffhq64_bands.py")
    config.data.path = "~/celebahq"
    config.data.shape = (256, 256, 3)
    config.model.multipliers = (1, 1, 2, 2, 2, 2)
    config.model.blocks = 2
    config.model.dtype = "bfloat16"
    config.model.remat = True
    config.training.batch = 64
    config.training.steps = 500_000
    config.training.learning_rate = 1e-4
    return config
