"""Measures what the library costs and prints one table. Every ratio compares times that were measured in turn.

    python launch/benchmark.py                                  DDPM++ of width 128 at 32x32, float32, batch 8
    python launch/benchmark.py --dtype bfloat16 --batch 256     the same network on a GPU
    python launch/benchmark.py --channels 32                    a quick look
    python launch/benchmark.py --rows loop                      one part: network, sampling, loop or scaling

A rate is XLA's own count of operations divided by the median time. Its ratio compares it with the rate of large matrix
products of the same type, which are timed between the runs, so that a busy machine slows both alike.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np

import gdm_jax as gdm
from gdm_jax import config
from gdm_jax.config import build
from gdm_jax.devices import parallel, platform
from gdm_jax.networks.unet import UNet
from gdm_jax.training import state, step
from gdm_jax.workdir import checkpoint, log

ROOT = pathlib.Path(__file__).parents[1]
SIDE = 32
PRODUCTS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=128, help="width of the U-Net (128)")
    parser.add_argument("--batch", type=int, default=8, help="images a step (8)")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"], help="type to compute in")
    parser.add_argument("--repeats", type=int, default=5, help="measurements per figure; the median counts (5)")
    parser.add_argument("--remat", action="store_true", help="recompute activations in the backward pass")
    parts = {"network": network_rows, "sampling": sampling_rows, "loop": loop_rows, "scaling": scaling_rows}
    parser.add_argument("--rows", choices=parts, nargs="+", default=list(parts), help="parts to measure (all)")
    parser.add_argument("--one-of-scaling", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one_of_scaling:
        return print(rate_on_all_devices(arguments.repeats))
    device = jax.devices()[0]
    print(f"{device.device_kind}, JAX {jax.__version__}, {arguments.dtype}, batch {arguments.batch}\n")
    print(f"{'what':<58}{'value':>14}{'share':>9}")
    for name in arguments.rows:
        parts[name](arguments)
    row("peak memory of the process", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")
    if device.memory_stats():
        row("peak memory of the device", f"{device.memory_stats()['peak_bytes_in_use'] / 2**30:.1f} GiB")


def experiment(batch: int, **model):
    """A config of four bands at 32x32, with its process, its network and a batch."""
    c = config.Config()
    c = dataclasses.replace(
        c,
        data=dataclasses.replace(c.data, shape=(SIDE, SIDE, 3)),
        process=dataclasses.replace(c.process, groups="frequency_bands", basis="dct", bands=(30, 100, 500)),
        model=dataclasses.replace(c.model, **model),
        training=dataclasses.replace(c.training, batch=batch),
    )
    process = build.process(c)
    numbers = jnp.arange(batch)
    images = {"x": jnp.zeros((batch, SIDE, SIDE, 3), jnp.uint8), "label": numbers, "position": numbers}
    return c, process, build.network(c, process), images


def network_rows(arguments) -> None:
    """Measures the training step and the forward pass of DDPM++, and the cost of the basis."""
    of_model = {"channels": arguments.channels, "dtype": arguments.dtype, "remat": arguments.remat}
    c, process, net, batch = experiment(arguments.batch, **of_model)
    current = state.create(net, c.data.shape, process.k, training=c.training, seed=c.seed)
    params = jax.tree.map(jnp.copy, current.params)
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    x, alpha = jnp.ones((arguments.batch, SIDE, SIDE, 3)), jnp.ones((arguments.batch, process.k))

    began = time.perf_counter()
    made = step.make_step(c, net, process, build.family(c, process.k))
    train = jax.jit(made, donate_argnums=0).lower(current, batch).compile()
    compile_seconds = time.perf_counter() - began
    forward = jax.jit(net.apply).lower(params, x, alpha).compile()
    n, product = matrix_products(arguments.dtype)

    def one_step():
        nonlocal current
        current, _ = train(current, batch)
        return current

    in_turn = alternate(arguments.repeats, product, one_step, lambda: forward(params, x, alpha))
    product_seconds, step_seconds, forward_seconds = np.median(in_turn, axis=0)
    rate = PRODUCTS * 2 * n**3 / product_seconds
    row(f"matrix products, {n} x {n}, between the runs", f"{rate / 1e9:,.0f} GF/s")
    row("  the fastest of them", f"{rate / 1e9 * product_seconds / in_turn[:, 0].min():,.0f} GF/s")
    counted = operations(made, current, batch), operations(net.apply, params, x, alpha)
    for name, flops, seconds in zip(("training step", "forward pass"), counted, (step_seconds, forward_seconds)):
        row(f"{name}, {count / 1e6:.1f} M parameters", f"{seconds * 1e3:,.0f} ms")
        row(f"  {flops / 1e9:,.0f} GF by XLA's count", f"{flops / seconds / 1e9:,.0f} GF/s", flops / seconds / rate)
    row("  images a second, training", f"{arguments.batch / step_seconds:,.1f}")
    row("  compilation of the step", f"{compile_seconds:.1f} s")
    memory = train.memory_analysis()
    row("  memory of the step beside its arguments", f"{memory.temp_size_in_bytes / 2**30:.2f} GiB")

    pixels = gdm.Process(process.groups)
    runs = [functools.partial(lambda p: p.diagonal(alpha, p.perturb(x, x, alpha)), p) for p in (process, pixels)]
    in_basis, in_pixels = np.median(alternate(20 * arguments.repeats, *runs), axis=0)
    row(
        "perturb and one change of basis and back, beyond pixels",
        f"{(in_basis - in_pixels) * 1e3:.2f} ms",
        (in_basis - in_pixels) / step_seconds,
    )


def operations(function, *arguments) -> float:
    """XLA's count of the function as JAX states it. It counts a loop's body once, and what is for a CPU has loops."""
    with platform.written_for("tpu"):
        return jax.jit(lambda *given: function(*given)).lower(*arguments).cost_analysis()["flops"]  # traced anew


def sampling_rows(arguments, steps: int = 58) -> None:
    """Compares generate with a loop of the same number of bare jitted network calls, and many groups with one."""
    seconds = {k: sampling_row(k, arguments.repeats, steps) for k in (1, 4, 29)}
    sampling_row(4, arguments.repeats, steps, solver="abm3")
    row("a network call in generate at k = 29 against k = 1", "", seconds[29] / seconds[1])


def sampling_row(k: int, repeats: int, steps: int, solver: str = "euler") -> float:
    """The time of generate divided by that of the bare calls, for k groups from right to left."""
    x = jax.random.normal(jax.random.key(0), (16, SIDE, SIDE, 3))
    net = UNet(channels=32, multipliers=(1, 2), blocks=1, attention=())
    process = gdm.Process(gdm.groups.right_to_left((SIDE, SIDE), k))
    schedule, alpha = gdm.schedule.uniform(k), jnp.ones((len(x), k))
    params = net.init(jax.random.key(0), x, alpha)
    u = functools.partial(net.apply, params)
    call = jax.jit(net.apply)

    def bare():
        y = x
        for _ in range(steps):
            y = call(params, y, alpha)
        return y

    def whole():
        return gdm.generate(u, process, schedule, x, solver=solver, steps=steps)

    in_turn = alternate(repeats, whole, bare)
    generate, loop = np.median(in_turn, axis=0)
    ratio = float(np.median(in_turn[:, 0] / in_turn[:, 1]))
    row(f"generate, k = {k}, {steps} steps of {solver}", f"{generate * 1e3:,.0f} ms")
    row("  against as many bare network calls", f"{loop * 1e3:,.0f} ms", ratio)
    if k % 2 == 0 and solver == "euler":

        def shared():
            options = {"keep": range(k // 2), "solver": "euler", "steps": steps}
            return gdm.conditional.variations(u, process, schedule, x[:1], x, **options)

        in_turn = alternate(repeats, whole, shared)
        row(
            "  16 variations of one first half, against 16 samples", "", float(np.median(in_turn[:, 1] / in_turn[:, 0]))
        )
    return ratio


def loop_rows(arguments) -> None:
    """Measures what a run spends on saving, on waiting for data and on its start, and how its memory grows."""
    save_rows(arguments)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        once = ["--config.training.steps=100000", "--config.training.log_every=1"]
        cold, warm = (start_up(folder / name, folder / "cache", once) for name in ("cold", "warm"))
        row("start of a run of digits.py to its first step, cold", f"{cold:.1f} s")
        row("  again, programs compiled before", f"{warm:.1f} s", warm / cold)
        list(
            watch(folder / "some", folder / "cache", ["--config.training.steps=300", "--config.training.log_every=50"])
        )
        waiting = np.median([r["waiting_for_data"] for r in log.read(folder / "some")[1:]])
        row("waiting for data, of 300 steps of digits.py", "", waiting)
        many = ["--config.training.steps=2000", "--config.training.log_every=100", "--config.model.channels=16"]
        memory = dict(watch(folder / "many", folder / "cache", many))
        row("memory of the process at step 200 of a narrow digits.py", f"{memory[200] / 2**20:,.0f} MiB")
        row(
            "  at step 2,000, beyond that",
            f"{(memory[2000] - memory[200]) / 2**20:+,.0f} MiB",
            memory[2000] / memory[200] - 1,
        )


def save_rows(arguments) -> None:
    """Times training steps of DDPM++ in threes: a plain one, one that saves, and one during the write to disk."""
    c, process, net, batch = experiment(arguments.batch, channels=arguments.channels, dtype=arguments.dtype)
    current = parallel.place(state.create(net, c.data.shape, process.k, training=c.training, seed=c.seed))
    train = parallel.over_devices(step.make_step(c, net, process, build.family(c, process.k)))
    with tempfile.TemporaryDirectory() as folder:
        saved = checkpoint.Checkpoints(folder)
        seconds = []
        for n in range(3 * (arguments.repeats + 1)):
            began = time.perf_counter()
            current, metrics = train(current, batch)
            jax.block_until_ready(metrics)
            if n % 3 == 1:
                state.save(saved, n, current, {})
            seconds.append(time.perf_counter() - began)
        saved.close()
    plain, saving, after = np.median(np.reshape(seconds, (-1, 3))[1:], axis=0)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(current)) / 2**30
    row("training step", f"{plain * 1e3:,.0f} ms")
    row(f"  what a save of {size:.2f} GiB adds to its step", "", saving / plain - 1)
    row("  to the next, while it is written", "", after / plain - 1)


def start_up(workdir, cache, words) -> float:
    """Seconds from the start of a run to its first row of metrics; the run is then killed."""
    began = time.perf_counter()
    for _ in watch(workdir, cache, words):
        return time.perf_counter() - began
    raise RuntimeError("the run ended before its first step")


def watch(workdir, cache, words):
    """Runs gdm train on the digits and yields (step, bytes of memory) at each row of its metrics."""
    command = [sys.executable, "-m", "gdm_jax.cli", "train", "--config", str(ROOT / "configs" / "digits.py")]
    run = subprocess.Popen(
        [*command, "--workdir", str(workdir), *words],
        env={**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)},
        stderr=subprocess.DEVNULL,
    )
    try:
        for seen in itertools.count():
            while len(rows := log.read(workdir)) <= seen:
                if run.poll() is not None:
                    return
                time.sleep(0.02)
            pages = int(pathlib.Path(f"/proc/{run.pid}/statm").read_text().split()[1])
            yield rows[seen]["step"], pages * resource.getpagesize()
    finally:
        run.kill()
        run.wait()


def scaling_rows(arguments) -> None:
    """Measures training on 1 to 8 devices of one CPU, with 8 images per device."""
    rates = {}
    for devices in (1, 2, 4, 8):
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
        command = [sys.executable, __file__, "--one-of-scaling", "--repeats", str(arguments.repeats)]
        env = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
        rates[devices] = float(subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout)
        row(f"{devices} CPU device(s), 8 images each", f"{rates[devices]:,.0f} img/s", rates[devices] / rates[1])
    print(
        "  These devices share the same cores: 100% would mean that splitting a batch and summing its"
    )
    print("  gradients cost nothing here. It says nothing about the speed of other chips and their network.")


def rate_on_all_devices(repeats: int) -> float:
    """Images per second of the training step of a small U-Net."""
    c, process, net, batch = experiment(8 * jax.device_count(), channels=32, multipliers=(1, 2), blocks=1, attention=())
    current = parallel.place(state.create(net, c.data.shape, process.k, training=c.training, seed=c.seed))
    train = parallel.over_devices(step.make_step(c, net, process, build.family(c, process.k)))

    def one_step():
        nonlocal current
        current, metrics = train(current, batch)
        return metrics

    return len(batch["x"]) / float(np.median(alternate(4 * repeats, one_step)))


def matrix_products(dtype: str):
    """The side n of the matrices, and a run of PRODUCTS products, each with the result of the one before."""
    n = 4096 if on_accelerator() else 2048
    product, ones, mean = jax.jit(jnp.matmul), jnp.ones((n, n), dtype), jnp.full((n, n), 1 / n, dtype)
    return n, lambda: functools.reduce(lambda y, _: product(y, mean), range(PRODUCTS), ones)


def alternate(repeats: int, *runs) -> np.ndarray:
    """Seconds `[repeats, run]` of runs taken in turn. One run of each comes first and is not counted."""
    for run in runs:
        jax.block_until_ready(run())
    return np.array([[time_of(run) for run in runs] for _ in range(repeats)])


def time_of(run) -> float:
    began = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - began


def on_accelerator() -> bool:
    return jax.default_backend() != "cpu"


def row(what: str, value: str, share: float | None = None) -> None:
    print(f"{what:<58}{value:>14}{'' if share is None else f'{share:>9.1%}'}", flush=True)


if __name__ == "__main__":
    main()
