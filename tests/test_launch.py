"""What launch/ holds: shell that shellcheck passes, commands that the program accepts, and no process left behind."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml

import gdm_jax as gdm
from gdm_jax import config as configs
from gdm_jax import pretrained
from gdm_jax.cli.main import parse

ROOT = pathlib.Path(__file__).parents[1]
LAUNCH = ROOT / "launch"
SCRIPTS = [LAUNCH / name for name in ("docs.sh", "environment.sh", "local_pod.sh", "quickstart.sh", "slurm.sbatch",
                                      "test.sh", "test_matrix.sh", "tpu_pod.sh")]
TEXTS = [*(LAUNCH / name for name in ("local_pod.sh", "slurm.sbatch", "tpu_pod.sh", "README.md")), ROOT / "README.md"]
TEXTS += [ROOT / "configs" / "README.md", *sorted((ROOT / "configs").glob("*.py")), ROOT / "docs" / "results.md"]
GUIDES = sorted((ROOT / "docs" / "guide").glob("*.md"))
TEXTS += [guide for guide in GUIDES if guide.stem not in ("bring_your_own", "grouping")]  # whose configs they show


def bash(*words, **environment):
    environment = {**os.environ, **environment}
    return subprocess.run(["bash", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


def test_every_script_is_looked_at():
    assert {*LAUNCH.glob("*.sh"), *LAUNCH.glob("*.sbatch")} == set(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_shell_is_sound(script):
    shellcheck = shutil.which("shellcheck", path=f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}")
    if not shellcheck:
        pytest.skip("shellcheck is missing; pip install gdm-jax[test]")
    found = subprocess.run([shellcheck, "-x", script], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def accepted(words):
    """The arguments of a `gdm` command, parsed; its config must exist."""
    assert words[0] == "gdm"
    arguments = parse(words[1:])
    if getattr(arguments, "config", None):
        assert (ROOT / arguments.config.split(":")[0]).is_file()
    return arguments


def commands(file):
    """The `gdm` commands that a text shows: in indented lines, in comments, and between fences, each in a line."""
    text = file.read_text().replace("bash launch/tpu_pod.sh run gdm gdm", "gdm").replace("resume gdm gdm", "gdm")
    text = text.replace("\\\n", "")  # a line that goes on in the next
    prefix = r"^(?:# )? {4}.*?" if "```" not in text else r"^(?:bash launch/local_pod.sh 2 )?"
    return [shlex.split(line, comments=True) for line in re.findall(rf"{prefix}\b(gdm [a-z]+ .*)$", text, re.MULTILINE)]


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_commands_in_texts_are_accepted(file):
    found = commands(file)
    assert found
    for words in found:
        if "NAME" not in words:  # `gdm experiment NAME`
            accepted(words)


def test_every_command_in_texts_is_found():
    """As a reader finds them."""
    found = {file: [words[1] for words in commands(file)] for file in TEXTS}
    assert found[LAUNCH / "tpu_pod.sh"] == ["train", "train"] and found[LAUNCH / "local_pod.sh"] == ["train"]
    assert found[ROOT / "README.md"] == ["models", "sample", "edit", "fill", "explore", "train", "figures"]
    assert len(found[ROOT / "docs" / "guide" / "edit.md"]) > 10


@pytest.mark.parametrize("name", pretrained.files())
def test_commands_of_cards_are_accepted(name):
    found = re.findall(r"`(gdm [^`]+)`", pretrained.card(name))
    assert found
    for command in found:
        arguments = accepted(shlex.split(command))
        assert configs.load(ROOT / arguments.config, arguments.overrides).training.steps == gdm.load(name).step


def test_every_version_is_the_same():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == gdm.__version__


def test_commands_of_the_quickstart_are_accepted():
    """A model that ships is drawn first, and the config that is trained then exists."""
    text = (LAUNCH / "quickstart.sh").read_text()
    named = dict(re.findall(r"^(config|workdir)=(.*)$", text, re.MULTILINE))
    lines = re.findall(r'^"\$python" -m gdm_jax.cli (.*)$', text, re.MULTILINE)
    assert [line.split()[0] for line in lines] == ["figures", "prepare", "train", "figures"]
    for line in lines:
        known = line.replace("$config", named["config"]).replace("$workdir", named["workdir"])
        arguments = accepted(["gdm", *shlex.split(known.replace('"$@"', "--config.training.steps=500"))])
        if line.startswith("train"):
            assert configs.load(ROOT / arguments.config, arguments.overrides).training.steps == 500
    assert shlex.split(lines[0])[2] in pretrained.files()


@pytest.mark.parametrize(
    "names, ran", [((), ["colab", "jax_0.10", "newest"]), (("jax_0.10", "-k", "ode"), ["jax_0.10"])]
)
def test_matrix_makes_the_environments_that_are_asked_for(names, ran, tmp_path):
    """With interpreters that do nothing, in a copy whose test.sh prints its interpreter, environment and arguments."""
    shutil.copytree(LAUNCH, tmp_path / "launch")
    (tmp_path / "launch" / "test.sh").write_text('echo "$PYTHON $GDM_VENV $(cat "$PIP_CONSTRAINT" | wc -l) $*"\n')
    (tmp_path / "python").write_text("#!/bin/sh\n")
    (tmp_path / "python").chmod(0o755)
    own = {f"PYTHON3_{minor}": str(tmp_path / "python") for minor in (11, 12, 13)}
    script = str(tmp_path / "launch" / "test_matrix.sh")
    found = bash(script, *names, **own)
    assert found.returncode == 0, found.stderr
    told = [line.split() for line in found.stdout.splitlines() if ".venv" in line]
    assert [words[1] for words in told] == [f".venv-{name}" for name in ran]
    assert all(words[0] == str(tmp_path / "python") and words[3:] == list(names[1:]) for words in told)
    limits = {words[1]: int(words[2]) for words in told}
    assert limits[".venv-jax_0.10"] == 1 and limits.get(".venv-newest", 0) == 0 and limits.get(".venv-colab", 9) > 5


@pytest.mark.parametrize("own", ["", "python"])
def test_matrix_without_its_python(own, tmp_path):
    """There is none, or one of another version."""
    (tmp_path / "python").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python").chmod(0o755)
    found = bash("launch/test_matrix.sh", "colab", PATH=str(bare(tmp_path)), PYTHON3_13=own and str(tmp_path / own))
    assert found.returncode == 69 and found.stderr == "colab: passed over, there is no Python 3.13\n"


def bare(folder):
    """A folder for PATH with what scripts need, and no Python."""
    for program in ("bash", "dirname", "mktemp", "rm"):
        (folder / program).symlink_to(shutil.which(program))
    return folder


def test_tpu_pod_only_prints_when_asked(tmp_path):
    """With a gcloud that would fail; the command that runs on every host is one that the program accepts."""
    for program, status in (("gcloud", 9), ("git", 0)):
        (tmp_path / program).write_text(f"#!/bin/sh\nexit {status}\n")
        (tmp_path / program).chmod(0o755)
    where = {"ZONE": "us-west4-a", "TYPE": "v5litepod-16", "BUCKET": "b", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["gdm", "train", "--config", "configs/digits.py", "--workdir", "runs/my digits"]
    command.append("--config.process.bands=(4, 12, 32)")
    printed = {}
    for action in ("create", "install", "run", "log", "stop", "resume", "delete"):
        words = [action, "gdm", *(command if action in ("run", "resume") else [])]
        found = bash("launch/tpu_pod.sh", *words, "--dry-run", **where)
        assert found.returncode == 0, found.stderr
        printed[action] = [shlex.split(line[2:]) for line in found.stdout.splitlines()]
        assert printed[action]
        for line in printed[action]:
            assert line[0] == "git" or line[0] == "gcloud" and "--zone=us-west4-a" in line
        assert bash("launch/tpu_pod.sh", *words, **where).returncode == 9
    assert {"--accelerator-type=v5litepod-16", "--version=v2-alpha-tpuv5-lite"} <= set(printed["create"][0])
    (ran,) = (word for word in printed["run"][0] if word.startswith("--command="))
    arguments = accepted(shlex.split(re.search(r"'gdm' .* --coordinator auto", ran)[0]))
    assert arguments.coordinator == "auto" and arguments.workdir == "runs/my digits"
    assert arguments.overrides == command[-1:]
    steps = [line[:5] for name in ("delete", "create", "install", "run") for line in printed[name] if line[0] != "git"]
    assert [line[:5] for line in printed["resume"] if line[0] != "git"] == steps


@pytest.mark.parametrize("words", [["create"], ["crate", "gdm"], ["run", "gdm", "rm", "-rf"], []])
def test_tpu_pod_asked_for_something_else(words):
    found = bash("launch/tpu_pod.sh", *words, ZONE="us-west4-a")
    assert found.returncode == 2 and found.stderr.splitlines()[-1].startswith("tpu_pod: ")


def test_jobset():
    """As many pods as the command says, the coordinator one of them, and its port open."""
    jobs = yaml.safe_load((LAUNCH / "jobset.yaml").read_text())
    (job,) = jobs["spec"]["replicatedJobs"]
    spec = job["template"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    (command,) = container["args"]
    arguments = accepted(shlex.split(command.replace("$JOB_COMPLETION_INDEX", "3"))[1:])
    host, port = arguments.coordinator.split(":")
    name = jobs["metadata"]["name"]
    assert host == f"{name}-{job['name']}-0-0.{name}" and int(port) == container["ports"][0]["containerPort"]
    assert arguments.processes == spec["completions"] == spec["parallelism"] and arguments.process == 3


def test_docker_copies_what_there_is():
    lines = re.findall(r"^COPY (.+) \S+$", (LAUNCH / "Dockerfile").read_text(), re.MULTILINE)
    files = [file for line in lines for file in line.split()]
    assert {"setup.py", "README.md", "."} < set(files)
    assert all((ROOT / file).exists() for file in files)


def test_a_process_that_fails_ends_the_others():
    found = bash("launch/local_pod.sh", "3", "bash", "-c", '[ "$5" = 1 ] && exit 7; exec sleep 300')
    assert found.returncode == 7  # and at once: what is left holds the output open


def test_local_pod_needs_a_number_and_a_command():
    for words in ([], ["gdm"], ["0", "gdm"], ["2"]):
        found = bash("launch/local_pod.sh", *words)
        assert found.returncode == 2 and "needs a number of processes and a command" in found.stderr
