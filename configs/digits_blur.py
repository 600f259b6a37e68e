"""`digits` in the paper's own basis, the eigenvectors of a Gaussian blur of 0.4 pixels (App. A.4).

    gdm train --config configs/digits_blur.py --workdir runs/digits_blur

Nine minutes on two CPU cores. Frechet distance in pixels: not measured yet.
"""

from gdm_jax.config import inherit


def get_config():
    config = inherit(__file__, "digits.py")
    config.process.basis = "gaussian_blur"
    return config
