"""The stream of training batches, a Grain pipeline.

Its order depends on the seed alone: position n of the stream is the same example however many hosts or devices share
it. Host p of P reads positions p, p + P, p + 2P, ...; every example carries its `position` within the global batch, by
which its noise is drawn.
"""

from __future__ import annotations

import grain
import numpy as np

from gdm_jax.data.sources import Several


def stream(
    source,
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
      source: `__len__` and `__getitem__` -> {"x", "label"}.
      seed: of the order and the flips.
      batch: examples in a global batch.
      flip: mirror each image left to right with probability one half.
      process_index, process_count: this host and how many there are.
      threads: that read ahead.

    Returns:
      An iterator of {"x": `[batch / process_count, *shape]`, "label", "position"}, all NumPy; `get_state` and
      `set_state` save and restore its position.

    Raises:
      ValueError: if the batch does not divide by the hosts.
    """
    if batch % process_count:
        raise ValueError(f"training.batch: {batch} does not divide evenly over {process_count} hosts")

    def shuffled(source, seed):
        return grain.MapDataset.source(source).seed(seed).shuffle().repeat()

    if isinstance(source, Several):
        parts = [shuffled(part, seed + n) for n, part in enumerate(source.parts)]
        dataset = grain.MapDataset.mix(parts, list(source.weights)).seed(seed)
    else:
        dataset = shuffled(source, seed)
    if flip:
        dataset = dataset.random_map(_flip)
    dataset = dataset.map_with_index(lambda i, example: {**example, "position": np.int32(i % batch)})
    dataset = dataset[process_index::process_count].batch(batch // process_count, drop_remainder=True)
    return iter(dataset.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=4)))


def _flip(example: dict, rng: np.random.Generator) -> dict:
    return {**example, "x": example["x"][:, ::-1]} if rng.integers(2) else example
