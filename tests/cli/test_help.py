"""Help, examples, and words that are no command."""

import importlib
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

import gdm_jax
from gdm_jax import cli, ode
from gdm_jax import config as configs
from gdm_jax.experiments import EXPERIMENTS
from gdm_jax.reports.edits import EDITS
from tests.cli.command import NAMES

ROOT = pathlib.Path(__file__).parents[2]
program = importlib.import_module("gdm_jax.cli.main")


@pytest.mark.parametrize("command", [[], *([name] for name in NAMES)])
def test_help(command, capsys):
    """Lists every command, or shows examples of the one."""
    with pytest.raises(SystemExit) as caught:
        cli.main([*command, "--help"])
    out = capsys.readouterr().out
    assert caught.value.code == 0
    assert all(name in out for name in (command or NAMES))
    assert re.search(f"^  gdm {command[0]} " if command else "^ +train ", out, re.MULTILINE)


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"gdm_jax {gdm_jax.__version__}\n"


@pytest.mark.parametrize("command", NAMES)
def test_examples_parse_and_name_files_that_exist(command):
    examples = re.findall(r"^  gdm (.*)$", program.COMMANDS[command].EXAMPLES, re.MULTILINE)
    assert examples
    for example in examples:
        arguments = program.parse(shlex.split(example))
        assert arguments.name == command
        if getattr(arguments, "config", None):
            configs.load(ROOT / arguments.config, arguments.overrides)


@pytest.mark.parametrize(
    "words, message",
    [
        ("", "required: COMMAND"),
        ("paint", "invalid choice: 'paint'"),
        ("train", "required: --config, --workdir"),
        ("train --config a.py", "required: --workdir"),
        ("sample", "required: --workdir"),
        ("decode --workdir a", "required: --latents"),
        ("sample --workdir a --count many", "invalid int value: 'many'"),
        ("sample --workdir a --cuont 3", "unrecognised argument '--cuont'"),
        ("sample --workdir a b", "unrecognised argument 'b'"),
        ("train --config a.py --workdir a --config.seed", "unrecognised argument '--config.seed'"),
        ("sample --workdir a --config.seed=3", "--config.seed=3 needs --config"),
        ("sample --workdir a --film avi", "invalid choice: 'avi'"),
        ("edit --workdir a", "required: OPERATION"),
        ("edit paint --workdir a", "invalid choice: 'paint'"),
        ("analyse --workdir a --features inception", "invalid choice: 'inception'"),
        ("evaluate --workdir a --features vgg", "invalid choice: 'vgg'"),
        ("experiment", "required: NAME"),
        ("experiment orders --scale tiny", "invalid choice: 'tiny'"),
    ],
)
def test_bad_usage(words, message, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(words.split())
    assert caught.value.code == 2
    *usage, last = capsys.readouterr().err.strip().splitlines()
    assert usage[0].startswith("usage: gdm") and re.match("gdm.*: error: ", last)
    assert message in last


def test_the_table_is_the_commands():
    assert sorted(program.COMMANDS) == sorted(NAMES)


ENCODES = set(ode.SOLVERS) - {"mean_flow"}
GENERATES = set(ode.SOLVERS) - {"inverse_euler"}


@pytest.mark.parametrize(
    "command, names", [("edit", EDITS), ("experiment", EXPERIMENTS), ("encode", ENCODES), ("sample", GENERATES)]
)
def test_help_names_what_the_tables_hold(command, names, capsys):
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    out = capsys.readouterr().out
    assert all(re.search(rf"\b{name}\b", out) for name in names)


def test_help_of_all_commands_loads_no_room_of_models():
    """What `gdm --help` imports beyond the package itself is the folder of commands, and where models lie."""
    words = "import sys, gdm_jax; before = set(sys.modules); from gdm_jax.cli import main\n"
    words += "try: main(['--help'])\nexcept SystemExit: pass\n"
    words += "print(*(name for name in set(sys.modules) - before if name.startswith(('gdm_jax', 'flax', 'orbax'))))"
    found = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    loaded = found.stdout.splitlines()[-1].split()
    light = ("gdm_jax.cli", "gdm_jax._registry", "gdm_jax.pretrained")
    assert loaded and all(name.startswith(light) for name in loaded), loaded


def test_an_edit_of_ones_own_is_a_line_of_the_table(capsys, monkeypatch):
    def blur(model, source):
        """Blur each image."""

    monkeypatch.setitem(EDITS, "blur", blur)
    with pytest.raises(SystemExit):
        cli.main(["edit", "--help"])
    assert re.search("^  blur +Blur each image.$", capsys.readouterr().out, re.MULTILINE)
    assert program.parse(["edit", "blur", "--workdir", "a"]).operation == "blur"
