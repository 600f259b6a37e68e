"""The paper's pixel-space models of CIFAR-10 (Table 1, Figs. 5 and 11): a DDPM++ trained with the settings of EDM.

    gdm train --config configs/cifar10.py:bottom_to_top --workdir runs/bottom_to_top

The variants, with the paper's FID10K for 128 Euler steps, are vanilla (k = 1), bottom_to_top 12.63, right_to_left
13.14, cascade 14.03 and cascade_inverse 13.70; blockwise is the model of Fig. 5, for any order of 3x3 blocks. Our
numbers are not measured yet.

The config needs CIFAR-10 as TFDS prepares it in array_record. A folder of its images works as well, with
`--config.data.name=folder --config.data.path=DIR`.
"""

from gdm_jax.config import default

VARIANTS = ("vanilla", "bottom_to_top", "right_to_left", "cascade", "cascade_inverse", "blockwise")


def get_config(variant="vanilla"):
    if variant not in VARIANTS:
        raise KeyError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    config = default()
    config.data.name = "cifar10"
    config.data.shape = (32, 32, 3)
    config.model.dropout = 0.13
    if variant != "vanilla":
        config.process.groups = variant
        config.model.alpha_channels = True
    if variant not in ("vanilla", "blockwise"):
        config.process.k = 2
    if variant == "blockwise":
        config.process.blocks = (3, 3)
        config.schedule.random_order = True
    # 200 M images in all. The batch of 512 and the learning rate of 1e-3 are the defaults.
    config.training.steps = 390_625
    config.training.augment = 0.12
    return config
