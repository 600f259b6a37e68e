"""GDM-F on CelebA-HQ at 256x256, with four bands and a DDPM++ of six resolutions.

    gdm train --config configs/celebahq256_bands.py --config.data.path=~/celebahq --workdir runs/celebahq256

The bands hold the same frequencies as at 64x64. Activations are recomputed in the backward pass, so that one
accelerator has enough memory. The augmentation is that of 64x64, because this data set is smaller (30,000 faces). Not
measured yet.
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
