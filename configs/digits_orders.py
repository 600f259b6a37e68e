"""One network for every order: digits in 2x2 blocks, in all 24 orders and all at once (a small version of Fig. 5).

    gdm train --config configs/digits_orders.py --workdir runs/digits_orders
    gdm sample --workdir runs/digits_orders --order 3 0 2 1
    gdm sample --workdir runs/digits_orders --overlap 1

Training takes nineteen minutes on two busy CPU cores. The Frechet distance in pixels is measured on 1,797 samples
with 64 Euler steps. Over the 24 orders the best is 0.26, the median 0.31 and the worst 0.38; with all blocks at once
it is 0.11. The variant `:one` is trained on the first order alone and reaches 0.26.
"""

from gdm_jax.config import inherit

VARIANTS = ("all", "one")


def get_config(variant="all"):
    if variant not in VARIANTS:
        raise KeyError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    config = inherit(__file__, "digits_pixels.py")
    config.process.groups = "blockwise"
    config.process.k = 1
    config.process.blocks = (2, 2)
    config.model.alpha_channels = True
    if variant == "all":
        config.schedule.random_order = True
        config.schedule.overlap = (0.0, 1.0)
        config.training.steps = 6_000
    return config
