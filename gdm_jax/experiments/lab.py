"""What every experiment needs: models at a scale, trained or reused, judged alike, and a report with its command.

A scale says which config files the models come from and how many images judge them:

paper   the paper's data, networks and counts
small   MNIST at 16x16, what two CPU cores do in an evening
smoke   the bundled digits, barely trained: a minute, to see that all of it runs
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import shlex
from typing import Any

import numpy as np

from gdm_jax import _registry, data, evaluation, pretrained, training
from gdm_jax import config as configs
from gdm_jax.experiments.scales import SCALES, SMOKE_BANDS, Scale
from gdm_jax.model import Model, load
from gdm_jax.reports import Report, save
from gdm_jax.workdir import checkpoint, files

__all__ = ["ABM3", "DEFAULTS", "Lab", "claim", "write"]

ABM3 = ("sampling.solver=abm3", "sampling.steps=(24,)")  # overrides of a sampler for groups in turn and at once
DEFAULTS = {"runs": "runs", "configs": "configs"}  # folders that `gdm experiment` takes if it is told no others


@dataclasses.dataclass(frozen=True)
class Lab:
    """Where an experiment is run.

    Attributes:
      scale: Name of a scale, from SCALES.
      runs: Folder for models, judges, features and reports; each scale has a folder of its own in it.
      configs: Folder of config files.
      overrides: Overrides of every model's config. Fields that an experiment varies are not changed by them.
      workdir: Folder of a trained model that takes the place of the model of bands.
      features: Features by which images are judged; the scale's if None.
      weights: File with the weights of inception or efficientnet.
      count: Samples that a model is judged by; the scale's if None.
      progress: Whether bars are shown.
    """

    scale: str
    runs: pathlib.Path
    configs: pathlib.Path
    overrides: tuple[str, ...] = ()
    workdir: str | None = None
    features: str | None = None
    weights: str | None = None
    count: int | None = None
    progress: bool = True

    def __post_init__(self) -> None:
        _registry.choose(SCALES, self.scale, "scale")
        if self.count is not None and self.count < 2:
            raise ValueError(f"count: at least 2 samples are needed, got {self.count}")
        if self.workdir and self.overrides:
            raise ValueError(f"workdir: its config is fixed; {self.overrides[0]} has no place")
        if not self.workdir and not pathlib.Path(self.configs).is_dir():
            raise ValueError(f"configs: there is no folder {str(self.configs)!r}; run it in a clone, or name one")

    @property
    def settings(self) -> Scale:
        """The settings of the scale, with the count that was asked for."""
        settings = SCALES[self.scale]
        return dataclasses.replace(settings, count=self.count) if self.count else settings

    @property
    def folder(self) -> pathlib.Path:
        """The scale's folder."""
        return pathlib.Path(self.runs) / self.scale

    def config(self, variant: str, *changes: str) -> configs.Config:
        """The config of a variant of pixel groups, or of "bands", at this scale."""
        settings = self.settings
        file = settings.bands if variant == "bands" else settings.pixels.format(variant)
        smoke = SMOKE_BANDS if variant == "bands" and self.scale == "smoke" else ()
        return configs.load(pathlib.Path(self.configs) / file, [*settings.changes, *smoke, *self.overrides, *changes])

    def model(self, variant: str, *changes: str, name: str = "", step: int | None = None) -> Model:
        """A trained model, from `folder/name`; trained there first, or to its end, if it is not yet.

        Args:
          variant: Variant of the config, as in `config`.
          *changes: Overrides FIELD=VALUE that tell it from others of the variant.
          name: Name of its workdir; the variant if empty.
          step: Step of the checkpoint. The last one by default.
        """
        if variant == "bands" and self.workdir:
            return load(self.workdir)
        workdir, config = self.folder / (name or variant), self.config(variant, *changes)
        _judge(self, config.data)  # what it lacks is better missed before the training than after
        if not _finished(workdir, config):
            if self.progress:
                print(f"training {workdir}")
            training.train(config, workdir, progress=self.progress)
        model = load(workdir, step=step, **dataclasses.asdict(config.sampling))
        return dataclasses.replace(model, config=dataclasses.replace(model.config, data=config.data))

    def judge(self, model: Model) -> evaluation.Judge:
        """The judge that sees the model's data by the scale's features."""
        return _judge(self, model.config.data)

    def evaluate(
        self, model: Model, *, count: int | None = None, sets: int | None = None, **options: Any
    ) -> evaluation.Evaluation:
        """`evaluation.evaluate` with the scale's features and counts."""
        settings = self.settings
        return evaluation.evaluate(
            model,
            self.judge(model),
            self.folder / "evaluations",
            count=count or settings.count,
            sets=sets or settings.sets,
            progress=self.progress,
            **options,
        )

    def real(self, model: Model, count: int) -> tuple[np.ndarray, np.ndarray]:
        """At most `count` examples of the model's data and their labels, spread evenly over them."""
        source = data.open_source(model.config.data, write=not self.workdir)
        return data.examples(source, data.spread(count, len(source)))

    def about(self, data: configs.Data, *, count: int | None = None, sets: int | None = None) -> str:
        """A sentence that says which distances an experiment reports; count and sets are those of `evaluate`."""
        judge, settings = _judge(self, data), self.settings
        count, sets = count or settings.count, sets or settings.sets
        text = (
            f"{data.path or data.name} at {'x'.join(map(str, data.shape))}; Frechet distance in "
            f"{judge.name.split()[0]} features of {count:,} samples from {judge.real.count:,} images"
        )
        text += f", mean and standard deviation over {sets} sets of seeds" if sets > 1 else ", one set of seeds"
        floor = evaluation.floor(judge, count)
        text += f"; as many fresh samples from the data distribution would score {floor:.3g}"
        return f"{text}. One training run a model."


def claim(lab: Lab, name: str) -> pathlib.Path:
    """The folder of a report; raises ValueError where it cannot be written."""
    folder = pretrained.home(lab.workdir) if lab.workdir else lab.folder
    field = "workdir" if lab.workdir else "runs"
    return files.claim(folder, f"reports/{name}", field=field) / "reports" / name


def write(lab: Lab, name: str, report: Report) -> list[pathlib.Path]:
    """Write `report.md`, `report.json` and pictures, with the command that makes them; the paths.

    They go to `reports/NAME` in the scale's folder, or in the workdir where one is given.
    """
    folder = claim(lab, name)
    words = ["gdm", "experiment", name, "--scale", lab.scale]
    given = {option: getattr(lab, option) for option in ("workdir", "features", "weights", "count", "runs", "configs")}
    for option, value in given.items():
        if value and str(value) != DEFAULTS.get(option):
            words += [f"--{option}", str(value)]
    command = shlex.join([*words, *lab.overrides])
    pictures = "".join(f"\n![{picture}]({picture}.png)\n" for picture in report.pictures)
    text = f"{report.text}{pictures}\nMade by `{command}`.\n"
    numbers = {"experiment": name, "scale": lab.scale, "command": command, **report.numbers}
    return save(folder, "report", Report(text, numbers, report.pictures))



def _finished(workdir: pathlib.Path, config: configs.Config) -> bool:
    """Whether a workdir holds the config's model to its last step; refuses a run on other data or of other length."""
    if not (workdir / "checkpoints").is_dir():
        return False
    begun, length, fix = configs.of_workdir(workdir), config.training.steps, "use another folder for runs"
    if begun.training.steps != length:
        steps = begun.training.steps
        raise ValueError(f"training.steps: {str(workdir)!r} has {steps} steps, not {length}; {fix}")
    configs.check_unchanged(workdir, config)
    path = begun.data.path
    if path != config.data.path and pathlib.Path(path).expanduser().exists():  # else it was moved
        raise ValueError(f"data.path: {str(workdir)!r} was trained on {path!r}, not {config.data.path!r}; {fix}")
    steps = checkpoint.Checkpoints(workdir, create=False).steps()
    return bool(steps) and steps[-1] == length


@functools.lru_cache
def _judge(lab: Lab, data: configs.Data) -> evaluation.Judge:
    features = lab.features or lab.settings.features
    own = not lab.workdir  # the data of one's own configs
    folder = lab.folder / "judges"
    return evaluation.judge(data, features, folder, weights=lab.weights, write=own, progress=lab.progress)
