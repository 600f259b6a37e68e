"""Small versions of the paper's experiments: MNIST at 16x16, about ten minutes per model on two CPU cores.

    gdm train --config configs/mnist.py:bands --config.data.path=~/mnist/train --workdir runs/mnist
    gdm experiment groupings --scale small --config.data.path=~/mnist/train

The variants are those of cifar10.py (pixel groups), bands (GDM-F with four bands of the cosine basis), and labels
(bands with class labels, trained for twice as long). The network is a DDPM++ of one resolution on 4x4 patches,
because a CPU runs such convolutions near the rate of matrix products (see digits.py). configs/README.md shows the
results.
"""

from gdm_jax.config import inherit


def get_config(variant="bands"):
    if variant in ("bands", "labels"):
        config = inherit(__file__, "ffhq64_bands.py")
        config.process.basis = "dct"
        config.process.bands = (6, 24, 80)
        config.schedule.boundaries = (0.25, 0.5, 0.75)
        config.sampling.boundaries = ()
        config.sampling.solver = "ab2"  # see configs/README.md
        config.sampling.steps = (5, 5, 3, 3)
        config.training.shares = (0.1, 0.4, 0.4, 0.1)
    else:
        config = inherit(__file__, "cifar10.py", variant)
        config.model.precondition = True
    config.data.name = "folder"
    config.data.path = "~/mnist/train"
    config.data.shape = (16, 16, 1)
    config.model.channels = 128
    config.model.multipliers = (1,)
    config.model.blocks = 1
    config.model.attention = ()
    config.model.patch = 4
    config.model.dropout = 0.0
    config.training.augment = 0.0  # no mirroring either: a mirrored 2 is not a 2
    config.training.loss = "rao_blackwell"
    config.training.density = "logit_normal"
    config.training.width = 0.7
    config.training.batch = 64
    config.training.steps = 4_000
    config.training.learning_rate = 2e-3
    config.training.warmup_images = 20_000
    config.training.decay = "cosine"
    config.training.ema_halflife_images = 30_000
    config.training.log_every = 50
    config.training.sample_every = 2_000
    config.training.save_every = 500
    config.training.keep_every = 1_000_000
    if variant == "labels":
        config.model.classes = 10
        config.training.steps = 8_000
    return config
