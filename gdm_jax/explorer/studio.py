"""Settings -> pictures. Models and the latents of images are kept, so that a moved slider decodes and does no more."""

from __future__ import annotations

import collections
import os
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from PIL import Image

from gdm_jax import drawing, latent
from gdm_jax.explorer.controls import GROUPS
from gdm_jax.explorer.state import State, image
from gdm_jax.model import Model, load
from gdm_jax.pixels import to_uint8
from gdm_jax.process.groups import check_groups
from gdm_jax.process.process import Process
from gdm_jax.reports import edits, samples
from gdm_jax.reports.edits import Source

__all__ = ["Studio"]

KEPT = 64  # latents of images that are remembered

Picture = Float[np.ndarray, "1 height width channel"]


class Studio:
    """Makes the pictures of settings.

    Args:
      models: Models that are there already, by name.
    """

    def __init__(self, models: dict[str, Model] | None = None) -> None:
        self._models = dict(models or {})
        self._sources: collections.OrderedDict[tuple, Source] = collections.OrderedDict()

    def model(self, name: str) -> Model:
        """The model of a name, loaded once.

        Raises:
          ValueError: as `gdm_jax.load`; or if it is not one of images.
        """
        if name not in self._models:
            self._models[name] = load(name)
        model = self._models[name]
        shape = model.config.data.shape
        if len(shape) != 3 or shape[2] not in (1, 3):
            raise ValueError(f"model: {name!r} is of data of shape {'x'.join(map(str, shape))}; the page shows images")
        return model

    def source(self, state: State, donor: bool = False) -> Source:
        """The first or the second image, with the latent that decodes to it.

        Raises:
          ValueError: if the image is of another size than the model's.
        """
        seed, text = (state.donor, state.donor_image) if donor else (state.seed, state.image)
        key = (state.model, text or seed)
        if key not in self._sources:
            model = self.model(state.model)
            if text:
                self._sources[key] = edits.from_images(model, image(text, model.config.data.shape))
            else:
                self._sources[key] = edits.from_seeds(model, [seed])
        self._sources.move_to_end(key)
        while len(self._sources) > KEPT:
            self._sources.popitem(last=False)
        return self._sources[key]

    def warning(self, state: State) -> str:
        """Words where an image's latent does not decode to it; else nothing."""
        images = [("first", self.source(state))]
        images += [("second", self.source(state, donor=True))] if state.shares else []
        lost = " and the ".join(name for name, source in images if source.uncertain)
        return f"The latent of the {lost} image does not decode to it: do not trust it." if lost else ""

    def latent(self, state: State) -> Float[np.ndarray | jax.Array, "1 height width channel"]:
        """The latent of the settings.

        Raises:
          ValueError: if there is no such group or element; or as `source`.
        """
        model, z = self.model(state.model), self.source(state).z
        process = model.process
        check_groups(sorted({*state.shares, *state.redrawn}), process.k)
        for group, share in sorted(state.shares.items()):
            z = latent.interpolate(process, z, self.source(state, donor=True).z, [group], [share])[0]
        for group, seed in sorted(state.redrawn.items()):
            z = latent.swap(process, z, model.noise([seed], "resample"), [group])
        for element, amount in sorted(state.moved.items()):
            z = latent.traverse(process, z, element, [amount], relative=True)[0]
        return z

    def x(self, state: State) -> Picture:
        """The picture of the settings, in [-1, 1].

        Raises:
          ValueError: if the model cannot generate the rest given the groups that are kept; or as `latent`.
        """
        model, source = self.model(state.model), self.source(state)
        if state.keep:
            model.given(state.keep)  # refuse before anything is solved
        x = model.decode(np.asarray(self.latent(state)), **source.options)
        return model.fill(x, state.keep, seeds=[state.fill]) if state.keep else x

    def images(self, state: State) -> Image.Image:
        """The first and the second image as they are."""
        both = np.concatenate([self.source(state).x, self.source(state, donor=True).x])
        return drawing.grid(both, columns=2, cell=128, heads=["first", "second"])

    def parts(self, state: State, x: Picture) -> Image.Image:
        """What each group adds to a picture; what is of other groups is mid-grey."""
        cells = np.asarray(_parts(self.model(state.model).process, jnp.asarray(x)))
        heads = [f"group {j}" for j in range(len(cells))]
        return drawing.grid(cells, columns=len(cells), heads=heads, cell=80)

    def strip(self, state: State) -> Image.Image:
        """The picture from noise to data."""
        model, (times, states) = self.model(state.model), self._on_the_way(state)
        return samples.strip(model, times, samples.begun(model, times, states))

    def film(self, state: State, path: str | os.PathLike) -> pathlib.Path:
        """A film of how the picture comes about, and its path."""
        model, (times, states) = self.model(state.model), self._on_the_way(state)
        moments = [samples.moment(model.schedule, 1 - t) for t in times]
        drawing.film(samples.begun(model, times, states), path, captions=moments, cell=192)
        return pathlib.Path(path)

    def given_outside(self, state: State, region: Bool[np.ndarray, "height width"]) -> tuple[int, ...]:
        """The groups of pixels that a region leaves alone, to be kept while the others are generated.

        Raises:
          ValueError: if the model's groups are no pixels, the region is empty, or the model cannot generate it alone.
        """
        model = self.model(state.model)
        if model.process.basis.matrices:
            raise ValueError("region: this model's groups are bands of frequencies; choose the bands to keep instead")
        index = np.asarray(model.process.groups.index)
        touched = np.unique(index.reshape(*region.shape, -1)[region])
        if not len(touched):
            raise ValueError("region: paint the part of the picture that is to be generated anew")
        keep = tuple(j for j in range(model.process.k) if j not in touched)
        if not keep:
            raise ValueError("region: it touches every group, so that nothing is left to go on from")
        model.given(keep)
        return keep

    def paper(self, name: str) -> tuple[int, ...]:
        """The colour of the paper to draw on: that at the border of a sample."""
        x = self.source(State(name)).x[0]
        border = np.concatenate([x[0], x[-1], x[:, 0], x[:, -1]])
        return tuple(to_uint8(np.median(border, axis=0)).tolist())

    def _on_the_way(self, state: State) -> tuple[np.ndarray, np.ndarray]:
        model = self.model(state.model)
        options: dict[str, Any] = {**self.source(state).options, "frames": samples.frames(model)}
        _, times, states = model.decode(np.asarray(self.latent(state)), **options)
        return times, states


@jax.jit
def _parts(process: Process, x: jax.Array) -> Float[jax.Array, "groups height width channel"]:
    return jnp.concatenate([latent.keep(process, x, [group]) for group in range(min(process.k, GROUPS))])
