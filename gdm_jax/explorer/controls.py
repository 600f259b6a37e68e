"""The controls of the page, whose values are all of its state: how they are made, read as a `State`, and written."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from gdm_jax import keys
from gdm_jax.explorer.state import State

__all__ = ["ELEMENTS", "EXTENT", "GROUPS", "make", "of_model", "read", "write"]

GROUPS, ELEMENTS = 8, 6  # that have sliders
CHOICES = 64  # groups that can be kept
EXTENT = 4.0  # of an element's slider, in standard deviations


def make(gr: Any, models: Sequence[str]) -> dict[str, Any]:
    """The controls by name, not yet on the page.

    Args:
      gr: The module gradio.
      models: Models to choose from.
    """
    off, whole = {"render": False}, {"render": False, "precision": 0, "value": 0, "scale": 2, "min_width": 120}
    made = {"model": gr.Dropdown(list(models), label="Model", elem_id="model", **off)}
    for seed, text in (("seed", "image"), ("donor", "donor_image")):
        made[seed] = gr.Number(label="Sample from seed", elem_id=seed, **whole)
        made[text] = gr.Textbox("", visible=False, **off)
    for j in range(GROUPS):
        share = {"label": f"Group {j}", "step": 0.05, "scale": 3}
        made[f"share{j}"] = gr.Slider(0, 1, value=0, elem_id=f"share{j}", **share, **off)
        made[f"redrawn{j}"] = gr.Number(label="New noise (0: its own)", elem_id=f"redrawn{j}", **whole)
    for i in range(ELEMENTS):
        amount = {"label": "Moved by", "step": 0.1, "scale": 3}
        made[f"moved{i}"] = gr.Slider(-EXTENT, EXTENT, value=0, elem_id=f"moved{i}", **amount, **off)
        made[f"element{i}"] = gr.Number(label="Element", elem_id=f"element{i}", **{**whole, "value": i})
    made["keep"] = gr.CheckboxGroup([], label="Keep groups", elem_id="keep", **off)
    made["fill"] = gr.Number(label="Seed of the rest", elem_id="fill", **whole)
    return made


def read(values: Mapping[str, Any]) -> State:
    """The settings that the controls' values say, by name.

    Raises:
      ValueError: If a number is no seed, or two rows move one element.
    """
    seeds = {name: _seed(name, values[name]) for name in ("seed", "donor", "fill")}
    shares = {j: float(values[f"share{j}"]) for j in range(GROUPS) if values[f"share{j}"]}
    redrawn = {j: _seed("noise", values[f"redrawn{j}"]) for j in range(GROUPS) if values[f"redrawn{j}"]}
    moved: dict[int, float] = {}
    for i in range(ELEMENTS):
        element, amount = int(values[f"element{i}"] or 0), float(values[f"moved{i}"] or 0)
        if amount and element in moved:
            raise ValueError(f"element: two rows move element {element}")
        if amount:
            moved[element] = amount
    keep = tuple(sorted(int(group) for group in values["keep"] or ()))
    texts: dict[str, Any] = {name: values[name] or "" for name in ("model", "image", "donor_image")}
    return State(shares=shares, redrawn=redrawn, moved=moved, keep=keep, **seeds, **texts)


def write(state: State, k: int) -> dict[str, Any]:
    """The controls' values that say these settings, by name; for a model of k groups.

    Raises:
      ValueError: If there is no control for one of them.
    """
    most = min(k, GROUPS)
    beyond = [group for group in (*state.shares, *state.redrawn) if not 0 <= group < most]
    if beyond or len(state.moved) > ELEMENTS:
        raise ValueError(f"link: there are sliders for groups 0 to {most - 1}, and for {ELEMENTS} elements at once")
    if any(abs(amount) > EXTENT for amount in state.moved.values()):
        raise ValueError(f"link: elements are moved by {EXTENT:g} at most")
    if any(not 0 <= group < min(k, CHOICES) for group in state.keep):
        raise ValueError(f"link: groups 0 to {min(k, CHOICES) - 1} can be kept on the page")
    values: dict[str, Any] = {name: getattr(state, name) for name in ("model", "seed", "image", "donor", "donor_image")}
    for j in range(GROUPS):
        values |= {f"share{j}": state.shares.get(j, 0), f"redrawn{j}": state.redrawn.get(j, 0)}
    others = (element for element in itertools.count() if element not in state.moved)
    unmoved = itertools.islice(others, ELEMENTS - len(state.moved))
    for i, element in enumerate(sorted([*state.moved, *unmoved])):
        values |= {f"moved{i}": state.moved.get(element, 0), f"element{i}": element}
    return values | {"keep": [str(group) for group in state.keep], "fill": state.fill}


def of_model(k: int) -> dict[str, dict[str, Any]]:
    """What a model of k groups changes of controls, by name: whether they are there, and what can be chosen."""
    rows = {f"{name}{j}": {"visible": j < k} for name in ("share", "redrawn") for j in range(GROUPS)}
    return rows | {"keep": {"choices": [str(j) for j in range(min(k, CHOICES))]}}


def _seed(name: str, value: Any) -> int:
    try:
        return int(keys.check_seeds([int(value or 0)])[0])
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name}: must be a whole number from 0 to {keys.MOST_SEED}, got {value}") from error
