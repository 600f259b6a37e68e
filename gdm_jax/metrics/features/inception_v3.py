"""Inception features, `[n, 2048]`: those of the FID  (Heusel et al. 2017).

The network is the one of 2015-12-05 after its last pooling, as torch-fidelity carries it over from TensorFlow with its
way of enlarging images to 299x299. Distances from other Inception networks or other ways of resizing do not compare.
"""

from __future__ import annotations

import io
import os
import pathlib
from typing import Any

import numpy as np

from gdm_jax._registry import first_line
from gdm_jax.metrics.checks import FeatureFunction, check_images
from gdm_jax.metrics.features.batches import in_batches
from gdm_jax.pixels import to_uint8

__all__ = ["INCEPTION_URL", "inception"]

INCEPTION_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
)


def inception(weights: str | os.PathLike | None = None, *, batch: int = 64) -> FeatureFunction:
    """A feature function of images in [-1, 1], which gives float32 `[n, 2048]` (`pip install "gdm-jax[fid]"`).

    Images are first rounded to bytes, as files of images are. Images of one channel are repeated to three. PyTorch runs
    on a CUDA device where it finds one.

    Args:
      weights: Path of a copy of the weights. None downloads the file once to PyTorch's cache. "random" is an untrained
        network, for trying things out. A file is read without executing anything in it.
      batch: Number of images computed at a time.

    Raises:
      ValueError: if batch is below 1, or the file is not of this network's weights.
      FileNotFoundError: if the file of weights does not exist.
      ImportError: if torch-fidelity cannot be imported.
      ConnectionError: if the weights cannot be downloaded.
    """
    if batch < 1:
        raise ValueError(f"inception: batch must be at least 1, got {batch}")
    if weights is not None and not isinstance(weights, (str, os.PathLike)):
        raise ValueError(f'inception: weights must be None, "random" or the path of a file, got {weights!r}')
    if weights not in (None, "random") and not pathlib.Path(weights).is_file():
        how = f"pass None, or the path of a copy of {INCEPTION_URL}"
        raise FileNotFoundError(f"inception: no weights at {weights}; {how}")
    try:
        import torch  # pyright: ignore[reportMissingImports]  (in an extra, as the next)
        import torch_fidelity  # pyright: ignore[reportMissingImports]
    except (ImportError, OSError, RuntimeError) as error:  # the last two where libraries below PyTorch do not fit
        how = 'pip install "gdm-jax[fid]"'
        raise ImportError(f"inception: torch-fidelity cannot be imported ({first_line(error)}); {how}") from error
    net = _untrained(torch, torch_fidelity)
    if weights != "random":
        _load(torch, torch_fidelity, net, weights)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = net.to(device)

    def apply(images):
        colour = np.broadcast_to(to_uint8(images), (*images.shape[:3], 3)).transpose(0, 3, 1, 2)
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return net(torch.from_numpy(np.ascontiguousarray(colour)).to(device))[0].cpu().numpy()

    def features(images: Any) -> np.ndarray:
        images = check_images("inception", images)
        if images.shape[-1] not in (1, 3):
            raise ValueError(f"inception: images must have 1 or 3 channels, got {images.shape[-1]}")
        return in_batches(apply, images, batch)

    return features


def _untrained(torch, torch_fidelity):
    """The network with random weights, the same ones always.

    Its class reads a file as it is made, and would run what a pickle in it says; so it is given an empty one of ours.
    """

    class Untrained(torch_fidelity.FeatureExtractorInceptionV3):
        def load_state_dict(self, *_, **__):
            """Leave the weights as they are."""

    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    with torch.random.fork_rng(devices=[]):  # layers draw from the user's generator
        net = Untrained("inception", ["2048"], feature_extractor_weights_path=empty)
    generator = torch.Generator().manual_seed(0)
    for name, parameter in net.named_parameters():
        if name.endswith("conv.weight"):
            torch.nn.init.kaiming_normal_(parameter, nonlinearity="relu", generator=generator)
    return net


def _load(torch, torch_fidelity, net, weights):
    """Bring the weights of a file, or of the download, into the network."""
    state = None
    if weights is None:
        try:
            state = torch.hub.load_state_dict_from_url(
                INCEPTION_URL, map_location="cpu", check_hash=True, weights_only=True
            )
        except Exception as error:  # of the network, the disk or the file's hash
            how = f"fetch {INCEPTION_URL} where there is a network and pass its path as weights"
            raise ConnectionError(f"inception: the weights cannot be downloaded ({error}); {how}") from error
    try:
        if weights is not None:
            state = torch.load(weights, map_location="cpu", weights_only=True)
        torch_fidelity.FeatureExtractorInceptionV3.load_state_dict(net, state)
    except Exception as error:  # whatever the reader of the file's format raises
        reason, how = first_line(error), f"pass the path of a copy of {INCEPTION_URL}"
        raise ValueError(f"inception: {weights or 'the download'} does not fit ({reason}); {how}") from error
