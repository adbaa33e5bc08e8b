"""What a reader hands over: arrays that know their shape and are not read yet."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np

Index = tuple[slice, ...]
_COMPARED_VALUES = 2**22

# Weights come as one of these; whole numbers or 8-bit floats mean a quantised model,
# whose scales no plain copy would apply.
WEIGHT_DTYPES = frozenset(
    np.dtype(kind) for kind in (np.float64, np.float32, np.float16, ml_dtypes.bfloat16)
)


@dataclasses.dataclass(frozen=True)
class StoredArray:
    """An array of a checkpoint that has not been read.

    Attributes:
        shape: Its whole shape.
        dtype: The dtype it is stored in.
        read: From one slice per dimension (start and stop given) to a fresh numpy
            array of that part, in the stored dtype.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[Index], np.ndarray]

    def whole(self) -> Index:
        """Returns the index that covers every element."""
        return tuple(slice(0, size) for size in self.shape)

    def transposed(self) -> "StoredArray":
        """Returns the same array with its dimensions in reverse order."""
        return StoredArray(
            shape=self.shape[::-1],
            dtype=self.dtype,
            read=lambda index: self.read(index[::-1]).T,
        )

    def times(self, factor: float) -> "StoredArray":
        """Returns the same array with every value multiplied, in float32."""
        return StoredArray(
            shape=self.shape,
            dtype=np.dtype(np.float32),
            read=lambda index: np.float32(factor) * self.read(index).astype(np.float32),
        )

    def viewed(self, dtype: np.dtype) -> "StoredArray":
        """Returns the same bits as another dtype of the same width."""
        return StoredArray(
            shape=self.shape,
            dtype=np.dtype(dtype),
            read=lambda index: self.read(index).view(dtype),
        )


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose names, shapes and dtypes are known.

    Attributes:
        arrays: From our parameter names (`encoder/layers_0/mlp/wo/kernel`) to arrays;
            one that has no name of ours keeps its own.
        step: The optimizer step saved with the weights, None if there is none.
        settings: What a config.json beside the arrays says of the model, under the
            names of T5Config.
        training: What it says of training, which a run may do otherwise, likewise.
        copies: From the name of a second copy of an array to the copy and the original,
            which have to be equal.
        sums: Of arrays whose `fingerprint.sum_of` was written down with them.
    """

    arrays: Mapping[str, StoredArray]
    step: int | None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    copies: Mapping[str, tuple[StoredArray, StoredArray]] = dataclasses.field(
        default_factory=dict
    )
    sums: Mapping[str, int] = dataclasses.field(default_factory=dict)


def equal(first: StoredArray, second: StoredArray) -> bool:
    """Returns whether two arrays have the same values; reads up to a difference."""
    if first.shape != second.shape:
        return False
    step = max(1, _COMPARED_VALUES // max(1, first.shape[-1]))
    rest = first.whole()[1:]
    parts = [
        (slice(start, min(start + step, first.shape[0])), *rest)
        for start in range(0, first.shape[0], step)
    ]
    return all(np.array_equal(first.read(part), second.read(part)) for part in parts)
