"""What the library costs, in one table from one run: every share is a ratio of times measured next to each other.

    python launch/benchmark.py                     DDPM++ of width 128 at 32x32, float32, batch 4
    python launch/benchmark.py --dtype bfloat16 --batch 256     the same on a GPU
    python launch/benchmark.py --channels 32                    a quick look

Rates are XLA's own count of operations divided by time, and their share is of the rate of the fastest large matrix
product in the same type, measured at the start and the end.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import resource
import time

import jax
import jax.numpy as jnp
import numpy as np

import gdm_jax as gdm
from gdm_jax import build, config
from gdm_jax.models import UNet
from gdm_jax.training import state, step

SIDE = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=128, help="width of the U-Net (128)")
    parser.add_argument("--batch", type=int, default=4, help="images a step (4)")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"], help="of the computation")
    parser.add_argument("--repeats", type=int, default=5, help="times each figure is measured; the median counts (5)")
    parser.add_argument("--remat", action="store_true", help="recompute activations in the backward pass")
    arguments = parser.parse_args()
    device = jax.devices()[0]
    print(f"{device.device_kind}, JAX {jax.__version__}, {arguments.dtype}, batch {arguments.batch}\n")
    print(f"{'what':<58}{'value':>14}{'share':>9}")
    rate = matrix_rate(arguments.dtype)
    row("matrix product, 4096 x 4096" if on_accelerator() else "matrix product, 2048 x 2048", f"{rate / 1e9:,.0f} GF/s")
    network_rows(arguments, rate)
    sampling_rows(arguments.repeats)
    row("matrix product, again", f"{matrix_rate(arguments.dtype) / 1e9:,.0f} GF/s")
    row("peak memory of the process", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")
    if device.memory_stats():
        row("peak memory of the device", f"{device.memory_stats()['peak_bytes_in_use'] / 2**30:.1f} GiB")


def network_rows(arguments, rate: float) -> None:
    """The training step and the forward pass of DDPM++, and what the basis adds."""
    c = config.Config()
    c = dataclasses.replace(
        c,
        data=dataclasses.replace(c.data, shape=(SIDE, SIDE, 3)),
        process=dataclasses.replace(c.process, groups="frequency_bands", basis="dct", bands=(30, 100, 500)),
        model=dataclasses.replace(c.model, channels=arguments.channels, dtype=arguments.dtype, remat=arguments.remat),
        training=dataclasses.replace(c.training, batch=arguments.batch),
    )
    process, schedule = build.process(c), gdm.schedule.uniform(4)
    net = build.network(c, process)
    start = state.create(c, net, process.k)
    count = sum(leaf.size for leaf in jax.tree.leaves(start.params))
    batch = {"x": jnp.zeros((arguments.batch, SIDE, SIDE, 3), jnp.uint8), "position": jnp.arange(arguments.batch)}
    x, alpha = jnp.ones((arguments.batch, SIDE, SIDE, 3)), jnp.ones((arguments.batch, process.k))

    began = time.perf_counter()
    train = jax.jit(step.make_step(c, net, process, schedule)).lower(start, batch).compile()
    compile_seconds = time.perf_counter() - began
    forward = jax.jit(net.apply).lower(start.params, x, alpha).compile()
    step_seconds = median(lambda: train(start, batch), arguments.repeats)
    forward_seconds = median(lambda: forward(start.params, x, alpha), arguments.repeats)
    for name, compiled, seconds in [("training step", train, step_seconds), ("forward pass", forward, forward_seconds)]:
        flops = compiled.cost_analysis()["flops"]
        row(f"{name}, {count / 1e6:.1f} M parameters", f"{seconds * 1e3:,.0f} ms")
        row(f"  {flops / 1e9:,.0f} GF by XLA's count", f"{flops / seconds / 1e9:,.0f} GF/s", flops / seconds / rate)
    row("  images a second, training", f"{arguments.batch / step_seconds:,.1f}")
    row("  compilation of the step", f"{compile_seconds:.1f} s")
    memory = train.memory_analysis()
    row("  memory of the step beside its arguments", f"{memory.temp_size_in_bytes / 2**30:.2f} GiB")

    pixels = gdm.Process(process.groups)
    in_basis, in_pixels = (
        median(lambda p=p: p.diagonal(alpha, p.perturb(x, x, alpha)), 20 * arguments.repeats) for p in (process, pixels)
    )
    row(
        "perturb and one change of basis and back, beyond pixels",
        f"{(in_basis - in_pixels) * 1e3:.2f} ms",
        (in_basis - in_pixels) / step_seconds,
    )


def sampling_rows(repeats: int, steps: int = 58) -> None:
    """generate against a loop over as many bare jitted network calls, and many groups against one."""
    seconds = {k: sampling_row(k, repeats, steps) for k in (1, 4, 29)}
    row("a network call in generate at k = 29 against k = 1", "", seconds[29] / seconds[1])


def sampling_row(k: int, repeats: int, steps: int) -> float:
    """Time of generate over that of the bare calls, right to left in k groups."""
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
        return gdm.generate(u, process, schedule, x, solver="euler", steps=steps)

    pairs = [(median(whole, 1), median(bare, 1)) for _ in range(repeats)]
    generate, loop = np.median(pairs, axis=0)
    ratio = float(np.median([a / b for a, b in pairs]))
    row(f"generate, k = {k}, {steps} Euler steps", f"{generate * 1e3:,.0f} ms")
    row("  against as many bare network calls", f"{loop * 1e3:,.0f} ms", ratio)
    return ratio


def matrix_rate(dtype: str) -> float:
    """Operations a second of the fastest of ten large matrix products."""
    n = 4096 if on_accelerator() else 2048
    a = jnp.ones((n, n), dtype)
    product = jax.jit(lambda a: a @ a)
    return 2 * n**3 / min(times(lambda: product(a), 10))


def median(run, repeats: int) -> float:
    return float(np.median(times(run, repeats)))


def times(run, repeats: int) -> list[float]:
    """Seconds of each of `repeats` runs after one that is not counted."""
    jax.block_until_ready(run())
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(run())
        seconds.append(time.perf_counter() - began)
    return seconds


def on_accelerator() -> bool:
    return jax.default_backend() != "cpu"


def row(what: str, value: str, share: float | None = None) -> None:
    print(f"{what:<58}{value:>14}{'' if share is None else f'{share:>9.1%}'}", flush=True)


if __name__ == "__main__":
    main()
