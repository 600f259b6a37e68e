"""Four frequency bands of the digits and a small MLP, trained for six steps."""

from gdm_jax.config import default


def get_config():
    config = default()
    config.seed = 3
    config.data.name = "digits"
    config.data.dir = "data"
    config.data.shape = (8, 8, 1)
    config.process.groups = "frequency_bands"
    config.process.basis = "dct"
    config.process.bands = (4, 12, 32)
    config.model.name = "mlp"
    config.model.channels = 8
    config.model.blocks = 1
    config.training.batch = 16
    config.training.steps = 6
    config.training.learning_rate = 2e-2
    config.training.warmup_images = 32
    config.training.ema_halflife_images = 100
    config.training.ema_ramp = 0.5
    config.training.log_every = 1
    config.training.save_every = 6
    config.sampling.steps = (8,)
    return config
