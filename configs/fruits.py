"""GDM-F in colour: photographs of apples, cherries and tomatoes on white at 32x32, four bands of the cosine basis.

    gdm train --config configs/fruits.py --workdir runs/fruits_long
    gdm experiment hierarchy --workdir runs/fruits_long --features classifier
    gdm train --config configs/fruits.py:quick --workdir runs/fruits

The data ship with the package: 3,968 views to train with and 704 to test with, from Fruits-360 by Mihai Oltean
(CC BY-SA 4.0). One fruit of each variety was turned before the camera, so that views of a variety are near each other.
Training and test hold different varieties, and a split by files would not do.

Training sees 204,800 images and takes 81 minutes on one slow core; the model `fruits` that ships was trained so.
Swapping the lowest band carries colour and outline from fruit to fruit; the samples are fruits, but grainy.
configs/README.md shows both. The variant quick is that of the quickstart: it sees 57,600 images, which take about 12
minutes on two cores.
"""

from gdm_jax.config import inherit

VARIANTS = ("long", "quick")


def get_config(variant="long"):
    if variant not in VARIANTS:
        raise KeyError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    config = inherit(__file__, "mnist.py", "bands")
    config.data.name = "fruits"
    config.data.shape = (32, 32, 3)
    config.data.flip = True
    config.process.bands = (8, 40, 200)
    config.training.batch = 32
    config.training.steps = 6_400 if variant == "long" else 1_800
    config.training.warmup_images = 4_000
    config.sampling.solver = "abm3"
    config.sampling.steps = (8, 5, 6, 5)  # the best that was found for 24 calls, see configs/README.md
    config.sampling.inverse_steps = (32,)  # undone for all of 64 photographs of varieties never seen, to 7e-6
    return config
