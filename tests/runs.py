"""What tests of runs compare: states, losses, files."""

import functools

import jax
import numpy as np

from gdm_jax.training import log


def same(a, b, **tolerance):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    check = functools.partial(np.testing.assert_allclose, **tolerance) if tolerance else np.testing.assert_array_equal
    jax.tree.map(check, a, b)


def losses(workdir):
    return [(row["step"], row["loss"], row["grad_norm"]) for row in log.read(workdir)]


def listing(folder):
    return sorted((str(f.relative_to(folder)), f.stat().st_mtime_ns) for f in folder.rglob("*"))


