"""The page: controls, pictures of what they say, and what a visitor does to them. Gradio is known to this room alone.

A slider sends the values of all controls, which are read as a `State`, and gets pictures back. Everything else that a
visitor does is a change (State, ...) -> State, whose result is written to the controls as well.
"""

from __future__ import annotations

import dataclasses
import html
import importlib
import io
import os
import pathlib
import tempfile
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from gdm_jax import pretrained
from gdm_jax._registry import choose, first_line
from gdm_jax.data.images import Unreadable, read_image
from gdm_jax.drawing import grid
from gdm_jax.explorer import controls
from gdm_jax.explorer.state import State, as_text, from_link, lines, link
from gdm_jax.explorer.studio import Studio
from gdm_jax.model import Model

__all__ = ["Opened", "Page", "Shown", "explore"]

SIDE = 384  # of the picture on the page, in pixels
COLOURS = ("#ffffff", "#000000", "#d03020", "#f0c020", "#30a040", "#2050c0")
INTRODUCTION = """# The latent of a groupwise diffusion model

An image has one latent. Its groups decide one thing after another: in a basis of frequencies, from coarse to fine.
"""
WHERE = """() => {
    window.onhashchange = () => window.location.reload();
    return [window.location.href.split("#")[0], window.location.hash.slice(1)];
}"""


class Opened(NamedTuple):
    """A page that is open.

    Attributes:
      url: Its address.
      blocks: Gradio's page.
    """

    url: str
    blocks: Any

    def __repr__(self) -> str:
        return f"<a page at {self.url}>"

    def close(self) -> None:
        """End it."""
        self.blocks.close()

    def wait(self) -> None:
        """Until Ctrl+C."""
        self.blocks.block_thread()


class Shown(NamedTuple):
    """What is shown of settings: the components of the page, or their values."""

    picture: Any
    parts: Any
    images: Any
    address: Any
    code: Any
    way: Any
    said: Any


def explore(model: Model | str | os.PathLike = "fruits", *, name: str = "model", **launch: Any) -> Opened:
    """Open a page to play with the latent of a model of images, in a browser or in a cell of a notebook.

    Args:
      model: A model, or what `gdm_jax.load` takes. Models that ship can be chosen on the page.
      name: What `gdm_jax.load` finds a given Model by, for the link and the lines of Python.
      **launch: Options of Gradio's `Blocks.launch`, e.g. server_port=7860, or share=True for an address for everybody.

    Returns:
      The page, which this process serves until `close` or its own end. A script says `wait()`.

    Raises:
      ImportError: If Gradio is not installed.
      ValueError: If the model is not one of images, or cannot be loaded.
    """
    known, name = ({name: model}, name) if isinstance(model, Model) else ({}, os.fspath(model))
    blocks = Page(Studio(known), name).blocks()
    blocks.launch(**{"quiet": True, "share": False, "prevent_thread_lock": True, "height": 1000, **launch})
    return Opened(blocks.share_url or blocks.local_url, blocks)


class Page:
    """Controls and pictures. What cannot be done is said in words, and controls and pictures stay as they were.

    Args:
      studio: What makes the pictures.
      model: Name of the model to begin with.
    """

    def __init__(self, studio: Studio, model: str) -> None:
        self.gr = _gradio()
        self.studio, self.start = studio, State(model)
        self.models = dict.fromkeys([model, *pretrained.files()])
        self._taken = threading.Lock()  # one thing at a time, also of what does not queue
        self._folder = tempfile.TemporaryDirectory(prefix="gdm_explore_")  # of films
        self.first = self.show("", self.start)  # also compiles, so that the page opens with pictures

    def blocks(self) -> Any:
        """The page, to be launched."""
        hour = 3600
        with self.gr.Blocks(title="gdm_jax", analytics_enabled=False, delete_cache=(hour, hour)) as page:
            self.controls = controls.make(self.gr, list(self.models))
            self.buttons: dict[str, Any] = {}
            self.base, self.asked = (self.gr.Textbox("", visible=False) for _ in range(2))
            self.shown = self._layout()
            self._events(page)
        return page

    def show(self, base: str, state: State, *, sources: bool = True) -> Shown:
        """What is shown of the settings; `base` is the address of the page. The two images only where asked for."""
        x = self.studio.x(state)
        picture, hidden = grid(x, columns=1, cell=SIDE), self.gr.update(visible=False)
        parts, images = self.studio.parts(state, x), self.studio.images(state) if sources else self.gr.skip()
        said = _words(self.studio.warning(state))
        return Shown(picture, parts, images, f"{base}#{link(state)}", lines(state), hidden, said)

    def read(self, values: Sequence[Any]) -> State:
        """The settings that the controls' values say."""
        return controls.read(dict(zip(self.controls, values)))

    def write(self, state: State, before: State | None = None) -> list[Any]:
        """The controls' values that say these settings; those that said it before are left alone."""
        choose(self.models, state.model, "model")
        k = self.studio.model(state.model).process.k
        values = controls.write(state, k)
        if before is not None and before.model == state.model:
            old = controls.write(before, k)
            return [self.gr.skip() if values[name] == old[name] else values[name] for name in self.controls]
        others = controls.of_model(k)
        return [self.gr.update(value=values[name], **others.get(name, {})) for name in self.controls]

    def _layout(self) -> Shown:
        """Places everything, and gives what shows pictures."""
        gr, c, b, first = self.gr, self.controls, self.buttons, self.first
        drawn = {"interactive": False, "format": "png", "show_label": False, "buttons": ["download"]}
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column(scale=2, min_width=180):
                c["model"].render()
                images = gr.Image(first.images, elem_id="images", **drawn)
                for title, seed, text in (("First image", "seed", "image"), ("Second image", "donor", "donor_image")):
                    with gr.Group():
                        gr.Markdown(f"### {title}", padding=True)
                        c[seed].render()
                        c[text].render()
                        with gr.Row():
                            b[f"next_{seed}"] = gr.Button("Another", elem_id=f"next_{seed}", size="sm")
                            b[f"upload_{seed}"] = gr.UploadButton("Upload", elem_id=f"upload_{seed}", size="sm")
                with gr.Accordion("Draw the first image", open=False, elem_id="draw"):
                    paper, brush = self._paper(self.start.model)
                    b["canvas"] = gr.Sketchpad(paper, brush=brush, type="pil", elem_id="canvas", show_label=False)
                    b["drawn"] = gr.Button("Use the drawing", elem_id="drawn", size="sm")
                b["again"] = gr.Button("Start again", elem_id="again", size="sm")
            with gr.Column(scale=3, min_width=240):
                picture = gr.Image(first.picture, elem_id="picture", **drawn)
                said = gr.HTML(elem_id="said")
                gr.Markdown("What each group of the data adds to it:")
                parts = gr.Image(first.parts, elem_id="parts", **drawn)
            with gr.Column(scale=2, min_width=220):
                with gr.Tab("Groups"):
                    gr.Markdown("How far a group is on the way to the second image, and a seed to draw it anew from.")
                    self._rows((f"share{j}", f"redrawn{j}") for j in range(controls.GROUPS))
                with gr.Tab("Elements"):
                    gr.Markdown("What is added to single elements of the latent; 0 is the lowest frequency.")
                    self._rows((f"moved{i}", f"element{i}") for i in range(controls.ELEMENTS))
                with gr.Tab("Generate the rest"):
                    gr.Markdown("The groups of the picture that are kept. The others are generated given them.")
                    self._rows([("keep",), ("fill",)])
                    gr.Markdown("With groups of pixels, paint over what is to be generated anew.")
                    b["region"] = gr.ImageEditor(elem_id="region", sources=(), type="pil", layers=False)
                    with gr.Row():
                        b["paint"] = gr.Button("Paint on this picture", elem_id="paint", size="sm")
                        b["filled"] = gr.Button("Generate what is painted", elem_id="filled", size="sm")
        with gr.Row():
            b["strip"] = gr.Button("From noise to data", elem_id="strip")
            b["film"] = gr.Button("Film", elem_id="film")
        way = gr.Image(visible=False, elem_id="way", **drawn)
        address = gr.Textbox(first.address, label="Link to these settings", elem_id="link", buttons=["copy"])
        code = gr.Code(first.code, label="The same in Python", elem_id="code", language="python", interactive=False)
        return Shown(picture, parts, images, address, code, way, said)

    def _rows(self, rows: Any) -> None:
        for names in rows:
            with self.gr.Row():
                for name in names:
                    self.controls[name].render()

    def _events(self, page: Any) -> None:
        """What happens when: one thing at a time, and of a slider that is still moving the last place."""
        gr, b, every, shown = self.gr, self.buttons, list(self.controls.values()), list(self.shown)
        one = {"concurrency_id": "page", "concurrency_limit": 1, "show_progress_on": self.shown.picture}

        def live(inputs: Sequence[str], *, sources: bool) -> None:
            def show(base: str, *values: Any) -> list[Any]:
                return [*self.show(base, self.read(values), sources=sources)]

            events = [self.controls[name].input for name in inputs]
            # Not through Gradio's queue, into which it looks twenty times a second.
            quick = {"show_progress": "hidden", "trigger_mode": "always_last", "queue": False}
            gr.on(events, self._told(show, shown), [self.base, *every], shown, **quick)

        def changes(event: Callable, change: Callable[..., State], *more: Any) -> None:
            def run(base: str, *values: Any) -> list[Any]:
                before = self.read(values[: len(every)])
                state = change(before, *values[len(every) :])
                return [*self.write(state, before), *self.show(base, state)]

            event(self._told(run, every + shown), [self.base, *every, *more], every + shown, **one)

        def begins(base: str, model: str) -> list[Any]:
            paper, brush = self._paper(model)
            return [*self.write(State(model)), *self.show(base, State(model)), gr.update(value=paper, brush=brush)]

        def opened(base: str, asked: str) -> list[Any]:
            state = from_link(asked, self.start.model)
            return [base, *self.write(state), *self.show(base, state)]

        def draws(event: Callable, make: Callable[[State], Any]) -> None:
            outputs = [self.shown.way, self.shown.said]
            event(self._told(lambda *values: [make(self.read(values)), ""], outputs), every, outputs, **one)

        seeds = ("seed", "donor")
        live(seeds, sources=True)
        live([name for name in self.controls if name not in ("model", *seeds)], sources=False)
        for event in (self.controls["model"].input, b["again"].click):
            outputs = [*every, *shown, b["canvas"]]
            event(self._told(begins, outputs), [self.base, self.controls["model"]], outputs, **one)
        for seed, text in (("seed", "image"), ("donor", "donor_image")):
            changes(b[f"next_{seed}"].click, _another(seed, text))
            changes(b[f"upload_{seed}"].upload, self.uploaded(text), b[f"upload_{seed}"])
        changes(b["drawn"].click, self.drawn, b["canvas"])
        changes(b["filled"].click, self.painted, b["region"])
        b["paint"].click(lambda picture: picture, self.shown.picture, b["region"])
        draws(b["strip"].click, self._strip)
        draws(b["film"].click, self._film)
        outputs = [self.base, *every, *shown]
        page.load(self._told(opened, outputs, kept=1), [self.base, self.asked], outputs, js=WHERE, **one)

    def _told(self, run: Callable[..., list[Any]], outputs: list[Any], kept: int = 0) -> Callable[..., list[Any]]:
        """The function; where it raises, its first inputs `kept`, nothing new, and the words in what says them."""
        place = outputs.index(self.shown.said)

        def told(*values: Any) -> list[Any]:
            try:
                with self._taken:
                    return run(*values)
            except (ValueError, RuntimeError, OSError) as error:
                found = [*values[:kept], *[self.gr.skip()] * (len(outputs) - kept)]
                found[place] = _words(f"This cannot be done. {first_line(error)}")
                return found

        return told

    def uploaded(self, field: str) -> Callable[[State, str], State]:
        """The change that takes a file for an image."""

        def change(state: State, file: str) -> State:
            return dataclasses.replace(state, **{field: self._read(state, file, pathlib.Path(file).name)})

        return change

    def drawn(self, state: State, canvas: dict[str, Any] | None) -> State:
        """The change that takes the drawing for the first image."""
        if not canvas or canvas.get("composite") is None:
            raise ValueError("drawing: there is none")
        file = io.BytesIO()
        canvas["composite"].save(file, "PNG")
        return dataclasses.replace(state, image=self._read(state, file, "the drawing"))

    def painted(self, state: State, region: dict[str, Any] | None) -> State:
        """The change that generates the groups under the paint; once more from the next seed."""
        height, width, _ = self.studio.model(state.model).config.data.shape
        found = np.zeros((height, width), bool)
        for layer in (region or {}).get("layers") or []:
            found |= np.asarray(layer.convert("RGBA").resize((width, height), Image.Resampling.BOX))[..., 3] > 127
        keep = self.studio.given_outside(state, found)
        return dataclasses.replace(state, keep=keep, fill=state.fill + (keep == state.keep))

    def _read(self, state: State, file: str | io.BytesIO, name: str) -> str:
        """An image file at the model's size, as the text of a link."""
        try:
            return as_text(read_image(file, self.studio.model(state.model).config.data.shape))
        except Unreadable as error:
            raise ValueError(f"{name} is no image that can be read ({error})") from error

    def _strip(self, state: State) -> Any:
        return self.gr.update(value=self.studio.strip(state), visible=True)

    def _film(self, state: State) -> Any:
        handle, file = tempfile.mkstemp(suffix=".gif", dir=self._folder.name)
        os.close(handle)
        return self.gr.update(value=str(self.studio.film(state, file)), visible=True)

    def _paper(self, model: str) -> tuple[Image.Image, Any]:
        """Paper of the colour of the images' border, and a brush that can be seen on it."""
        paper = self.studio.paper(model)
        colours = COLOURS if sum(paper) < 128 * len(paper) else COLOURS[1:] + COLOURS[:1]
        brush = self.gr.Brush(default_size=SIDE // 12, colors=list(colours), default_color=colours[0])
        return Image.new("RGB", (SIDE, SIDE), paper * (3 // len(paper))), brush


def _another(seed: str, text: str) -> Callable[[State], State]:
    return lambda state: dataclasses.replace(state, **{seed: getattr(state, seed) + 1, text: ""})


def _words(text: str) -> str:
    return f"<p role='status'>{html.escape(text)}</p>" if text else ""


def _gradio() -> Any:
    try:
        return importlib.import_module("gradio")
    except ImportError as error:
        raise ImportError("the page needs Gradio: pip install 'gdm-jax[explore]'") from error
