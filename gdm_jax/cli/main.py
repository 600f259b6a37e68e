"""The `gdm` command: its arguments, its help, and errors in one line. What it does is in `gdm_jax.commands`."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import pathlib
import sys
import traceback
import warnings
from collections.abc import Iterator

from gdm_jax import _tables
from gdm_jax.cli import commands

TRAIN = """examples:
  gdm train --config configs/digits.py --workdir runs/digits
  gdm train --config configs/digits.py --workdir runs/short --config.training.steps=500
  gdm train --config configs/digits.py --workdir runs/pod --coordinator 10.0.0.1:8476 --processes 2 --process 0

The same command again goes on from the newest checkpoint. Exit status: 0 done, 2 an error, 130 interrupted, 143 told to
end (SIGTERM) and saved. Several processes: --coordinator auto on TPU slices, under SLURM and Open MPI.
"""
SAMPLE = """examples:
  gdm sample --workdir runs/digits --count 64
  gdm sample --workdir runs/digits --seeds 7 8 9 --solver heun --steps 32 --film
  gdm sample --workdir runs/digits_orders --order 3 1 2 0
  gdm sample --workdir runs/digits_orders --overlap 1
  gdm sample --workdir runs/digits_labels --label 3 --guidance 2
"""
ENCODE = """examples:
  gdm encode --workdir runs/digits --data 16
  gdm encode --workdir runs/digits --images my_pictures/ --solver tsit5 --steps 0
"""
DECODE = """example:
  gdm decode --workdir runs/digits --latents runs/digits/encoded.npz
"""
FILL = """Kept groups come back unchanged; the rest is drawn exactly as the model says, given them.

examples:
  gdm fill --workdir runs/digits_pixels --data 4 --keep 0
  gdm fill --workdir runs/digits --data 4 --keep 0 1
  gdm fill --workdir runs/digits_orders --data 4 --mask my_mask.png
  gdm fill --workdir runs/digits --seeds 5 --keep 0 --count 12
"""
EDIT = """operations, on latents of --images, of --data or of samples from --seeds:
  swap         --groups of the donors into every image, as a matrix (Fig. 7)
  interpolate  from each image to the next, one group a row, or --groups alone (Fig. 3)
  traverse     --elements of the latent from -3 to 3, a row each (Figs. 6, 8)
  resample     draw anew what is not in --groups; by default for every prefix of the order (Fig. 9)
  keep         reconstruct from --groups alone, the rest zero, or noise with --seed; by default every prefix (Fig. 4b)

examples:
  gdm edit swap --workdir runs/digits --data 5 --groups 0
  gdm edit interpolate --workdir runs/digits --data 2
  gdm edit traverse --workdir runs/digits --seeds 3 --elements 0 1 2 3
  gdm edit resample --workdir runs/digits --data 4
  gdm edit keep --workdir runs/digits --data 8
"""
LIKELIHOOD = """Images are dequantised and counted in bits a dimension; by 32 steps of Tsit5 unless a solver is given
(Heun's are too coarse). In strict mode the terms of the groups are conditional likelihoods.

examples:
  gdm likelihood --workdir runs/likelihood_bands --data 100 --split 'train[1500:]'
  gdm likelihood --workdir runs/digits --data 16 --probes 4
"""
ANALYSE = """Whether encoded latents are normal and independent, which group tells the class, and how much of what one
sees is still free when the lowest components are fixed (Fig. 4a). By 64 steps of Heun unless a solver is given.

examples:
  gdm analyse --workdir runs/digits --data 500
  gdm analyse --workdir runs/digits --data 500 --features pixels
"""
EVALUATE = """The Frechet distance between samples and data, precision and recall, by the protocol of FID10K: one seed
an image, bytes, float64. What was computed is kept: the same command goes on after an interruption. Images that
ImageNet knows nothing of are better judged by a classifier fitted to the data, or by their pixels. Several
labels are told to the seeds in turn. The floor is what as many new draws of the data's own law would score.

examples:
  gdm evaluate --workdir runs/digits --features pixels --count 1797
  gdm evaluate --workdir runs/digits --features classifier --count 1000 --sets 3 --solver heun --steps 32
  gdm evaluate --workdir runs/cifar10 --count 10000 --reference cifar10-32x32.npz
  gdm evaluate --workdir runs/digits --features pixels --images my_samples/
  gdm evaluate --workdir runs/digits_labels --features classifier --count 1000 --label 0 1 2 3 4 5 6 7 8 9 --guidance 2
"""
EXPERIMENT = """experiments, and what they need trained at --scale paper:
  groupings   Table 1: which elements make a group             cifar10.py, 5 models
  orders      Fig. 5: every order of nine blocks               cifar10.py:blockwise
  numbers     Fig. 11: the number of groups                    cifar10.py, 6 models
  intervals   Table 2: intervals, and a search for the best    ffhq64_bands.py, 3 models
  domain      Fig. 10: pixels or coefficients to the network   ffhq64_bands.py, 2 models
  hierarchy   Figs. 3, 4, 6-9: what the bands carry            ffhq64_bands.py
  solvers     distance and round trip against network calls    ffhq64_bands.py

Models are trained where there are none, and reused; all that was computed is kept in --runs.

examples:
  gdm experiment groupings --scale smoke
  gdm experiment groupings --scale small --config.data.path=~/mnist/train
  gdm experiment hierarchy --scale smoke --workdir runs/digits
"""
INFO = """examples:
  gdm info --workdir runs/digits
  gdm info --config configs/cifar10.py:vanilla
"""
PREPARE = """examples:
  gdm prepare --config configs/digits.py
  gdm prepare --config configs/mnist.py --config.data.path=~/mnist/train
"""
FIGURES = """examples:
  gdm figures --workdir runs/digits
  gdm figures --workdir runs/digits --beside runs/digits_pixels
"""


def main(argv=None) -> int:
    """Run one command; 0 if it did what was asked, 2 after a one-line error.

    Args:
      argv: the words of the command, from a Python program, which finds its process as it was; None for those of this
        process, which is then ours to the end.
    """
    parser, arguments = _parse(argv)
    overrides = [word for word in arguments.rest if word.startswith("--config.") and "=" in word]
    stray = [word for word in arguments.rest if word not in overrides]
    if stray:
        parser.error(f"unrecognised argument {stray[0]!r}; fields of the config are set as --config.FIELD=VALUE")
    if overrides and not (getattr(arguments, "config", None) or arguments.name == "experiment"):
        parser.error(f"{overrides[0]} needs --config")
    arguments.overrides = overrides
    with _as_a_program(arguments.name, restore=argv is not None):
        return _run(arguments)


@contextlib.contextmanager
def _as_a_program(name: str, restore: bool) -> Iterator[None]:
    """What a command changes of the whole process while it runs."""
    import absl.logging
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    asyncio, verbosity, hook = logging.getLogger("asyncio"), absl.logging.get_verbosity(), sys.unraisablehook
    level, folder = asyncio.level, jax.config.jax_compilation_cache_dir
    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR", str(pathlib.Path("~/.cache/gdm_jax").expanduser()))
    try:
        absl.logging.set_verbosity(absl.logging.FATAL)  # Orbax narrates every save, and prints what it also raises:
        asyncio.setLevel(logging.CRITICAL)  # of a save that fails, once for every array
        sys.unraisablehook = _without_echo
        jax.config.update("jax_compilation_cache_dir", cache)
        with warnings.catch_warnings():
            warnings.filterwarnings("once", category=UserWarning, module="gdm_jax")
            _warn_in_one_line(name)
            yield
    finally:
        if restore:
            absl.logging.set_verbosity(verbosity)
            asyncio.setLevel(level)
            sys.unraisablehook = hook
        if restore and folder != cache:
            jax.config.update("jax_compilation_cache_dir", folder)
            compilation_cache.reset_cache()


def _run(arguments) -> int:
    """The command, as one of several processes where it is told so; its exit status."""
    several = getattr(arguments, "coordinator", None)
    if several:
        from gdm_jax.devices import hosts
    try:
        if several:
            hosts.join(several, arguments.processes, arguments.process, told_to_end=arguments.name == "train")
        arguments.command(arguments)
    except (ValueError, OSError, RuntimeError, ImportError, MemoryError) as error:
        if os.environ.get("GDM_TRACEBACK"):
            traceback.print_exc()
        code = getattr(error, "exit_status", 2)
        return _end(arguments, code, f"{'error: ' if code == 2 else ''}{_tables.first_line(error)}")
    except KeyboardInterrupt:
        return _end(arguments, 130, "interrupted; what was saved stays")
    except BaseException:  # a fault of ours: shown whole, and no reason for the other processes to wait
        if several:
            traceback.print_exc()
            hosts.leave(1)
        raise
    return 0


def _end(arguments, code: int, message: str) -> int:
    """Say why the command ends, and which process says so where there are several."""
    several = getattr(arguments, "coordinator", None)
    process = ""
    if several:
        import jax

        process = f"process {jax.process_index()}: " if jax.distributed.is_initialized() else ""
    print(f"gdm {arguments.name}: {process}{message}", file=sys.stderr)
    if several and code in (2, 130):  # those told to end have all saved and leave together
        from gdm_jax.devices import hosts

        hosts.leave(code)
    return code


def _parse(argv):
    parser = argparse.ArgumentParser(prog="gdm", description="Groupwise diffusion models in JAX.", allow_abbrev=False)
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(run, text, examples, *, config=False, workdir=False, solver=False, label=False, source=False, hosts=False):
        command = subparsers.add_parser(
            run.__name__,
            help=text,
            description=text,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.set_defaults(command=run, name=run.__name__, subparser=command)
        if config:
            optional = config == "optional"
            command.add_argument(
                "--config",
                required=not optional,
                metavar="FILE",
                help="an experiment file; --config.FIELD=VALUE overrides a field",
            )
        if workdir:
            required, text = (True, "folder of the run") if workdir is True else (False, workdir)
            command.add_argument("--workdir", required=required, metavar="DIR", help=text)
        if solver:
            _solver(command, run is commands.encode)
        if hosts:
            command.add_argument("--coordinator", metavar="WHERE", help="of several processes: auto, or HOST:PORT with")
            command.add_argument("--processes", type=int, metavar="N", help="how many there are, and")
            command.add_argument("--process", type=int, metavar="I", help="which of them this is")
        if label:
            command.add_argument("--label", type=int, nargs="+", metavar="CLASS", help="one for all, or one for each")
            command.add_argument("--guidance", type=float, metavar="W", help="how far to follow the label (1)")
        if source:
            command.add_argument("--images", nargs="+", metavar="PATH", help="image files or folders, cropped to fit")
            command.add_argument("--data", type=int, metavar="N", help="the first N examples of the data set")
            command.add_argument("--split", default="", metavar="SPLIT", help="of --data, e.g. 'train[1500:]'")
        if source == "or samples":
            command.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help="samples, one from each seed")
        return command

    of_run = {"workdir": True, "solver": True}
    add(commands.train, "Train a model, or continue a run.", TRAIN, config=True, workdir=True, hosts=True)
    command = add(commands.sample, "Generate new data from a trained model.", SAMPLE, **of_run, label=True)
    command.add_argument("--count", type=int, metavar="N", help="how many (16)")
    command.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help="one a sample, instead of --count")
    command.add_argument(
        "--film", nargs="?", const="gif", choices=("gif", "mp4"), help="also a film of how they come about"
    )
    add(commands.encode, "Data to latents.", ENCODE, **of_run, label=True, source=True)
    command = add(commands.decode, "Latents to data.", DECODE, **of_run, label=True)
    command.add_argument("--latents", required=True, metavar="FILE", help="an .npz with an array 'z'")
    text = "Generate the rest of an image given some of its groups: outpainting, inpainting, detail, variations."
    command = add(commands.fill, text, FILL, **of_run, label=True, source="or samples")
    command.add_argument("--keep", type=int, nargs="+", metavar="GROUP", help="groups that are given")
    command.add_argument("--mask", metavar="FILE", help="instead, a picture of the model's size, white where given")
    command.add_argument("--count", type=int, default=6, metavar="N", help="fillings of each image (6)")
    text = "Edit images in their latents, and draw it as the paper does."
    command = add(commands.edit, text, EDIT, **of_run, label=True, source="or samples")
    operations = ("swap", "interpolate", "traverse", "resample", "keep")
    command.add_argument("operation", choices=operations, metavar="OPERATION", help=", ".join(operations))
    command.add_argument("--groups", type=int, nargs="+", metavar="GROUP", help="that the operation is about")
    command.add_argument("--elements", type=int, nargs="+", metavar="I", help="of traverse, lowest frequency first")
    command.add_argument("--channel", type=int, metavar="C", help="of traverse; all channels by default")
    command.add_argument("--count", type=int, metavar="N", help="columns: steps, values or draws")
    command.add_argument("--linear", action="store_true", help="interpolate along lines, not great circles")
    command.add_argument("--seed", type=int, metavar="SEED", help="of the noise of resample and keep")
    command.add_argument("--donor-images", nargs="+", metavar="PATH", help="of swap; the images by default")
    command.add_argument("--donor-data", type=int, metavar="N", help="likewise, examples of the data set")
    command.add_argument("--donor-seeds", type=int, nargs="+", metavar="SEED", help="likewise, samples")
    text = "log p(x), in all and by group, with a map of it."
    command = add(commands.likelihood, text, LIKELIHOOD, **of_run, label=True, source=True)
    command.add_argument("--probes", type=int, default=0, metavar="N", help="estimate traces by N random signs (exact)")
    command.add_argument("--draws", type=int, default=1, metavar="N", help="dequantise N times; 0 takes x as it is (1)")
    text = "What the groups of the latent carry: normality, class probes, perceptual variance."
    command = add(commands.analyse, text, ANALYSE, **of_run, source=True)
    features = ("classifier", "pixels", "vgg19")
    command.add_argument("--features", choices=features, default="classifier", help="of perceptual variance")
    command.add_argument("--weights", metavar="FILE", help="of vgg19; downloaded by Keras by default")
    command.add_argument("--sets", type=int, default=24, metavar="N", help="of samples that share components (24)")
    command.add_argument("--members", type=int, default=16, metavar="N", help="samples a set (16)")
    text = "How far samples are from data: Frechet distance, precision and recall."
    command = add(commands.evaluate, text, EVALUATE, **of_run, label=True, hosts=True)
    features = ("inception", "classifier", "pixels")
    command.add_argument("--features", choices=features, default="inception", help="that see the images (inception)")
    command.add_argument("--weights", metavar="FILE", help="of inception; downloaded by torch-fidelity by default")
    command.add_argument("--count", type=int, metavar="N", help="samples a set (10000)")
    command.add_argument("--sets", type=int, metavar="N", help="sets of seeds, for a standard deviation (1)")
    command.add_argument("--split", default="", metavar="SPLIT", help="of the data to hold samples against, e.g. test")
    command.add_argument("--reference", metavar="FILE", help="an .npz with mu and sigma instead of the data set")
    command.add_argument("--images", metavar="DIR", help="judge these images instead of samples")
    command.add_argument("--judges", metavar="DIR", help="of classifiers and statistics of data (beside the workdir)")
    text = "Run one of the paper's experiments: train or reuse its models, judge them, draw its table and figures."
    command = add(commands.experiment, text, EXPERIMENT, workdir="of hierarchy or solvers: a trained model")
    command.add_argument("experiment", metavar="NAME", help="see below")
    command.add_argument("--scale", choices=("paper", "small", "smoke"), default="small", help="how large (small)")
    command.add_argument("--features", choices=features, help="that see the images, instead of the scale's")
    command.add_argument("--weights", metavar="FILE", help="of inception; downloaded by torch-fidelity by default")
    command.add_argument("--runs", default="runs", metavar="DIR", help="for models and reports (runs)")
    command.add_argument("--configs", default="configs", metavar="DIR", help="of config files (configs)")
    add(commands.info, "What a config or a run holds.", INFO, config="optional", workdir="folder of a run")
    add(commands.prepare, "Write a config's data set as ArrayRecord, once.", PREPARE, config=True)
    text = "Pictures of a trained model: samples, film, strip, reconstruction, mixing."
    command = add(commands.figures, text, FIGURES, **of_run)
    command.add_argument("--beside", metavar="DIR", help="another run: strips and a film of both side by side (Fig. 2)")
    arguments, rest = parser.parse_known_args(argv)
    arguments.rest = rest
    return arguments.subparser, arguments


def _solver(command, encodes: bool) -> None:
    """Which checkpoint, by which solver, along which path, and where to write."""
    command.add_argument("--checkpoint", type=int, metavar="STEP", help="step to load; the newest by default")
    command.add_argument("--out", metavar="DIR", help="where to write; the workdir by default")
    names = "euler, heun, midpoint, ralston, bosh3, rk4, tsit5, dopri5, dopri8" + (", inverse_euler" if encodes else "")
    command.add_argument("--solver", metavar="NAME", help=names)
    command.add_argument(
        "--steps", type=int, nargs="+", metavar="N", help="a total, or one number a group; 0 adapts to the tolerances"
    )
    command.add_argument("--rtol", type=float, help="relative tolerance of adaptive steps")
    command.add_argument("--atol", type=float, help="absolute tolerance of adaptive steps")
    command.add_argument("--batch", type=int, metavar="N", help="examples solved at once")
    command.add_argument("--order", type=int, nargs="+", metavar="GROUP", help="of generation, one trained on")
    command.add_argument("--overlap", type=float, help="of the groups' intervals, one trained on; 1 is all at once")
    command.add_argument("--boundaries", type=float, nargs="+", metavar="T", help="where the intervals meet, rising")


def _warn_in_one_line(name: str) -> None:
    """Our own warnings without the line of code that gave them; others as ever."""
    others = warnings.showwarning

    def show(message, category, filename, *where):
        if "gdm_jax" in pathlib.Path(filename).parts:
            print(f"gdm {name}: warning: {message}", file=sys.stderr)
        else:
            others(message, category, filename, *where)

    warnings.showwarning = show


def _without_echo(unraisable, others=sys.unraisablehook) -> None:
    """Orbax raises the first error of a save and closes its loop, of which TensorStore's threads then complain."""
    if str(unraisable.exc_value) != "Event loop is closed":
        others(unraisable)
