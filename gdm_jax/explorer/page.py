"""The page: controls that hold all settings, changes of the settings, and their pictures. Gradio lives here alone.

A slider sends the values of all controls, which are read as a `State`, and gets pictures back. Everything else that a
visitor does is a change (State, ...) -> State, whose result is written to the controls as well.
"""

from __future__ import annotations

import dataclasses
import importlib
import io
import os
import pathlib
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from gdm_jax import pretrained
from gdm_jax._registry import choose, first_line
from gdm_jax.data.images import Unreadable, read_image
from gdm_jax.drawing import grid
from gdm_jax.explorer.state import State, as_text, from_link, lines, link
from gdm_jax.explorer.studio import Studio
from gdm_jax.model import Model
from gdm_jax.pixels import to_uint8

__all__ = ["Page", "explore"]

GROUPS, ELEMENTS = 8, 6  # that have sliders
CHOICES = 64  # groups that can be kept
SIDE = 384  # of the picture on the page, in pixels
EXTENT = 4.0  # of an element's slider, in standard deviations
COLOURS = ("#ffffff", "#000000", "#d03020", "#f0c020", "#30a040", "#2050c0")
INTRODUCTION = """# The latent of a groupwise diffusion model

An image has one latent. Its groups decide one thing after another: in a basis of frequencies, from coarse to fine.
"""
WHERE = "() => [window.location.origin + window.location.pathname, window.location.search]"


def explore(model: Model | str | os.PathLike = "fruits", *, name: str = "model", **launch: Any) -> Any:
    """Open a page to play with the latent of a model of images, in a browser or in a cell of a notebook.

    Args:
      model: A model, or what `gdm_jax.load` takes. Models that ship can be chosen on the page.
      name: What `gdm_jax.load` finds a given Model by, for the link and the lines of Python.
      **launch: Options of Gradio's `Blocks.launch`, e.g. server_port=7860, or share=True for an address for others.

    Returns:
      Gradio's page, which `close()` ends. A script has to wait for visitors itself, e.g. by `block_thread()`.

    Raises:
      ImportError: If Gradio is not installed.
      ValueError: If the model is not one of images, or cannot be loaded.
    """
    known, name = ({name: model}, name) if isinstance(model, Model) else ({}, os.fspath(model))
    blocks = Page(Studio(known), name).blocks()
    blocks.launch(**{"quiet": True, "prevent_thread_lock": True, **launch})
    return blocks


class Page:
    """Controls and pictures. What goes wrong is said in words on the page, which stays as it was.

    Args:
      studio: What makes the pictures.
      model: Name of the model to begin with.
    """

    def __init__(self, studio: Studio, model: str) -> None:
        self.gr = _gradio()
        self.studio, self.start = studio, State(model)
        self.models = {name: name for name in [model, *pretrained.files()]}
        self._temporary = tempfile.TemporaryDirectory(prefix="gdm_explore_")  # is gone with the page
        self.folder = pathlib.Path(self._temporary.name)
        self.first = self.pictures("", self.start)  # also compiles, so that the page opens with pictures

    def blocks(self) -> Any:
        """The page, to be launched."""
        with self.gr.Blocks(title="gdm_jax", analytics_enabled=False) as page:
            controls = self._controls()
            outputs, others = self._layout(controls)
            self._events(page, controls, outputs, others)
        return page

    def pictures(self, address: str, state: State) -> list[Any]:
        """What is shown of the settings, in the order of the outputs; `address` is that of the page."""
        x = self.studio.x(state)
        file = self.folder / f"{abs(hash(link(state))):x}.png"
        small = to_uint8(x[0])
        Image.fromarray(small[..., 0] if small.shape[2] == 1 else small).save(file)
        drawn = [grid(x, columns=1, cell=SIDE), self.studio.parts(state, x), self.studio.images(state)]
        return [*drawn, str(file), f"{address}?{link(state)}", lines(state)]

    def read(self, values: Sequence[Any]) -> State:
        """The settings that the controls' values say."""
        given = dict(zip(_names(), values))
        numbers = {name: int(given[name] or 0) for name in ("seed", "donor", "fill")}
        shares = {j: float(given[f"share{j}"]) for j in range(GROUPS) if given[f"share{j}"]}
        redrawn = {j: int(given[f"redrawn{j}"]) for j in range(GROUPS) if given[f"redrawn{j}"]}
        moves = ((int(given[f"element{i}"] or 0), float(given[f"moved{i}"] or 0)) for i in range(ELEMENTS))
        moved = {element: amount for element, amount in moves if amount}
        keep = tuple(sorted(int(group) for group in given["keep"] or ()))
        texts = {name: given[name] for name in ("model", "image", "donor_image")}
        return State(shares=shares, redrawn=redrawn, moved=moved, keep=keep, **numbers, **texts)

    def write(self, state: State) -> list[Any]:
        """The controls' values that say these settings.

        Raises:
          ValueError: If there is no control for one of them.
        """
        choose(self.models, state.model, "model")
        k, update = self.studio.model(state.model).process.k, self.gr.update
        most = min(k, GROUPS)
        beyond = [group for group in (*state.shares, *state.redrawn) if not 0 <= group < most]
        if beyond or len(state.moved) > ELEMENTS:
            raise ValueError(f"link: there are sliders for groups 0 to {most - 1}, and for {ELEMENTS} elements at once")
        values = {name: getattr(state, name) for name in ("model", "seed", "image", "donor", "donor_image", "fill")}
        for j in range(GROUPS):
            values[f"share{j}"] = update(value=state.shares.get(j, 0), visible=j < k)
            values[f"redrawn{j}"] = update(value=state.redrawn.get(j, 0), visible=j < k)
        others = (element for element in range(len(state.moved) + ELEMENTS) if element not in state.moved)
        elements = sorted([*state.moved, *(next(others) for _ in range(ELEMENTS - len(state.moved)))])
        for i, element in enumerate(elements):
            values |= {f"element{i}": element, f"moved{i}": state.moved.get(element, 0)}
        choices = [str(j) for j in range(min(k, CHOICES))]
        values["keep"] = update(value=[str(group) for group in state.keep], choices=choices)
        return [values[name] for name in _names()]

    def _controls(self) -> dict[str, Any]:
        """The controls by name, not yet on the page; their values are all of its state."""
        gr, made = self.gr, {}
        for name, value in zip(_names(), self.write(self.start)):
            given = value if isinstance(value, dict) else {"value": value}
            given = {key: setting for key, setting in given.items() if key != "__type__"}
            given |= {"elem_id": name, "render": False}
            kind, number = name.rstrip("0123456789"), name.lstrip("abcdefghijklmnopqrstuvwxyz_")
            if kind == "model":
                made[name] = gr.Dropdown(list(self.models), label="Model", **given)
            elif kind in ("image", "donor_image"):
                made[name] = gr.Textbox(visible=False, **given)
            elif kind == "share":
                made[name] = gr.Slider(0, 1, step=0.05, label=f"Group {number}", scale=3, **given)
            elif kind == "moved":
                made[name] = gr.Slider(-EXTENT, EXTENT, step=0.1, label="Moved by", scale=3, **given)
            elif kind == "keep":
                made[name] = gr.CheckboxGroup(label="Keep groups", **given)
            else:
                labels = {"redrawn": "Noise, 0 its own", "element": "Element", "fill": "Seed"}
                whole = {"precision": 0, "minimum": 0, "scale": 2, "min_width": 120}
                made[name] = gr.Number(label=labels.get(kind, "Sample from seed"), **whole, **given)
        return made

    def _layout(self, c: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Places the controls; what shows pictures, in order, and whatever else events speak of."""
        gr, o = self.gr, {}
        shown = {"interactive": False, "format": "png", "buttons": ["download"]}
        picture, parts, images, file, address, code = self.first
        gr.Markdown(INTRODUCTION)
        o["base"], o["query"] = gr.Textbox(visible=False), gr.Textbox(visible=False)
        with gr.Row():
            with gr.Column(scale=2, min_width=260):
                c["model"].render()
                images = gr.Image(images, elem_id="images", show_label=False, **shown)
                for title, seed, text in (("First image", "seed", "image"), ("Second image", "donor", "donor_image")):
                    with gr.Group():
                        gr.Markdown(f"### {title}", padding=True)
                        c[seed].render()
                        c[text].render()
                        with gr.Row():
                            o[f"next_{seed}"] = gr.Button("Another", elem_id=f"next_{seed}", size="sm")
                            o[f"upload_{seed}"] = gr.UploadButton("Upload", elem_id=f"upload_{seed}", size="sm")
                with gr.Accordion("Draw the first image", open=False):
                    o["canvas"] = gr.Sketchpad(self._paper(self.start.model), elem_id="canvas", brush=self._brush())
                    o["drawn"] = gr.Button("Take the drawing", elem_id="drawn", size="sm")
                o["again"] = gr.Button("Start again", elem_id="again", size="sm")
            with gr.Column(scale=3, min_width=420):
                picture = gr.Image(picture, elem_id="picture", show_label=False, **shown)
                said = gr.Markdown(elem_id="said")
                gr.Markdown("What each group of the data adds to it:")
                parts = gr.Image(parts, elem_id="parts", show_label=False, **shown)
            with gr.Column(scale=2, min_width=320):
                with gr.Tab("Groups"):
                    gr.Markdown("How far a group is on the way to the second image. Noise 1, 2, ... draws it anew.")
                    self._rows(c, [(f"share{j}", f"redrawn{j}") for j in range(GROUPS)])
                with gr.Tab("Elements"):
                    gr.Markdown("What is added to single elements of the latent; 0 is the lowest frequency.")
                    self._rows(c, [(f"moved{i}", f"element{i}") for i in range(ELEMENTS)])
                with gr.Tab("Generate the rest"):
                    gr.Markdown("The groups of the picture that are kept. The others are generated given them.")
                    self._rows(c, [("keep",), ("fill",)])
                    gr.Markdown("With groups of pixels, paint over what is to be generated anew.")
                    o["region"] = gr.ImageEditor(elem_id="region", sources=(), type="pil", layers=False)
                    with gr.Row():
                        o["paint"] = gr.Button("Take the picture", elem_id="paint", size="sm")
                        o["filled"] = gr.Button("Generate what is painted", elem_id="filled", size="sm")
        with gr.Row():
            o["strip"] = gr.Button("From noise to data", elem_id="strip")
            o["film"] = gr.Button("Film", elem_id="film")
            file = gr.DownloadButton("Download", value=file, elem_id="download")
        way = gr.Image(visible=False, elem_id="way", label="From noise to data", **shown)
        address = gr.Textbox(address, label="Link to these settings", elem_id="link", buttons=["copy"])
        code = gr.Code(code, label="The same in Python", elem_id="code", language="python", interactive=False)
        return [picture, parts, images, file, address, code, way, said], o

    def _events(self, page: Any, c: dict[str, Any], outputs: list[Any], o: dict[str, Any]) -> None:
        """What happens at which event."""
        controls, (picture, *_, way, said) = list(c.values()), outputs
        blank = [self.gr.update(visible=False)]  # the way of other settings

        def show(base: str, *values: Any) -> list[Any]:
            return self.pictures(base, self.read(values)) + blank

        def changes(event: Callable, change: Callable[..., State], *more: Any) -> None:
            def run(base: str, *values: Any) -> list[Any]:
                state = change(self.read(values), *values[len(controls) :])
                return self.write(state) + self.pictures(base, state) + blank

            told = self._told(run, len(controls) + len(outputs))
            event(told, [o["base"], *controls, *more], [*controls, *outputs], show_progress_on=picture)

        def opened(base: str, query: str) -> list[Any]:
            state = from_link(query.removeprefix("?"), self.start.model)
            return [base, *self.write(state), *self.pictures(base, state), *blank]

        for control in controls[1:]:
            live = {"show_progress": "hidden", "trigger_mode": "always_last"}
            control.input(self._told(show, len(outputs)), [o["base"], *controls], outputs, **live)
        changes(c["model"].input, self._begin)
        c["model"].change(self._paper, c["model"], o["canvas"])
        changes(o["again"].click, self._begin)
        for seed, text in (("seed", "image"), ("donor", "donor_image")):
            changes(o[f"next_{seed}"].click, _another(seed, text))
            changes(o[f"upload_{seed}"].upload, self._uploaded(text), o[f"upload_{seed}"])
        changes(o["drawn"].click, self._drawn, o["canvas"])
        changes(o["filled"].click, self._filled, o["region"])
        o["paint"].click(lambda picture: picture, picture, o["region"])
        for name, make in (("strip", self._strip), ("film", self._film)):
            o[name].click(self._told(make, 2), controls, [way, said], show_progress_on=picture)
        page.load(self._told(opened, 1 + len(controls) + len(outputs)), [o["base"], o["query"]],
                  [o["base"], *controls, *outputs], js=WHERE, show_progress_on=picture)  # fmt: skip

    def _told(self, run: Callable[..., list[Any]], count: int) -> Callable[..., list[Any]]:
        """The function with an empty message behind its results; or, if it raises, the words alone."""

        def told(*values: Any) -> list[Any]:
            try:
                return [*run(*values), ""]
            except (ValueError, RuntimeError, OSError) as error:
                return [self.gr.skip()] * (count - 1) + [f"**This cannot be done.** {first_line(error)}"]

        return told

    def _rows(self, c: dict[str, Any], rows: Sequence[Sequence[str]]) -> None:
        for names in rows:
            with self.gr.Row():
                for name in names:
                    c[name].render()

    def _begin(self, state: State) -> State:
        return State(state.model)

    def _uploaded(self, field: str) -> Callable[[State, str], State]:
        def taken(state: State, file: str) -> State:
            return dataclasses.replace(state, **{field: self._read(state, file, pathlib.Path(file).name)})

        return taken

    def _drawn(self, state: State, drawn: dict[str, Any]) -> State:
        file = io.BytesIO()
        drawn["composite"].save(file, "PNG")
        return dataclasses.replace(state, image=self._read(state, file, "the drawing"))

    def _read(self, state: State, file: str | io.BytesIO, name: str) -> str:
        """An image file at the model's size, as the text of a link."""
        try:
            return as_text(read_image(file, self.studio.model(state.model).config.data.shape))
        except Unreadable as error:
            raise ValueError(f"{name} is no image that can be read ({error})") from error

    def _filled(self, state: State, region: dict[str, Any] | None) -> State:
        height, width, _ = self.studio.model(state.model).config.data.shape
        painted = np.zeros((height, width), bool)
        for layer in (region or {}).get("layers") or []:
            painted |= np.asarray(layer.convert("RGBA").resize((width, height), Image.Resampling.BOX))[..., 3] > 127
        keep = self.studio.given_outside(state, painted)
        return dataclasses.replace(state, keep=keep, fill=state.fill + (keep == state.keep))

    def _strip(self, *values: Any) -> list[Any]:
        return [self.gr.update(value=self.studio.strip(self.read(values)), visible=True)]

    def _film(self, *values: Any) -> list[Any]:
        state = self.read(values)
        file = self.studio.film(state, self.folder / f"{abs(hash(link(state))):x}.gif")
        return [self.gr.update(value=str(file), visible=True)]

    def _paper(self, model: str) -> Image.Image:
        """Paper to draw on, of the colour of the images' border."""
        colour = self.studio.canvas(model)
        return Image.new("RGB", (SIDE, SIDE), colour * (3 // len(colour)))

    def _brush(self) -> Any:
        dark = sum(self.studio.canvas(self.start.model)) < 128
        colours = COLOURS if dark else COLOURS[1:] + COLOURS[:1]
        return self.gr.Brush(default_size=SIDE // 12, colors=list(colours), default_color=colours[0])


def _another(seed: str, text: str) -> Callable[[State], State]:
    return lambda state: dataclasses.replace(state, **{seed: getattr(state, seed) + 1, text: ""})


def _names() -> list[str]:
    """Names of the controls, in the order in which their values travel."""
    groups = [f"{kind}{j}" for kind in ("share", "redrawn") for j in range(GROUPS)]
    elements = [f"{kind}{i}" for kind in ("element", "moved") for i in range(ELEMENTS)]
    return ["model", "seed", "image", "donor", "donor_image", *groups, *elements, "keep", "fill"]


def _gradio() -> Any:
    try:
        return importlib.import_module("gradio")
    except ImportError as error:
        raise ImportError("the page needs Gradio: pip install 'gdm-jax[explore]'") from error
