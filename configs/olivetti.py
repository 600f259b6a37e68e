"""GDM-F on the Olivetti faces at 32x32: 400 grey images of 40 people, with four bands of the cosine basis.

    gdm train --config configs/olivetti.py --config.data.path=~/olivetti --workdir runs/olivetti
    gdm experiment hierarchy --workdir runs/olivetti --features pixels

A network soon memorises so few faces, so this config is for pictures of what the latent does and not for distances.
6,000 steps take 25 to 47 minutes on one CPU core, and the samples are faces. Fixing the 10 lowest of 1,024 components
removes 80% of the variance of the pixels. Swapping these components between two faces swaps the identity. This was seen
with Eq. 8 at uniform times, before mnist.py changed its training.
"""

from gdm_jax.config import inherit


def get_config():
    config = inherit(__file__, "mnist.py", "bands")
    config.data.path = "~/olivetti"
    config.data.shape = (32, 32, 1)
    config.data.flip = True
    config.process.bands = (10, 50, 250)
    config.model.channels = 64
    config.model.multipliers = (1, 2)
    config.training.batch = 32
    config.training.steps = 6_000
    config.training.learning_rate = 1e-3
    config.sampling.solver = "abm3"
    config.sampling.steps = (8, 6, 5, 5)  # the best that was found for 24 calls, see configs/README.md
    config.sampling.inverse_steps = (32,)  # undone for all of 64 faces of other people, to 3e-6
    return config
