"""How far a model's samples are from data: Frechet distance, precision and recall, with all that the numbers depend on.

The protocol is that of FID10K and FID5K. Each image has a seed of its own and is rounded to bytes. The moments of the
images' features are float64, and the covariance is divided by n - 1. Set s of `count` images has the seeds
s * count ... (s + 1) * count - 1. An image depends on its seed alone, so neither the batch nor the number of devices
changes a distance.

Features are kept on disk a chunk at a time, under a name made of everything that an image depends on. An interrupted
evaluation goes on where it stopped, and a larger one begins with what a smaller one left. Two models or solvers never
share a file.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int, Shaped
from tqdm import tqdm

from gdm_jax import _registry, data, drawing, metrics, ode, pixels
from gdm_jax.config import build
from gdm_jax.devices import hosts
from gdm_jax.evaluation import provenance
from gdm_jax.evaluation.cache import CHUNK, in_chunks, save
from gdm_jax.evaluation.judges import Judge, floor
from gdm_jax.evaluation.sets import Summary, summary
from gdm_jax.model import Model
from gdm_jax.network import Autoguided
from gdm_jax.workdir import files

__all__ = ["KNOWN", "Evaluation", "calls", "check", "compare_images", "evaluate"]

PICTURED = 64
KNOWN: tuple[str, ...] = ("made", "reference", "real", "neighbours", "probabilities", "told")  # what a measure may take


class Evaluation(NamedTuple):
    """How far samples are from data.

    Attributes:
      measures: Numbers by name, each over sets of seeds: "frechet", and as far as the judge knows what they take,
        "precision", "recall", "confident", "as_told" and those of your own.
      count: Number of images a set.
      neighbours: Neighbours of precision and recall, 0 where these are left out.
      reference: Where the real side is from, and the number n of its examples.
      calls: Network calls an image, or None where the steps adapt or the images were made elsewhere.
      first_seed: The first seed; None, like the next, for images that were made elsewhere.
      depends_on: All that the samples' features depend on.
      floor: The score of fresh samples from the data distribution; None where only statistics of it are known.
      features: Name of the judging features, where `depends_on` does not say it. So are the versions.
      versions: Versions of the libraries that computed the numbers.
    """

    measures: dict[str, Summary]
    count: int  # pyright: ignore[reportIncompatibleMethodOverride]  (no one counts in it)
    neighbours: int
    reference: dict
    calls: int | None = None
    first_seed: int | None = None
    depends_on: dict | None = None
    floor: float | None = None
    features: str | None = None
    versions: dict | None = None

    @property
    def frechet(self) -> Summary:
        """The Frechet distance, which every evaluation has."""
        return self.measures["frechet"]

    def as_dict(self) -> dict:
        """Plain values for JSON, the measures beside the rest."""
        found = {name: value for name, value in self._asdict().items() if value is not None}
        found |= {"calls": self.calls} if self.depends_on else {}
        return {name: one._asdict() for name, one in found.pop("measures").items()} | found


def evaluate(
    model: Model,
    judge: Judge,
    folder: str | os.PathLike,
    *,
    count: int = 10_000,
    sets: int = 1,
    first_set: int = 0,
    neighbours: int = 3,
    progress: bool = False,
    **options: Any,
) -> Evaluation:
    """Samples of a model against real data.

    Args:
      model: Model of images.
      judge: What the samples are held against.
      folder: Folder for the features, so that nothing is computed twice.
      count: Number of images a set. 10,000 and 5,000 are FID10K and FID5K where the features are Inception's.
      sets: Number of sets of seeds.
      first_set: Number of the first set. A search takes sets that reports do not use.
      neighbours: Neighbours of precision and recall. 0 leaves the two out.
      progress: Whether to show a bar.
      **options: Options of `Model.sample`, such as batch, guidance, solver and steps. `label` is a class or several;
        seed n is told the one at n modulo their number.

    Returns:
      The numbers, which are also written as JSON in the folder's part for these samples.

    Raises:
      ValueError: if there are too few images, the reference has another number of features, the model cannot take the
        options, a measure takes what an evaluation does not know, or samples are not finite.
    """
    check(model, count, sets, neighbours, **options)
    width = judge.features(np.zeros((1, *model.config.data.shape), np.float32)).shape[-1]  # before anything is sampled
    if width != len(judge.real.mu):
        raise ValueError(f"reference: its statistics are of {len(judge.real.mu)} features, {judge.name} has {width}")
    batch = options.pop("batch", CHUNK // 2)
    depends = _depends(model, judge, **options)
    part = pathlib.Path(folder) / provenance.digest(depends)
    (part / "features").mkdir(parents=True, exist_ok=True)
    seeds = [range(s * count, (s + 1) * count) for s in range(first_set, first_set + sets)]
    chunks = [chunk for of_set in seeds for chunk in _chunks(of_set)]
    mine = chunks[jax.process_index() :: jax.process_count()]
    shown = progress and hosts.first()
    with tqdm(total=sum(map(len, mine)), unit=" images", desc="evaluate", disable=not shown) as bar:
        for chunk in mine:
            _see(model, judge, part, chunk, batch=batch, **options)
            bar.update(len(chunk))
    hosts.wait("samples seen")
    values: dict[str, list] = {}
    for of_set in seeds:
        seen = np.concatenate([np.load(_file(part, chunk), allow_pickle=False) for chunk in _chunks(of_set)])
        for name, value in _measured(seen, judge, neighbours, _told(options.get("label"), of_set)).items():
            values.setdefault(name, []).append(value)
    found = Evaluation(
        measures={name: summary(of_sets) for name, of_sets in values.items()},
        count=count,
        neighbours=neighbours,
        reference={**judge.about, "n": judge.real.count},
        calls=calls(model, **options),
        first_seed=first_set * count,
        depends_on=depends,
        floor=None if judge.members is None else floor(judge, count),
    )
    if hosts.first():
        name = f"{count}x{sets}from{first_set}-{provenance.digest([neighbours, judge.about])}.json"
        files.write(part / name, found.as_dict())
    return found


def check(model: Model, count: int, sets: int, neighbours: int = 3, **options: Any) -> None:
    """Raises ValueError as `evaluate`, as far as can be told before anything is sampled."""
    if count < 2 or sets < 1:
        raise ValueError(f"count: at least 2 images and 1 set are needed, got {count} and {sets}")
    if count <= neighbours:
        raise ValueError(f"count: precision by {neighbours} neighbours needs more images than those, got {count}")
    for name, measure in metrics.MEASURES.items():
        if lacking := _registry.lacks(measure, KNOWN):
            raise ValueError(f"measures: {name!r} takes {', '.join(lacking)}; an evaluation knows {', '.join(KNOWN)}")
    calls(model, **options)
    model.check_label(options.get("label"), options.get("guidance"))


def compare_images(
    images: Shaped[np.ndarray, "n height width channel"], judge: Judge, *, neighbours: int = 3
) -> Evaluation:
    """The same numbers for images, uint8 or in [-1, 1], however they were made."""
    seen = in_chunks(judge.features, lambda some: pixels.to_uint8(images[some]), len(images), "features", False)
    return Evaluation(
        measures={name: summary([value]) for name, value in _measured(seen, judge, neighbours).items()},
        count=len(images),
        neighbours=neighbours,
        reference={**judge.about, "n": judge.real.count},
        features=judge.name,
        versions=provenance.versions(),
    )


def calls(model: Model, *, label: Any = None, guidance: Any = None, batch: int = 0, **options: Any) -> int | None:
    """Number of network calls an image, or None where the steps adapt; each guidance that is not 1 doubles it."""
    sampling = build.solver_options(model.config.sampling, **options)
    path = ode.path.of(model.schedule, steps=sampling.pop("steps"))
    solver = ode.settings(path, forward=False, **sampling).solver
    guidance = model.config.sampling.guidance if guidance is None else guidance
    at_a_point = (1 if label is None or guidance == 1 else 2) * (2 if isinstance(model.u, Autoguided) else 1)
    return None if path.steps is None else at_a_point * ode.calls(solver, path.steps)


def _depends(model: Model, judge: Judge, *, label: Any = None, guidance: Any = None, **options: Any) -> dict:
    """All that a sample's features depend on. What is asked for in other words is the same here."""
    sampling = build.solver_options(model.config.sampling, **options)
    path = ode.path.of(model.schedule, steps=sampling["steps"]).reversed()
    adaptive = path.steps is None
    guidance = model.config.sampling.guidance if guidance is None else guidance
    return {
        "features": judge.name,
        "network": {**dataclasses.asdict(model.config.model), "parameters": provenance.fingerprint(model.u)},
        "checkpoint": model.step,
        "process": {**dataclasses.asdict(model.config.process), "itself": provenance.fingerprint(model.process)},
        "intervals": np.stack([model.schedule.t_start, model.schedule.t_end], 1).tolist(),
        "solver": solver if isinstance(solver := sampling["solver"], str) else provenance.fingerprint(solver),
        "steps": None if adaptive else np.asarray(path.steps).tolist(),
        "tolerances": [sampling[name] for name in ("rtol", "atol")] if adaptive else None,
        **({"temperature": list(deviations)} if (deviations := model.config.sampling.temperature) else {}),
        "label": None if label is None else np.atleast_1d(label).tolist(),
        "guidance": None if label is None else float(guidance),
        "versions": provenance.versions(),
    }


def _told(label: Any, seeds: range) -> Int[np.ndarray, " n"] | None:
    """The class that each seed is told, in turn."""
    labels = np.atleast_1d(label)
    return None if label is None else labels[np.asarray(seeds) % len(labels)]


def _chunks(seeds: range) -> list[range]:
    return [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]


def _file(part: pathlib.Path, chunk: range) -> pathlib.Path:
    return part / "features" / f"{chunk[0]}-{chunk[-1]}.npy"


def _see(
    model: Model, judge: Judge, part: pathlib.Path, chunk: range, *, batch: int, label: Any = None, **options: Any
) -> None:
    """Write the features `[len(chunk), d]` of samples from these seeds, unless they are there."""
    file = _file(part, chunk)
    if file.is_file():
        return
    x = model.sample(seeds=chunk, batch=batch, label=_told(label, chunk), **options)
    if not np.isfinite(x).all():
        raise ValueError(f"evaluate: samples of seeds {chunk[0]} to {chunk[-1]} are not finite; more steps?")
    x = np.asarray(pixels.to_model_range(pixels.to_uint8(x)))
    if chunk[0] == 0:
        drawing.save(drawing.grid(x[:PICTURED]), part / "samples.png")
    save(file, np.asarray(judge.features(x)))


def _measured(
    seen: Float[np.ndarray, "n d"], judge: Judge, neighbours: int, told: Int[np.ndarray, " n"] | None = None
) -> dict[str, float]:
    """Every measure that takes nothing which is not known here."""
    real = None if judge.members is None else judge.members[data.spread(len(seen), len(judge.members))]
    probabilities = None if judge.classifier is None else judge.classifier.head(seen)
    known = dict(zip(KNOWN, (seen, judge.real, real, neighbours or None, probabilities, told)))
    found = {}
    for name, measure in metrics.MEASURES.items():
        if all(known.get(part, part) is not None for part in _registry.takes(measure)):
            value = _registry.call(measure, known)
            found |= value._asdict() if hasattr(value, "_asdict") else {name: value}
    return found
