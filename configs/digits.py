"""GDM-F on the bundled handwritten digits: four frequency bands of the cosine basis, coarse to fine."""

from gdm_jax.config import default


def get_config():
    config = default()
    config.data.name = "digits"
    config.data.shape = (8, 8, 1)
    config.process.groups = "frequency_bands"
    config.process.basis = "dct"
    config.process.bands = (4, 12, 32)
    config.model.name = "mlp"
    config.model.channels = 512
    config.training.batch = 256
    config.training.steps = 60
    config.training.warmup_images = 75_000
    config.training.decay = "cosine"
    config.training.ema_halflife_images = 200_000
    config.training.log_every = 10
    config.training.save_every = 20
    config.sampling.steps = (64,)
    return config
