"""How far a model's samples are from data: Frechet distance, precision and recall, with all that the numbers depend on.

The protocol of FID10K and FID5K: one seed an image, the images rounded to bytes, features of each, float64 moments
with a covariance over n - 1. Set s of `count` images has the seeds s * count ... (s + 1) * count - 1. An image depends
on its seed alone, so neither the batch nor the number of devices changes a distance.

Features are kept on disk a chunk at a time, under a name made of everything that an image depends on: an interrupted
evaluation goes on where it stopped, a larger one begins with what a smaller one left, and two models or solvers never
meet in one file.
"""

from __future__ import annotations

import dataclasses
import pathlib

import jax
import numpy as np
from tqdm import tqdm

from gdm_jax import data, drawing, metrics, ode, pixels
from gdm_jax.config import build
from gdm_jax.devices import hosts
from gdm_jax.evaluation import record
from gdm_jax.evaluation.judges import Judge, floor
from gdm_jax.evaluation.kept import CHUNK, as_bytes, in_chunks, save
from gdm_jax.evaluation.sets import summary
from gdm_jax.model import Model
from gdm_jax.workdir import files

PICTURED = 64
CONFIDENT = 0.9


def evaluate(
    model: Model,
    judge: Judge,
    folder,
    *,
    count: int = 10_000,
    sets: int = 1,
    first_set: int = 0,
    neighbours: int = 3,
    progress: bool = False,
    **options,
) -> dict:
    """Samples of a model against real data.

    Args:
      model: of images.
      judge: see there.
      folder: for the features, so that nothing is computed twice.
      count: images a set; 10,000 and 5,000 are FID10K and FID5K where the features are Inception's.
      sets: how many sets of seeds.
      first_set: the number of the first; searches keep others for themselves.
      neighbours: of precision and recall; 0 leaves them out.
      progress: show a bar.
      **options: of `Model.sample`: batch, guidance and of `gdm_jax.ode.plan`; and label, a class or several: seed n is
        told the one at n modulo their number.

    Returns:
      What is also written in the folder's part for these samples: "frechet" (and "precision", "recall", and
      "confident", the share of samples that a classifier is 90% sure of, and "as_told", the share of those told a
      class in which it sees that one), each with "mean", "std" over the sets and
      "sets", the value of each; "floor"; "calls" of the network an image; and
      everything these depend on.

    Raises:
      ValueError: too few images, a reference of another number of features, options that the model can not take, or
        samples that are not finite.
    """
    check(model, count, sets, neighbours, **options)
    width = judge.features(np.zeros((1, *model.config.data.shape), np.float32)).shape[-1]  # before anything is sampled
    if width != len(judge.real.mu):
        raise ValueError(f"reference: its statistics are of {len(judge.real.mu)} features, {judge.name} has {width}")
    batch = options.pop("batch", CHUNK // 2)
    depends = _depends(model, judge, **options)
    part = pathlib.Path(folder) / record.digest(depends)
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
        for name, value in _compare(seen, judge, neighbours, _told(options.get("label"), of_set)).items():
            values.setdefault(name, []).append(value)
    found = {name: summary(of_sets) for name, of_sets in values.items()}
    found |= {"calls": calls(model, **_of_solver(options)), "neighbours": neighbours}
    found |= {"count": count, "first_seed": first_set * count}
    if judge.members is not None:
        found["floor"] = floor(judge, count)
    found |= {"depends_on": depends, "reference": {**judge.about, "n": judge.real.count}}
    if hosts.first():
        files.write(part / f"{count}x{sets}from{first_set}-{record.digest([neighbours, judge.about])}.json", found)
    return found


def check(model: Model, count: int, sets: int, neighbours: int = 3, **options) -> None:
    """Raises ValueError for too few images or sets, and for options of `Model.sample` that the model can not take."""
    if count < 2 or sets < 1:
        raise ValueError(f"count: at least 2 images and 1 set are needed, got {count} and {sets}")
    if count <= neighbours:
        raise ValueError(f"count: precision by {neighbours} neighbours needs more images than those, got {count}")
    calls(model, **_of_solver(options))
    model.check_label(options.get("label"), options.get("guidance"))


def compare_images(images, judge: Judge, *, neighbours: int = 3) -> dict:
    """The same numbers of images `[n, h, w, c]`, uint8 or in [-1, 1], however they were made."""
    seen = in_chunks(judge.features, lambda some: as_bytes(images[some]), len(images), "features", False)
    found = {name: summary([value]) for name, value in _compare(seen, judge, neighbours).items()}
    found |= {"count": len(images), "neighbours": neighbours, "features": judge.name}
    return found | {"reference": {**judge.about, "n": judge.real.count}, "versions": record.versions()}


def calls(model: Model, **options) -> int | None:
    """Network calls an image, or None where the steps adapt; without guidance, which doubles them."""
    sampling = build.solver_options(model.config.sampling) | options
    path = ode.path.of(model.schedule, steps=sampling.pop("steps"))
    solver = ode.settings(path, forward=False, **sampling).solver
    return None if path.steps is None else ode.calls(solver, path.steps)


def _depends(model: Model, judge: Judge, *, label=None, guidance=None, **options) -> dict:
    """All that a sample's features depend on, said in one way only."""
    sampling = build.solver_options(model.config.sampling) | options
    path = ode.path.of(model.schedule, steps=sampling["steps"]).reversed()
    adaptive = path.steps is None
    guidance = model.config.sampling.guidance if guidance is None else guidance
    return {
        "features": judge.name,
        "network": {**dataclasses.asdict(model.config.model), "parameters": record.fingerprint(model.u)},
        "checkpoint": model.step,
        "process": {**dataclasses.asdict(model.config.process), "itself": record.fingerprint(model.process)},
        "intervals": np.stack([model.schedule.t_start, model.schedule.t_end], 1).tolist(),
        "solver": solver if isinstance(solver := sampling["solver"], str) else record.fingerprint(solver),
        "steps": None if adaptive else np.asarray(path.steps).tolist(),
        "tolerances": [sampling[name] for name in ("rtol", "atol")] if adaptive else None,
        "label": None if label is None else np.atleast_1d(label).tolist(),
        "guidance": None if label is None else float(guidance),
        "versions": record.versions(),
    }


def _of_solver(options: dict) -> dict:
    return {name: value for name, value in options.items() if name not in ("batch", "label", "guidance")}


def _told(label, seeds) -> np.ndarray | None:
    """The class that each seed is told, in turn."""
    labels = np.atleast_1d(label)
    return None if label is None else labels[np.asarray(seeds) % len(labels)]


def _chunks(seeds: range) -> list[range]:
    return [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]


def _file(part: pathlib.Path, chunk: range) -> pathlib.Path:
    return part / "features" / f"{chunk[0]}-{chunk[-1]}.npy"


def _see(model, judge, part, chunk, *, batch, label=None, **options) -> None:
    """Write the features `[len(chunk), d]` of samples from these seeds, unless they are there."""
    file = _file(part, chunk)
    if file.is_file():
        return
    x = model.sample(seeds=chunk, batch=batch, label=_told(label, chunk), **options)
    if not np.isfinite(x).all():
        raise ValueError(f"evaluate: samples of seeds {chunk[0]} to {chunk[-1]} are not finite; more steps?")
    x = np.asarray(pixels.to_model_range(as_bytes(x)))
    if chunk[0] == 0:
        drawing.save(drawing.grid(x[:PICTURED]), part / "samples.png")
    save(file, judge.features(x))


def _compare(seen: np.ndarray, judge: Judge, neighbours: int, told=None) -> dict[str, float]:
    found = {"frechet": metrics.frechet_distance(metrics.statistics(seen), judge.real)}
    if neighbours and judge.members is not None:
        real = judge.members[data.spread(len(seen), len(judge.members))]
        found |= metrics.precision_recall(real, seen, neighbours=neighbours)._asdict()
    if judge.classifier is not None:
        probabilities = judge.classifier.head(seen)
        found["confident"] = float((probabilities.max(-1) > CONFIDENT).mean())
        if told is not None:
            found["as_told"] = float((probabilities.argmax(-1) == told).mean())
    return found
