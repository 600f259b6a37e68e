"""One network, every order: digits in 2x2 blocks, all 24 orders, and all blocks at once (Fig. 5 in small).

    gdm train --config configs/digits_orders.py --workdir runs/digits_orders
    gdm sample --workdir runs/digits_orders --order 3 0 2 1
    gdm sample --workdir runs/digits_orders --overlap 1

The variant `:one` trains the first order alone, for comparison. Not measured yet.
"""

from gdm_jax.config import inherit


def get_config(variant="all"):
    if variant not in ("all", "one"):
        raise KeyError(f"variant must be all or one, got {variant!r}")
    config = inherit(__file__, "digits.py")
    config.process.basis = "identity"
    config.process.groups = "blockwise"
    config.process.blocks = (2, 2)
    config.process.bands = ()
    config.model.alpha_channels = True
    if variant == "all":
        config.schedule.random_order = True
        config.schedule.overlap = (0.0, 1.0)
        config.training.steps = 6_000
    return config
