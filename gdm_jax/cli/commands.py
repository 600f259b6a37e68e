"""What each command of `gdm_jax.cli` does: call the library, write files. It holds no mathematics."""

from __future__ import annotations

import pathlib
import sys

import numpy as np

from gdm_jax.cli import inputs

OF_SAMPLES = ("count", "sets", "solver", "steps", "rtol", "atol", "order", "overlap", "boundaries", "label", "guidance")


def train(arguments) -> None:
    from gdm_jax import config, training

    training.train(config.load(arguments.config, arguments.overrides), arguments.workdir)


def prepare(arguments) -> None:
    from gdm_jax import config, data

    source = data.open_source(config.load(arguments.config, arguments.overrides).data)
    print(f"ready: {len(source):,} examples of shape {source.shape}")


def sample(arguments) -> None:
    from gdm_jax import drawing
    from gdm_jax.reports import samples

    _claim(arguments, "samples.npz", "samples.png", *([f"samples.{arguments.film}"] if arguments.film else []))
    model, options = inputs.load(arguments)
    if arguments.film:
        options["frames"] = samples.frames(model)
        x, times, states = model.sample(arguments.count, seeds=arguments.seeds, **options)
        if x.ndim == 4:
            path = _output(arguments, f"samples.{arguments.film}")
            moments = [samples.moment(model.schedule, 1 - t) for t in times]
            drawing.film(samples.begun(model, times, states), path, captions=moments)
            print(path)
    else:
        x = model.sample(arguments.count, seeds=arguments.seeds, **options)
    _write(arguments, "samples", x=x)


def encode(arguments) -> None:
    _claim(arguments, "encoded.npz", "encoded.png")
    model, options = inputs.load(arguments)
    x, _ = inputs.examples(arguments, model)
    if arguments.solver == "inverse_euler":
        shared = ("steps", "batch", "progress", "label", "guidance")
        found = model.invert(x, **{name: options[name] for name in shared if name in options})
        failed = np.flatnonzero(~np.asarray(found.converged))
        worst = found.error[found.converged].max(initial=0)
        print(f"inverted {len(x) - len(failed)} of {len(x)}; decoded, these differ by at most {worst:.1e}")
        _warn_uncertain(arguments, failed.tolist())
        _write(arguments, "encoded", z=found.z, error=found.error, residual=found.residual)
    else:
        _write(arguments, "encoded", z=model.encode(x, **options))


def decode(arguments) -> None:
    _claim(arguments, "decoded.npz", "decoded.png")
    model, options = inputs.load(arguments)
    _write(arguments, "decoded", x=model.decode(inputs.latents(arguments), **options))


def fill(arguments) -> None:
    from gdm_jax import conditional
    from gdm_jax.reports import edits

    _claim(arguments, "filled.npz", "filled.png")
    model, options = inputs.load(arguments)
    if bool(arguments.keep) == bool(arguments.mask):
        raise ValueError("pass either --keep GROUP ... or --mask FILE")
    keep = arguments.keep or conditional.groups_of_mask(model.process, inputs.mask(arguments.mask, model))
    model.given(keep)  # refuse before anything is solved
    if arguments.seeds and not arguments.images and arguments.data is None:
        x = model.sample(seeds=arguments.seeds, **options)
    else:
        x, _ = inputs.examples(arguments, model)
    if x.ndim != 4:
        if np.ndim(options.get("label")):
            options["label"] = np.repeat(options["label"], arguments.count)
        filled = model.fill(np.repeat(x, arguments.count, axis=0), keep, **options)
        _write(arguments, "filled", x=filled)
        return
    made = edits.fill(model, edits.Source(x, x, {}, []), keep, count=arguments.count, **options)
    _write_edit(arguments, "filled", made)


def edit(arguments) -> None:
    from gdm_jax import keys, latent
    from gdm_jax.process.groups import check_groups
    from gdm_jax.reports import edits

    _claim(arguments, f"{arguments.operation}.npz", f"{arguments.operation}.png")
    keys.check_seeds([arguments.seed or 0])
    model, options = inputs.load(arguments)
    if len(model.config.data.shape) != 3:
        raise ValueError("edit: draws images; for vectors use gdm_jax.latent")
    label = options.get("label")
    if np.ndim(label):
        raise ValueError("--label: edits take one label for all images")

    groups, operation, count = arguments.groups, arguments.operation, arguments.count
    check_groups(groups or [], model.process.k)  # before anything is solved
    elements = arguments.elements or range(min(4, int(model.process.groups.sizes.sum())))
    for element in elements:
        latent.place(model.process, element)
    if count is not None and count < 1:
        raise ValueError(f"--count: must be at least 1, got {count}")
    if operation == "swap" and not groups:
        raise ValueError("--groups: name the groups to take from the donors")

    def source(images, count, seeds, what):
        inputs.check_source(what, images=images, data=count, seeds=seeds)
        if seeds:
            return edits.from_seeds(model, seeds, **options)
        found = edits.from_images(model, inputs.images(images, count, arguments.split, model)[0], **options)
        _warn_uncertain(arguments, found.uncertain)
        return found

    images = source(arguments.images, arguments.data, arguments.seeds, "")
    if operation == "swap":
        donors = arguments.donor_images, arguments.donor_data, arguments.donor_seeds
        donors = source(*donors, "donor-") if any(d is not None for d in donors) else images
        made = edits.swap(model, images, donors, groups)
    elif operation == "interpolate":
        made = edits.interpolate(model, images, groups=groups, count=count or 7, spherical=not arguments.linear)
    elif operation == "traverse":
        made = edits.traverse(model, images, elements, channel=arguments.channel, count=count or 7)
    elif operation == "resample":
        made = edits.resample(model, images, keep=groups, count=count or 4, seed=arguments.seed or 0)
    else:
        made = edits.keep(model, images, groups=groups, seed=arguments.seed)
    _write_edit(arguments, operation, made)


def likelihood(arguments) -> None:
    from gdm_jax.reports import likelihood
    from gdm_jax.workdir import files

    _claim(arguments, "likelihood.md", "likelihood.json", "likelihood.png", "likelihood.npz")
    model, options = inputs.load(arguments)
    if "solver" not in options and "steps" not in options:
        options |= {"solver": "tsit5", "steps": max(32, model.pieces)}
    x, _ = inputs.examples(arguments, model)
    draws = arguments.draws if x.ndim == 4 else 0
    found = model.log_likelihood(x, probes=arguments.probes, draws=draws, **options)
    report = likelihood.bits(model, x, found, dequantised=draws > 0)
    _write_report(arguments, "likelihood", report)
    path = _output(arguments, "likelihood.npz")
    files.write_arrays(path, **found._asdict())
    print(path)


def analyse(arguments) -> None:
    from gdm_jax import metrics
    from gdm_jax.drawing import charts
    from gdm_jax.reports import bands

    charts.check()  # before the long part
    _claim(arguments, "analysis.md", "analysis.json", "perception.png")
    model, options = inputs.load(arguments)
    x, label = inputs.examples(arguments, model)
    if x.ndim != 4:
        raise ValueError("analyse: looks at models of images")
    if arguments.features == "classifier" and (label is None or len(np.unique(label)) < 2):
        raise ValueError("--features classifier: needs --data of at least two classes; or pass --features pixels")
    if arguments.features == "classifier":
        train, names = inputs.images(None, 10**9, "", model)
        features = metrics.fit_classifier(train, names).features
    elif arguments.features == "pixels":
        features = metrics.pixels
    else:
        features = metrics.vgg19(arguments.weights or "imagenet")
    if "solver" not in options and "steps" not in options:
        options |= {"solver": "heun", "steps": max(64, model.pieces)}  # Euler's steps encode too narrow a latent
    report = bands.bands(model, x, label, features, sets=arguments.sets, members=arguments.members, **options)
    _write_report(arguments, "analysis", report)


def evaluate(arguments) -> None:
    from gdm_jax import evaluation
    from gdm_jax.devices import hosts
    from gdm_jax.workdir import files

    folder = _claim(arguments, "evaluations") / "evaluations"
    judges = arguments.judges or pathlib.Path(arguments.workdir).resolve().parent / "judges"
    judges = files.claim(judges, "", field="--judges")
    model, options = inputs.load(arguments)
    count = 10_000 if arguments.count is None else arguments.count
    of_samples = {"count": count, "sets": 1 if arguments.sets is None else arguments.sets}
    if arguments.images:
        given = [f"--{name}" for name in OF_SAMPLES if getattr(arguments, name) is not None]
        if given:
            raise ValueError(f"{given[0]}: is of samples; --images are judged as they are")
        images, _ = inputs.images([arguments.images], None, "", model)
    else:
        evaluation.check(model, **of_samples, **{name: options[name] for name in options if name != "progress"})
    with hosts.first_before_the_others("judge made"):
        judge = evaluation.judge(
            model.config.data,
            arguments.features,
            judges,
            split=arguments.split,
            weights=arguments.weights,
            reference=arguments.reference,
            progress=hosts.first(),
        )
    if arguments.images:
        found = {"images": str(arguments.images), **evaluation.compare_images(images, judge)}
    else:
        found = evaluation.evaluate(model, judge, folder, **of_samples, **options)
    if not hosts.first():
        return
    real = "statistics" if judge.real.count is None else f"{judge.real.count:,}"
    print(f"{found['count']:,} images against {real} by {judge.name}")
    for name in ("frechet", "precision", "recall", "confident", "as_told"):
        if name in found:
            spread = "" if found[name]["std"] is None else f" ± {found[name]['std']:.2g}"
            print(f"{name:<10} {found[name]['mean']:.4g}{spread}")
    if "floor" in found:
        print(f"floor      {found['floor']:.4g}  (what new draws of the data's own law would score)")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("images.json" if arguments.images else "evaluation.json")
    files.write(path, found)
    print(path)


def experiment(arguments) -> None:
    from gdm_jax import experiments
    from gdm_jax.drawing import charts

    charts.check()  # before the long part
    known = experiments.EXPERIMENTS
    if arguments.experiment not in known:
        raise ValueError(f"experiment: must be one of {', '.join(known)}, got {arguments.experiment!r}")
    if arguments.workdir and arguments.experiment not in experiments.OF_ANY_MODEL:
        raise ValueError(
            f"--workdir: is for {' and '.join(experiments.OF_ANY_MODEL)}; the others train their own models"
        )
    lab = experiments.Lab(
        arguments.scale,
        pathlib.Path(arguments.runs),
        pathlib.Path(arguments.configs),
        tuple(arguments.overrides),
        workdir=arguments.workdir,
        features=arguments.features,
        weights=arguments.weights,
    )
    experiments.claim(lab, arguments.experiment)
    report = known[arguments.experiment](lab)
    paths = experiments.write(lab, arguments.experiment, report)
    print(report.text, *paths, sep="\n")


def info(arguments) -> None:
    import jax

    from gdm_jax import config as configs
    from gdm_jax.config import build
    from gdm_jax.training import state
    from gdm_jax.workdir import checkpoint, log

    if bool(arguments.config) == bool(arguments.workdir):
        raise ValueError("pass either --config or --workdir")
    config = configs.load(arguments.config, arguments.overrides) if arguments.config else None
    config = config or configs.of_workdir(arguments.workdir)
    process = build.process(config)
    schedule = build.schedule(config, process.k)
    net = build.network(config, process)
    shape, training = config.data.shape, config.training
    params = jax.eval_shape(lambda: state.create(net, shape, process.k, training=training, seed=config.seed)).params
    count = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(params))
    print(f"data       {config.data.name} {config.data.shape}")
    print(f"process    {config.process.groups}, basis {config.process.basis}, {config.process.interpolant}")
    print(f"network    {config.model.name}, {count:,} parameters, {config.model.dtype}")
    print("group      elements  diffused in t (generated first at the top)")
    for j in np.argsort(-np.asarray(schedule.t_end), kind="stable"):
        print(f"  {j:<8} {process.groups.sizes[j]:>8}  [{schedule.t_start[j]:.3f}, {schedule.t_end[j]:.3f}]")
    if arguments.workdir:
        started = (pathlib.Path(arguments.workdir) / "checkpoints").is_dir()
        steps = checkpoint.Checkpoints(arguments.workdir, create=False).steps() if started else []
        print(f"steps      {steps[-1] if steps else 0:,} of {config.training.steps:,}; checkpoints {steps}")
        rows = log.read(arguments.workdir)
        if rows:
            print(f"last       {', '.join(f'{name} {value:.4g}' for name, value in rows[-1].items())}")


def figures(arguments) -> None:
    from gdm_jax.model import load
    from gdm_jax.reports import samples

    folder = _claim(arguments, "figures") / "figures"
    model, options = inputs.load(arguments)
    if arguments.beside:
        other = load(arguments.beside)
        names = [pathlib.Path(run).name for run in (arguments.workdir, arguments.beside)]
        lines = samples.compare([model, other], names, folder, **options)
    else:
        lines = samples.write(model, folder, **options)
    for line in lines:
        print(f"{folder}/{line}")


def _write(arguments, name: str, **arrays) -> None:
    """NAME.npz with the arrays, and a picture of the first."""
    from gdm_jax import drawing
    from gdm_jax.workdir import files

    path = _output(arguments, f"{name}.npz")
    files.write_arrays(path, **arrays)
    first = next(iter(arrays.values()))
    picture = drawing.grid(first) if first.ndim == 4 else drawing.cloud(first)
    drawing.save(picture, path.with_suffix(".png"))
    print(f"{path}\n{path.with_suffix('.png')}")


def _write_edit(arguments, name: str, made) -> None:
    from gdm_jax import drawing
    from gdm_jax.workdir import files

    path = _output(arguments, f"{name}.png")
    drawing.save(made.page, path)
    files.write_arrays(path.with_suffix(".npz"), x=made.x)
    print(f"{path}\n{path.with_suffix('.npz')}")


def _write_report(arguments, name: str, report) -> None:
    """NAME.md, NAME.json and the pictures; the text also on the screen."""
    from gdm_jax import drawing
    from gdm_jax.workdir import files

    path = _output(arguments, f"{name}.md")
    files.write(path, report.text)
    files.write(path.with_suffix(".json"), report.numbers)
    print(f"{report.text}\n{path}\n{path.with_suffix('.json')}")
    for picture, page in report.pictures.items():
        drawing.save(page, path.with_name(f"{picture}.png"))
        print(path.with_name(f"{picture}.png"))


def _warn_uncertain(arguments, failed) -> None:
    if len(failed):
        print(f"gdm {arguments.name}: warning: not inverted, do not trust: {failed}; try more --steps", file=sys.stderr)


def _claim(arguments, *names: str) -> pathlib.Path:
    """The folder to write to, once it is known that it takes these names; asked before the long part of a command."""
    from gdm_jax.workdir import files

    return files.claim(_output(arguments, ""), *names)


def _output(arguments, name: str) -> pathlib.Path:
    return pathlib.Path(arguments.out or arguments.workdir) / name
