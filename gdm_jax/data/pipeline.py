"""The stream of training batches, a Grain pipeline.

Its order depends on the seed alone: position n of the stream is the same example however many hosts or devices share
it. Host p of P reads positions p, p + P, p + 2P, ... Every example carries its `position` within the global batch, from
which its noise is drawn. Grain shuffles numbers, and the examples of a batch are read at once.
"""

from __future__ import annotations

import grain
import numpy as np

from gdm_jax import keys
from gdm_jax.data.sources import Several, Source

__all__ = ["stream"]


def stream(
    source: Source,
    *,
    seed: int,
    batch: int,
    flip: bool = False,
    process_index: int = 0,
    process_count: int = 1,
    threads: int = 4,
) -> grain.DatasetIterator:
    """An endless, shuffled, checkpointable iterator of batches.

    Args:
      source: Data set.
      seed: Seed of the order and the flips.
      batch: Number of examples in a global batch.
      flip: Whether to mirror each image left to right with probability one half.
      process_index: Number of this host.
      process_count: Number of hosts.
      threads: Number of threads that read ahead.

    Returns:
      An iterator of {"x": `[batch / process_count, *shape]`, "label", "position"}, all NumPy; `get_state` and
      `set_state` save and restore its position.

    Raises:
      ValueError: if the batch does not divide by the hosts.
    """
    if batch % process_count:
        raise ValueError(f"training.batch: {batch} does not divide evenly over {process_count} hosts")

    def shuffled(numbers: grain.MapDataset, seed: int) -> grain.MapDataset:
        return numbers.seed(seed).shuffle().repeat()

    if isinstance(source, Several):
        parts = [grain.MapDataset.range(end - len(part), end) for part, end in zip(source.parts, source.ends)]
        parts = [shuffled(numbers, seed + n) for n, numbers in enumerate(parts)]
        order = grain.MapDataset.mix(parts, list(source.weights))
    else:
        order = shuffled(grain.MapDataset.range(len(source)), seed)
    position = np.arange(process_index, batch, process_count, dtype=np.int32)

    def read(n: int, numbers: np.ndarray) -> dict:
        found = source[numbers]
        if flip:
            mirrored = keys.generator(seed, "flip", n).integers(2, size=batch)[position]
            found["x"] = np.where(mirrored.reshape(-1, 1, 1, 1), found["x"][:, :, ::-1], found["x"])
        return {**found, "position": position}

    batches = order[process_index::process_count].batch(len(position), drop_remainder=True).map_with_index(read)
    return iter(batches.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=4)))
