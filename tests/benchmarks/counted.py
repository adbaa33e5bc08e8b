"""Operations of a step: those that its examples need, and those that its rows take."""

import functools
from collections.abc import Iterator, Sequence

import numpy as np
from work import Work

from spot_jax.t5 import T5Config, flops

# Of these kinds the gradients of all layers are computed, from the last to the first.
_COUNTED = ("soft", "kv")


def needed(config: T5Config, work: Work, rows: Sequence[dict]) -> float | None:
    """Returns the operations of a step's examples, each in a row of its own size.

    None where nobody has counted what flows back.
    """
    if work.kind not in _COUNTED:
        return None
    sizes = [size for part in rows for size in sizes_in(part)]
    return sum(_operations(config, work, *size) for size in sizes)


def executed(config: T5Config, work: Work, rows: Sequence[dict]) -> float | None:
    """Returns the operations of a step's rows, padding and all."""
    if work.kind not in _COUNTED:
        return None
    total = 0.0
    for part in rows:
        count, inputs = part["encoder_segment_ids"].shape
        targets = part["decoder_segment_ids"].shape[1]
        total += count * _operations(config, work, inputs, targets)
    return total


@functools.cache
def _operations(config: T5Config, work: Work, inputs: int, targets: int) -> float:
    """Returns the operations of a row's step.

    A product with frozen weights is computed once forward and once backward,
    attention's own products once and twice.
    """
    layers = config.encoder_layers * inputs + config.decoder_layers * targets
    beside = work.prompt * layers if work.kind == "kv" else 0
    row = flops.forward(config, inputs, targets, beside)
    return 2 * row.weights + 3 * row.attention


def sizes_in(rows: dict) -> Iterator[tuple[int, int]]:
    """Yields the positions of every example in rows, of the encoder and the decoder."""
    counts = []
    for stack in ("encoder", "decoder"):
        segments = np.asarray(rows[f"{stack}_segment_ids"])
        # Row by row, and in a row by its number; 0 is padding.
        most = segments.max() + 1
        numbers = segments + most * np.arange(len(segments))[:, None]
        found = np.bincount(numbers.ravel(), minlength=most * len(segments))
        counts.append(found.reshape(-1, most)[:, 1:].ravel().tolist())
    for inputs, targets in zip(*counts, strict=True):
        if inputs:
            yield inputs, targets
