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

from gdm_jax import config as configs
from gdm_jax import drawing, evaluation, training
from gdm_jax.experiments.scales import SCALES, SMOKE_BANDS, Scale
from gdm_jax.model import Model, load
from gdm_jax.reports.report import Report
from gdm_jax.workdir import checkpoint, files

DEFAULTS = {"runs": "runs", "configs": "configs"}  # of --runs and --configs


@dataclasses.dataclass(frozen=True)
class Lab:
    """Where an experiment is run.

    Attributes:
      scale: a name of SCALES.
      runs: folder for models, judges, features and reports; each scale has its own in it.
      configs: folder of config files.
      overrides: of every model's config, `--config.FIELD=VALUE`; what an experiment varies is not theirs to set.
      features, weights: instead of the scale's, and of Inception.
      workdir: of one trained model to use where an experiment wants a model of bands, instead of training one.
      progress: show bars.
    """

    scale: str
    runs: pathlib.Path
    configs: pathlib.Path
    overrides: tuple[str, ...] = ()
    workdir: str | None = None
    features: str | None = None
    weights: str | None = None
    progress: bool = True

    def __post_init__(self):
        if self.scale not in SCALES:
            raise ValueError(f"--scale: must be one of {', '.join(SCALES)}, got {self.scale!r}")
        if self.workdir and self.overrides:
            raise ValueError(f"--workdir: its config is fixed; {self.overrides[0]} has no place")
        if not self.workdir and not pathlib.Path(self.configs).is_dir():
            raise ValueError(f"--configs: there is no folder {str(self.configs)!r}; run it in a clone, or name one")

    @property
    def settings(self) -> Scale:
        return SCALES[self.scale]

    @property
    def folder(self) -> pathlib.Path:
        return pathlib.Path(self.runs) / self.scale

    def config(self, variant: str, *changes: str) -> configs.Config:
        """The config of a variant of pixel groups, or of "bands", at this scale."""
        settings = self.settings
        file = settings.bands if variant == "bands" else settings.pixels.format(variant)
        smoke = SMOKE_BANDS if variant == "bands" and self.scale == "smoke" else ()
        return configs.load(pathlib.Path(self.configs) / file, [*settings.changes, *smoke, *self.overrides, *changes])

    def model(self, variant: str, *changes: str, name: str = "") -> Model:
        """A trained model, from `folder/name`; trained there first, or to its end, if it is not yet.

        Args:
          variant: see `config`.
          *changes: FIELD=VALUE, what tells it from others of the variant.
          name: of its workdir; the variant by default.
        """
        if variant == "bands" and self.workdir:
            return load(self.workdir)
        workdir, config = self.folder / (name or variant), self.config(variant, *changes)
        _judge(self, config.data)  # what it lacks is better missed before the training than after
        if not _finished(workdir, config):
            if self.progress:
                print(f"training {workdir}")
            training.train(config, workdir, progress=self.progress)
        model = load(workdir, **dataclasses.asdict(config.sampling))
        return dataclasses.replace(model, config=dataclasses.replace(model.config, data=config.data))

    def judge(self, model: Model) -> evaluation.Judge:
        """Of the model's data, by the scale's features."""
        return _judge(self, model.config.data)

    def evaluate(self, model: Model, *, count=None, sets=None, **options) -> evaluation.Evaluation:
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

    def about(self, model: Model, *, count=None, sets=None) -> str:
        """A sentence on what the distances of an experiment are of; counts as `evaluate`."""
        judge, settings, data = self.judge(model), self.settings, model.config.data
        count, sets = count or settings.count, sets or settings.sets
        text = (
            f"{data.path or data.name} at {'x'.join(map(str, data.shape))}; Frechet distance in "
            f"{judge.name.split()[0]} features of {count:,} samples from {judge.real.count:,} images"
        )
        text += f", mean and standard deviation over {sets} sets of seeds" if sets > 1 else ", one set of seeds"
        floor = evaluation.floor(judge, count)
        return f"{text}; as many new draws of the data's own law would score {floor:.3g}. One training run a model."


def claim(lab: Lab, name: str) -> pathlib.Path:
    """The folder of a report; raises ValueError where it cannot be written."""
    folder = pathlib.Path(lab.workdir or lab.folder)
    field = "--workdir" if lab.workdir else "--runs"
    return files.claim(folder, f"reports/{name}", field=field) / "reports" / name


def write(lab: Lab, name: str, report: Report) -> list[pathlib.Path]:
    """The report as `report.md`, `report.json` and pictures; the paths.

    They are in `reports/NAME` of the scale's folder, or of the workdir where that is given.
    """
    folder = claim(lab, name)
    words = ["gdm", "experiment", name, "--scale", lab.scale]
    given = {option: getattr(lab, option) for option in ("workdir", "features", "weights", "runs", "configs")}
    for option, value in given.items():
        if value and str(value) != DEFAULTS.get(option):
            words += [f"--{option}", str(value)]
    command = shlex.join([*words, *lab.overrides])
    pictures = "".join(f"\n![{picture}]({picture}.png)\n" for picture in report.pictures)
    text = f"{report.text}{pictures}\nMade by `{command}`.\n"
    numbers = {"experiment": name, "scale": lab.scale, "command": command, **report.numbers}
    for picture, page in report.pictures.items():
        drawing.save(page, folder / f"{picture}.png")
    files.write(folder / "report.json", numbers)
    files.write(folder / "report.md", text)
    return [folder / "report.md", folder / "report.json", *(folder / f"{p}.png" for p in report.pictures)]


def _finished(workdir: pathlib.Path, config: configs.Config) -> bool:
    """Whether a workdir holds the config's model to its last step; refuses one of other data or another length."""
    if not (workdir / "checkpoints").is_dir():
        return False
    begun, length = configs.of_workdir(workdir), config.training.steps
    if begun.training.steps != length:
        steps = begun.training.steps
        raise ValueError(f"training.steps: {str(workdir)!r} is of {steps}, not {length}; take other --runs")
    configs.check_unchanged(workdir, config)
    path = begun.data.path
    if path != config.data.path and pathlib.Path(path).expanduser().exists():  # else it was moved
        raise ValueError(f"data.path: {str(workdir)!r} is of {path!r}, not {config.data.path!r}; take other --runs")
    steps = checkpoint.Checkpoints(workdir, create=False).steps()
    return bool(steps) and steps[-1] == length


@functools.lru_cache
def _judge(lab: Lab, data: configs.Data) -> evaluation.Judge:
    features = lab.features or lab.settings.features
    own = not lab.workdir  # the data of one's own configs
    folder = lab.folder / "judges"
    return evaluation.judge(data, features, folder, weights=lab.weights, write=own, progress=lab.progress)
