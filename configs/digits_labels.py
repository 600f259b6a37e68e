"""`digits` told which digit it draws: class labels, a tenth of them withheld for classifier-free guidance.

    gdm train --config configs/digits_labels.py --workdir runs/digits_labels
    gdm sample --workdir runs/digits_labels --label 3 --guidance 2

Not measured yet.
"""

from gdm_jax.config import inherit


def get_config():
    config = inherit(__file__, "digits.py")
    config.model.classes = 10
    return config
