"""The paper's pixel-space models of CIFAR-10 (Table 1, Figs. 5 and 11), DDPM++ trained as EDM trains it.

    gdm train --config configs/cifar10.py:bottom_to_top --workdir runs/bottom_to_top

Variants and the paper's FID10K with 128 Euler steps: vanilla (k = 1), bottom_to_top 12.63, right_to_left 13.14,
cascade 14.03, cascade_inverse 13.70; blockwise is the 3x3 any-order model of Fig. 5. Ours: not measured yet.

Needs CIFAR-10 as prepared by TFDS in array_record, or, from a folder of its images,
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
    # 200 M images in batches of 512, learning rate 1e-3: the defaults.
    config.training.steps = 390_625
    config.training.augment = 0.12
    return config
