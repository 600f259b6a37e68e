"""The settings of the page: what they are, the link that holds them all, and the lines of Python that do the same.

    z       latent of the first image
    z_j     group j of it is mixed with that of the second image          latent.interpolate
            or drawn anew from a seed                                     latent.swap
    z_e     element e is moved                                            latent.traverse
    x       decoded; then all but some of its groups may be generated     Model.decode, Model.fill
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import dataclasses
import io
import math
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from gdm_jax import keys, pixels

__all__ = ["State", "as_text", "from_link", "image", "lines", "link"]

LARGEST = 2**20  # pixels of an image in a link, and characters


@dataclasses.dataclass(frozen=True)
class State:
    """What is shown. Without changes it is the sample from seed 0.

    Attributes:
      model: Folder, file or name of the model.
      seed: Seed of the first image.
      image: An image that takes the place of this sample, as `as_text` writes it.
      donor: Seed of the second image.
      donor_image: An image that takes the place of that sample.
      shares: Group -> how far it is on the way to the second image, from 0 to 1.
      redrawn: Group -> seed of the noise that it is drawn anew from.
      moved: Element -> what is added to it, in standard deviations; in all channels.
      keep: Groups of the picture that stay when the others are generated given them. Empty generates nothing.
      fill: Seed of the noise that they are generated from.
    """

    model: str
    seed: int = 0
    image: str = ""
    donor: int = 1
    donor_image: str = ""
    shares: Mapping[int, float] = dataclasses.field(default_factory=dict)
    redrawn: Mapping[int, int] = dataclasses.field(default_factory=dict)
    moved: Mapping[int, float] = dataclasses.field(default_factory=dict)
    keep: tuple[int, ...] = ()
    fill: int = 0


def as_text(x: UInt8[np.ndarray, "height width channel"]) -> str:
    """An image as the text of a PNG file, in the alphabet of links."""
    file = io.BytesIO()
    Image.fromarray(x[..., 0] if x.shape[2] == 1 else x).save(file, "PNG", optimize=True)
    return base64.urlsafe_b64encode(file.getvalue()).decode().rstrip("=")


def image(text: str, shape: Sequence[int] = ()) -> Float[np.ndarray, "1 height width channel"]:
    """The image of a link, in [-1, 1].

    Args:
      text: What `as_text` wrote.
      shape: Height, width and channels that it must have, if they are given.

    Raises:
      ValueError: If the text holds no image, one of another shape, or a huge one.
    """
    with _whole_image():
        file = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        opened = Image.open(io.BytesIO(file), formats=("PNG",))  # decodes nothing yet
    mode = "L" if opened.mode in ("L", "1") else "RGB"
    found = (opened.height, opened.width, len(mode))
    if found != (tuple(shape) or found) or found[0] * found[1] > LARGEST:
        there, wanted = ("x".join(map(str, size)) for size in (found, shape or ("smaller",)))
        raise ValueError(f"image: it is {there}, and the model's images are {wanted}")
    with _whole_image():
        x = np.asarray(opened.convert(mode))
    return np.asarray(pixels.to_model_range(x.reshape(1, *x.shape[:2], -1)), np.float32)


@contextlib.contextmanager
def _whole_image() -> Iterator[None]:
    try:
        yield
    except (binascii.Error, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise ValueError("image: the link holds no whole image") from error


def link(state: State) -> str:
    """All settings in a line, to stand behind the # of an address, which browsers keep to themselves.

    >>> link(State("digits", seed=3, shares={0: 0.5}, keep=(0, 1)))
    'model=digits&seed=3&shares=0:0.5&keep=0,1'
    """
    blank, words = State(state.model), [("model", state.model)]
    for field in dataclasses.fields(State)[1:]:
        value = getattr(state, field.name)
        if value == getattr(blank, field.name):
            continue
        if isinstance(value, Mapping):
            value = ",".join(f"{at}:{amount!r}" for at, amount in sorted(value.items()))
        elif isinstance(value, tuple):
            value = ",".join(map(str, value))
        words.append((field.name, str(value)))
    return urllib.parse.urlencode(words, safe=":,/")


def from_link(query: str, model: str = "") -> State:
    """The settings that a line holds.

    Args:
      query: What `link` wrote.
      model: The model, if it names none.

    Raises:
      ValueError: if a field is unknown or its value is none.
    """
    try:
        given = dict(urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else [])
    except ValueError as error:
        raise ValueError(f"link: {query[:40]!r} holds no settings") from error
    unknown = given.keys() - _READ.keys()
    if unknown:
        raise ValueError(f"link: there is no setting {min(unknown)[:40]!r}; there are {', '.join(_READ)}")
    values: dict[str, Any] = {"model": model}
    for name, text in given.items():
        try:
            values[name] = _READ[name](text)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"link: {name} cannot be {text[:40]!r}") from error
    return State(**values)


def lines(state: State) -> str:
    """The lines of Python that make the picture of these settings, `x`."""
    uses_image = state.image or (state.shares and state.donor_image)
    told = ", solver='euler', steps=model.inverse_steps" if state.image else ""
    text = ["import gdm_jax as gdm", *(["from gdm_jax import explorer"] if uses_image else []), ""]
    text += [f"model = gdm.load({state.model!r})"]
    text += [f"z = {_latent(state.seed, state.image)}"]
    if state.shares:
        text += [f"donor = {_latent(state.donor, state.donor_image)}"]
    for group, share in sorted(state.shares.items()):
        text += [f"z = gdm.latent.interpolate(model.process, z, donor, [{group}], [{share!r}])[0]"]
    for group, seed in sorted(state.redrawn.items()):
        text += [f"z = gdm.latent.swap(model.process, z, model.noise([{seed}], \"resample\"), [{group}])"]
    for element, amount in sorted(state.moved.items()):
        text += [f"z = gdm.latent.traverse(model.process, z, {element}, [{amount!r}], relative=True)[0]"]
    text += [f"x = model.decode(z{told})"]
    if state.keep:
        text += [f"x = model.fill(x, {list(state.keep)}, seeds=[{state.fill}])"]
    return "\n".join(text) + "\n"


def _latent(seed: int, text: str) -> str:
    return f"model.invert(explorer.image({text!r})).z" if text else f"model.noise([{seed}])"


def _seed(text: str) -> int:
    keys.check_seeds([int(text)])
    return int(text)


def _noise(text: str) -> int:
    seed = _seed(text)
    if seed == 0:
        raise ValueError("0 stands for its own noise")
    return seed


def _amounts(of: Callable[[str], Any]) -> Callable[[str], dict[int, Any]]:
    def read(text: str) -> dict[int, Any]:
        pairs = (pair.split(":") for pair in text.split(","))
        return {int(at): of(amount) for at, amount in pairs}

    return read


def _finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(text)
    return float(text)


def _share(text: str) -> float:
    if not 0 <= float(text) <= 1:
        raise ValueError(text)
    return float(text)


def _short(text: str) -> str:
    if len(text) > LARGEST:
        raise ValueError("too long")
    return text


_READ: dict[str, Callable[[str], Any]] = {
    "model": str,
    "seed": _seed,
    "image": _short,
    "donor": _seed,
    "donor_image": _short,
    "shares": _amounts(_share),
    "redrawn": _amounts(_noise),
    "moved": _amounts(_finite),
    "keep": lambda text: tuple(int(group) for group in text.split(",")),
    "fill": _seed,
}
