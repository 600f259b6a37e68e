"""What a command leaves of the process, what it says, and how few times an image travels to the device."""

import importlib
import logging
import sys
import types
import warnings

import absl.logging
import jax
import numpy as np
import pytest
from PIL import Image

import gdm_jax as gdm
from gdm_jax import cli
from gdm_jax.cli import inputs
from gdm_jax.devices import batches

program = importlib.import_module("gdm_jax.cli.main")


def test_main_leaves_the_process_as_it_was(workdir, tmp_path, monkeypatch):
    """Called from Python: the compilation cache, log levels, warnings and hooks."""
    def state():
        levels = logging.getLogger("asyncio").level, absl.logging.get_verbosity()
        hooks = sys.unraisablehook, warnings.showwarning, tuple(map(str, warnings.filters))
        return jax.config.jax_compilation_cache_dir, levels, hooks

    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "cache"))
    before = state()
    assert cli.main(["info", "--workdir", str(workdir)]) == 0
    assert cli.main(["info", "--workdir", str(tmp_path)]) == 2
    assert state() == before


@pytest.mark.parametrize(
    "message, said",
    [
        ("steps: too few", "--steps: too few"),
        ("donor_seeds: too few", "--donor-seeds: too few"),
        ("steps too few", "steps too few"),
        ("guidance: not given", "guidance: not given"),
        ("operation: has no dashes", "operation: has no dashes"),
        ("sampling.steps: a field of the config", "--steps: a field of the config"),
        ("unknown: a name of no option", "unknown: a name of no option"),
    ],
)
def test_an_error_about_an_option_that_was_given_has_dashes(message, said, monkeypatch, capsys):
    def refuse(arguments):
        raise ValueError(message)

    monkeypatch.setattr(program.COMMANDS["edit"], "run", refuse)
    assert cli.main("edit keep --workdir a --steps 2 --donor-seeds 1".split()) == 2
    assert capsys.readouterr().err == f"gdm edit: error: {said}\n"


def test_a_command_of_ones_own_is_a_line_of_the_table(monkeypatch, capsys):
    mine = types.ModuleType("mine", "Say a word.")
    mine.EXAMPLES = "example:\n  gdm say --word hello\n"
    mine.arguments = lambda command: command.add_argument("--word")
    mine.run = lambda arguments: print(arguments.word)
    monkeypatch.setitem(program.COMMANDS, "say", mine)
    assert cli.main(["say", "--word", "hello"]) == 0
    assert capsys.readouterr().out == "hello\n"


def test_an_image_makes_one_trip_to_the_device_until_the_network_sees_it(workdir, tmp_path, monkeypatch):
    """Read, brought to [-1, 1] and checked on the host, then carried over with its part of a batch."""
    model, trips, mapped = gdm.load(workdir), [], batches.over_examples
    Image.effect_noise((20, 20), 50).save(tmp_path / "image.png")

    def counted(*arguments):
        run = mapped(*arguments)

        def carried(part):
            trips.append(len(part["x"]))
            with jax.transfer_guard("allow"):
                return run(part)

        return carried

    monkeypatch.setattr(batches, "over_examples", counted)
    with jax.transfer_guard_host_to_device("disallow_explicit"):
        x, label = inputs.examples(model, data=3)
        pictured, _ = inputs.examples(model, images=[str(tmp_path / "image.png")])
        assert type(x) is type(label) is type(pictured) is np.ndarray and x.dtype == np.float32
        model.encode(x)
    assert trips == [8]  # three examples, filled up to one for each device
