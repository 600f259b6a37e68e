"""Shared fixtures."""

import pathlib
import shutil

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax import config as configs
from gdm_jax import training
from tests import precision
from tests.runs import config_file

SIZE = 4


def _permutation(size):
    """An arbitrary partition in no order at all."""
    return gdm.groups.from_index(np.random.default_rng(3).permutation(np.arange(size * size) % 3).reshape(size, size))


GROUPS = {
    "single": lambda n: gdm.groups.single((n, n)),
    "bottom_to_top": lambda n: gdm.groups.bottom_to_top((n, n), 2),
    "right_to_left": lambda n: gdm.groups.right_to_left((n, n), 3),
    "blockwise": lambda n: gdm.groups.blockwise((n, n), (2, 2)),
    "cascade": lambda n: gdm.groups.cascade((n, n), 2),
    "cascade_inverse": lambda n: gdm.groups.cascade_inverse((n, n), 3),
    "per_element": lambda n: gdm.groups.per_element((n, n)),
    "frequency_bands": lambda n: gdm.groups.frequency_bands(gdm.basis.dct(n).rank, (2, 6, 10)),
    "any": _permutation,
    "per_channel": lambda n: gdm.groups.from_index(np.arange(n * n * 2).reshape(n, n, 2) % 3),
}
BASES = {
    "identity": lambda n: gdm.basis.identity(),
    "dct": lambda n: gdm.basis.dct(n),
    "gaussian_blur": lambda n: gdm.basis.gaussian_blur(n, 0.4),
}


@pytest.fixture(scope="module", autouse=True)
def room_for_programs():
    """A process may map 65,530 pieces of memory, and XLA needs some for every program that it keeps: let go in time."""
    yield
    maps = pathlib.Path("/proc/self/maps")
    if maps.exists() and len(maps.read_bytes().splitlines()) > 20_000:
        jax.clear_caches()


@pytest.fixture
def unchecked():
    """Values that the annotations forbid reach the function, which has to say itself what is wrong with them."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def double():
    """Double precision."""
    with precision.double():
        yield


@pytest.fixture(params=GROUPS)
def groups(request):
    return GROUPS[request.param](SIZE)


@pytest.fixture(params=BASES)
def basis(request):
    return BASES[request.param](SIZE)


@pytest.fixture(params=["linear", "variance_preserving"])
def process(request, groups, basis):
    """Every grouping x basis x interpolant, on 4x4 images of two channels."""
    return gdm.Process(groups, basis, interpolant=request.param)


@pytest.fixture
def pair():
    """Data and noise, `[3, 4, 4, 2]`."""
    x, z = jax.random.normal(jax.random.key(0), (2, 3, SIZE, SIZE, 2))
    return jnp.tanh(x), z


@pytest.fixture(scope="session")
def digits_dir(tmp_path_factory):
    """The bundled digits, prepared once."""
    pytest.importorskip("sklearn", reason="scikit-learn carries the digits; pip install gdm-jax[test]")
    return str(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def tiny(digits_dir):
    """Config of a small MLP on digits in four bands; keyword arguments change fields of config.training."""

    def make(**changes):
        values = {
            "batch": 16, "steps": 12, "warmup_images": 64, "ema_halflife_images": 100, "ema_ramp": 0.5,
            "log_every": 1, "save_every": 3, "sample_every": 0, "keep": 4,
        }
        return configs.from_dict(
            {
                "data": {"name": "digits", "dir": digits_dir},
                "process": {"groups": "frequency_bands", "basis": "dct", "bands": [4, 12, 32]},
                "model": {"name": "mlp", "channels": 32, "blocks": 1},
                "training": values | changes,
                "sampling": {"steps": [4]},
            }
        )

    return make


@pytest.fixture(scope="session")
def file(tiny, tmp_path_factory):
    """The same as a file for --config."""
    return config_file(tiny(), tmp_path_factory.mktemp("config") / "tiny.py")


@pytest.fixture(scope="session")
def run(tiny, tmp_path_factory):
    """(workdir, final state) of twelve uninterrupted steps, with a picture at the end. Not to be written to."""
    workdir = tmp_path_factory.mktemp("run")
    return workdir, training.train(tiny(sample_every=12), workdir, progress=False)


@pytest.fixture
def workdir(run, tmp_path):
    """A copy of that run."""
    return pathlib.Path(shutil.copytree(run[0], tmp_path / "copy"))


@pytest.fixture(scope="session", autouse=True)
def compile_once(tmp_path_factory):
    """Programs of all tests are shared through JAX's compilation cache, those of the `gdm` command included."""
    folder = str(tmp_path_factory.mktemp("cache"))
    jax.config.update("jax_compilation_cache_dir", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", folder)
        yield


@pytest.fixture
def optimised():
    """Programs that compute for long: XLA makes them fast, as it does for users."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)
