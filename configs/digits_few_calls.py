"""The digits model of configs/digits.py, taught to jump: a band in one network call.

    gdm train --config configs/digits_few_calls.py --workdir runs/digits_few_calls
    gdm sample --workdir runs/digits_few_calls --solver mean_flow --steps 4

It begins with the parameters of `digits`, the model that ships, and keeps their field to the last bit. It takes about
half an hour on two slow CPU cores. The Frechet distance in pixels is 0.37 for 1,797 samples with 4 network calls, and
0.33 with 8.
"""

from gdm_jax.config import inherit


def get_config():
    config = inherit(__file__, "digits.py")
    config.model.jumps = True
    config.training.loss = "mean_flow"
    config.training.shift = ()
    config.training.start_from = "digits"
    config.training.steps = 3_000
    config.training.learning_rate = 1e-3
    config.training.warmup_images = 5_000
    return config
