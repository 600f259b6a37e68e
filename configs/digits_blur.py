"""`digits` in the basis that the paper uses, the eigenvectors of a Gaussian blur of 0.4 pixels (App. A.4).

    gdm train --config configs/digits_blur.py --workdir runs/digits_blur

Training takes nine minutes on two CPU cores. The Frechet distance in pixels is not measured yet.
"""

from gdm_jax.config import inherit


def get_config():
    config = inherit(__file__, "digits.py")
    config.process.basis = "gaussian_blur"
    return config
