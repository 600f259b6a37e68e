"""Rules of single fields and across fields: what is refused, and in which words."""

import functools
import json
import pathlib

import pytest

from gdm_jax import config as configs

FOLDER = pathlib.Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize(
    "field, value, message",
    [
        # unknown
        ("training.bacth", 64, "config: there is no field training.bacth; did you mean 'batch'?"),
        ("trainning.batch", 64, "config: there is no field trainning; did you mean 'training'?"),
        ("xyzzy", 1, "config: there is no field xyzzy"),
        ("training", 3, "config: training must be a section of fields, got 3"),
        # mistyped
        ("training.batch", 64.0, "training.batch: must be of type int, got 64.0"),
        ("training.batch", True, "training.batch: must be of type int, got True"),
        ("training.learning_rate", "fast", "training.learning_rate: must be of type float, got 'fast'"),
        ("data.flip", 1, "data.flip: must be of type bool, got 1"),
        ("data.name", 5, "data.name: must be of type str, got 5"),
        ("model.multipliers", 2, "model.multipliers: must be of type tuple, got 2"),
        ("model.multipliers", (1, 2.5), "model.multipliers: must be of type int, got 2.5"),
        ("training.betas", (0.9,), "training.betas: must hold 2 values, got (0.9,)"),
        # unknown names
        ("process.groups", "botom_to_top", "process.groups: must be one of single, bottom_to_top, right_to_left, "
         "blockwise, cascade, cascade_inverse, per_element, frequency_bands, from_index, got 'botom_to_top'; did you "
         "mean 'bottom_to_top'?"),
        ("process.basis", "fourier", "process.basis: must be one of identity, dct, gaussian_blur, got 'fourier'"),
        ("process.interpolant", "linaer", "did you mean 'linear'?"),
        ("model.name", "transformer", "model.name: must be one of unet, mlp, got 'transformer'"),
        ("model.dtype", "float16", "model.dtype: must be one of float32, bfloat16, got 'float16'; did you mean "
         "'bfloat16'?"),
        ("training.loss", "l1", "training.loss: must be one of unweighted, rao_blackwell, weighted, "
         "moving, mean_flow, got 'l1'"),
        ("training.decay", "linear", "training.decay: must be one of constant, cosine, got 'linear'"),
        ("sampling.solver", "huen", "got 'huen'; did you mean 'heun'?"),
        # out of range
        *[
            (f"training.{name}", 0, f"training.{name}: must be at least 1, got 0")
            for name in "accumulate log_every save_every keep keep_every".split()
        ],
        ("training.sample_every", -1, "training.sample_every: must be at least 0, got -1"),
        ("training.batch", 0, "training.batch: must be from 1 to 1,048,576, got 0"),
        ("training.steps", 0, "training.steps: must be from 1 to 2,147,483,647, got 0"),
        ("training.learning_rate", 0.0, "training.learning_rate: must be positive, got 0.0"),
        ("training.learning_rate", float("nan"), "training.learning_rate: must be positive, got nan"),
        ("model.dropout", 1.0, "model.dropout: must be in [0, 1), got 1.0"),
        ("model.channels", 30, "model.channels: must be a multiple of 4 from 4 to 16,384, got 30"),
        ("data.shape", (8, 8), "data.shape: must be (dim,) or (height, width, channel), got (8, 8)"),
        ("data.shape", (2,), "model.name: 'unet' is of images; use 'mlp' where data.shape is (dim,), got (2,)"),
        ("data.shape", (10, 8, 1), "data.shape: must be divisible by 4 for model.patch and model.multipliers, got "
         "(10, 8, 1)"),
        ("training.accumulate", 3, "training.accumulate: 3 does not divide training.batch 512"),
        ("process.groups", "frequency_bands", "groups: "),
        ("schedule.boundaries", (0.5,), "schedule.boundaries: 1 groups need 0 boundaries, got (0.5,)"),
        ("sampling.boundaries", (0.5,), "sampling.boundaries: 1 groups need 0 boundaries, got (0.5,)"),
        ("schedule.order", (0, 1), "schedule.order: expected a permutation of 1 groups, 0..0, got (0, 1)"),
        ("schedule.overlap", (1.5,), "between 0"),
        ("sampling.steps", (0,), "steps"),
        ("sampling.steps", (4, 4), "steps"),
        ("sampling.steps", (), "Euler cannot adapt its steps; pass steps"),
        ("seed", -1, "seed: must be from 0 to 4,294,967,295, got -1"),
        ("model.multipliers", (), "model.multipliers: must be 1 to 12 numbers, got ()"),
        ("model.multipliers", (0, 1, 1), "model.multipliers: "),
        ("model.blocks", 0, "model.blocks: "),
        ("model.blocks", 10**9, "model.blocks: must be from 1 to 256, got 1000000000"),
        ("model.multipliers", (10**9,), "model.multipliers: must be from 1 to 64 each, got"),
        ("training.batch", 10**12, "training.batch: must be from 1 to 1,048,576, got 1000000000000"),
        ("model.patch", 0, "model.patch: "),
        ("data.shape", (0, 8, 1), "data.shape: "),
        ("training.betas", (0.9, 1.5), "training.betas: "),
        ("training.clip", -1.0, "training.clip: "),
        ("training.warmup_images", -1, "training.warmup_images: "),
        ("training.ema_halflife_images", -1, "training.ema_halflife_images: "),
        ("training.ema_ramp", -0.5, "training.ema_ramp: "),
        ("sampling.rtol", 0.0, "sampling.rtol: "),
        ("sampling.atol", -1.0, "sampling.atol: "),
        ("process.sigma", 0.0, "process.sigma: "),
        # labels, levels, mixtures
        ("model.classes", -1, "model.classes: must be from 0 to 1,048,576, got -1"),
        ("model.classes", 2.5, "model.classes: must be of type int, got 2.5"),
        ("training.density", "logitnormal", "training.density: must be one of uniform, logit_normal, got "
         "'logitnormal'; did you mean 'logit_normal'?"),
        ("training.width", 0.0, "training.width: must be positive, got 0.0"),
        ("training.tails", 1.0, "training.tails: must be in [0, 1), got 1.0"),
        ("training.shares", (1.0, 1.0), "training.shares: must be one number for each of 1 groups, got (1.0, 1.0)"),
        ("training.shift", (0.5, 0.0), "training.shift: must be positive each, got (0.5, 0.0)"),
        ("training.shift", (0.5, 0.5), "training.shift: must be one number for each of 1 groups, got (0.5, 0.5)"),
        ("training.label_dropout", 1.5, "training.label_dropout: must be from 0 to 1, got 1.5"),
        ("data.levels", 1, "data.levels: must be from 2 to 256, got 1"),
        ("data.levels", 257, "data.levels: must be from 2 to 256, got 257"),
        ("data.dequantise", 1, "data.dequantise: must be of type bool, got 1"),
        ("data.mixture", "digits", "data.mixture: must be of type tuple, got 'digits'"),
        *[
            ("data.mixture", value, "data.mixture: must be (name, path, weight) each, weights positive, got (")
            for value in (
                ("digits", "", 1.0), [["digits", ""]], [["digits", "", "1"]], [["digits", "", 0]],
                [["digits", "", -1.0]], [["digits", 1, 1]], [["digits", "", True]], [["digits", "", float("nan")]],
                [["digits", "", float("inf")]],
            )
        ],
        # families of schedules
        ("schedule.overlap", (0.0, 1.5), "between 0"),
        ("schedule.overlap", (0.0, "all"), "schedule.overlap: must be of type float, got 'all'"),
        ("schedule.order", ((0,), (0, 1)), "schedule.order: expected a permutation of 1 groups, 0..0, got (0, 1)"),
        ("schedule.order", ((0,), 0), "schedule.order: expected a permutation of 1 groups, 0..0, got 0"),
        ("schedule.order", (0.0,), "schedule.order: expected a permutation of 1 groups, 0..0, got (0.0,)"),
        ("schedule.random_orders", -1, "schedule.random_orders: must be from 0 to 10,000, got -1"),
        ("schedule.random_orders", 2.0, "schedule.random_orders: must be of type int, got 2.0"),
        ("sampling.order", (1,), "sampling.order: expected a permutation of 1 groups, 0..0, got (1,)"),
        ("sampling.order", ((0,),), "sampling.order: must be of type int, got (0,)"),
        ("sampling.overlap", (0.0, 0.0), "sampling.overlap: one number, or boundaries without it, got (0.0, 0.0)"),
        ("sampling.inverse_steps", (8, 8), "sampling.inverse_steps: must be a total or one for each of 1 groups"),
        ("sampling.inverse_steps", (0,), "sampling.inverse_steps: must be at least 1 each, got (0,)"),
        ("sampling.guidance", "more", "sampling.guidance: must be of type float, got 'more'"),
        ("sampling.guidance", -1.0, "sampling.guidance: must"),
        ("sampling.guidance", float("nan"), "sampling.guidance: must"),
    ],
)
def test_bad_fields(field, value, message):
    """Each is refused in one line with the field, the value and the rule."""
    values = json.loads(configs.to_json(configs.Config()))
    *sections, leaf = field.split(".")
    functools.reduce(lambda section, name: section.setdefault(name, {}), sections, values)[leaf] = value
    with pytest.raises(ValueError) as caught:
        configs.from_dict(values)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_dequantising_is_of_images():
    values = {"data": {"name": "mixture2d", "shape": [2], "dequantise": True}, "model": {"name": "mlp"}}
    with pytest.raises(ValueError, match="data.dequantise: must be False for vectors, got True"):
        configs.from_dict(values)


def test_alpha_channels_need_pixel_groups():
    with pytest.raises(ValueError, match="model.alpha_channels: A.t. is a picture only for pixel groups"):
        configs.load(FOLDER / "mnist.py", ["model.alpha_channels=True"])
