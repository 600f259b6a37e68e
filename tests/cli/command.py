"""Commands on a workdir, and what they write."""

import numpy as np

from gdm_jax import cli, data
from gdm_jax import config as configs
from gdm_jax.config import build

NAMES = "train sample encode decode fill edit likelihood analyse evaluate experiment".split()
NAMES += "explore info models export plan prepare figures".split()


def run(words, workdir, out, **paths) -> int:
    """One command on a workdir; words are split at blanks."""
    command, *rest = words.format(**paths).split()
    return cli.main([command, "--workdir", str(workdir), "--out", str(out), *rest])


def arrays(path):
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def in_basis(workdir, x):
    """The process of a run, and `[n, 8, 8, 1]` images in the basis of its groups."""
    process = build.process(configs.of_workdir(workdir))
    return process, np.asarray(process.basis.forward(np.asarray(x).reshape(-1, 8, 8, 1)))


def digits_of(workdir, count):
    """The first images of the data set of a run, in [-1, 1]."""
    return data.examples(data.open_source(configs.of_workdir(workdir).data), range(count))[0]
