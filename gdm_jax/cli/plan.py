"""Say what a slice of TPU chips would do with a config: memory, time and the largest batch. No chip is needed.

The training step and a step of sampling are compiled by the TPU's own compiler (pip install 'gdm-jax[plan]'). A large
network takes it up to half an hour; --quick or a shallower network is a first look.
"""

from __future__ import annotations

import argparse
import pathlib

from gdm_jax.cli import options, outputs

__all__ = ["EXAMPLES", "arguments", "run"]

EXAMPLES = """examples:
  gdm plan --config configs/digits.py --topology v5e:2x2
  gdm plan --config configs/cifar10.py --topology v5e:4x4 --batch 32 --config.model.dtype=bfloat16
  gdm plan --config configs/cifar10.py --topology v5e:4x4 --quick --config.model.blocks=1
  gdm plan --config configs/ffhq64_bands.py --topology v6e:4x4 --variants --largest --out plans
"""


def arguments(command: argparse.ArgumentParser) -> None:
    options.config(command)
    add = command.add_argument
    text = "The slice: v5e:4x4, v5p:2x2x1, v6e:2x4, tpu7x:2x2x1 and so on."
    add("--topology", required=True, metavar="CHIP:SHAPE", help=text)
    add("--batch", type=int, metavar="N", help="Examples a chip. Default: training.batch over all chips.")
    add("--variants", action="store_true", help="Compile in both types as well, without and with remat.")
    text = "Look for the largest batch a chip holds, by compiling, without activations that are computed again."
    add("--largest", action="store_true", help=text)
    text = "Compile with less effort: several times as fast, but more traffic is counted than a real program has."
    add("--quick", action="store_true", help=text)
    add("--out", metavar="DIR", help="Folder for plan.md and plan.json. Default: the table is printed alone.")


def run(arguments: argparse.Namespace) -> None:
    file, overrides, batch = arguments.config, arguments.overrides, arguments.batch
    out = arguments.out and pathlib.Path(arguments.out)

    from gdm_jax import config, planning

    if out:
        outputs.claim(out, "plan.md", "plan.json")
    found = planning.plan(
        config.load(file, overrides),
        arguments.topology,
        batch=batch,
        variants=arguments.variants,
        most=arguments.largest,
        quick=arguments.quick,
    )
    report = planning.report(found)
    if out:
        outputs.report(out, "plan", report)
    else:
        print(report.text)
