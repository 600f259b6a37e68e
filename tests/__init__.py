"""The tests, and how JAX compiles for them, which it has to be told before it is imported.

Eight CPU devices are forced, so that everything mapped over devices is run over several. Most programs run once or
twice and are compiled in a hurry.
"""

import importlib.metadata
import os

_FLAGS = ["--xla_force_host_platform_device_count=8"]
if tuple(map(int, importlib.metadata.version("jaxlib").split(".")[:3])) < (0, 11, 1):
    _FLAGS.append("--xla_cpu_use_fusion_emitters=false")  # half the time; later ones do not know it, and would end here

os.environ.setdefault("XLA_FLAGS", " ".join(_FLAGS))
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
