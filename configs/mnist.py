"""GDM-F on MNIST at 28x28, four frequency bands, with a small DDPM++.

    gdm prepare --config configs/mnist.py --config.data.path=~/mnist/train
    gdm train --config configs/mnist.py --config.data.path=~/mnist/train --workdir runs/mnist

Takes any folder of images; for a data set prepared by TFDS set data.name = "mnist". Not measured yet.
"""

from gdm_jax.config import default


def get_config():
    config = default()
    config.data.name = "folder"
    config.data.path = "~/mnist/train"
    config.data.shape = (28, 28, 1)
    config.process.groups = "frequency_bands"
    config.process.basis = "dct"
    config.process.bands = (16, 64, 200)
    config.model.channels = 64
    config.model.multipliers = (1, 2, 2)
    config.model.blocks = 2
    config.model.attention = (7,)
    config.model.dropout = 0.1
    config.training.batch = 128
    config.training.steps = 50_000
    config.training.warmup_images = 200_000
    config.training.ema_halflife_images = 100_000
    config.training.sample_every = 2_500
    config.training.save_every = 1_000
    return config
