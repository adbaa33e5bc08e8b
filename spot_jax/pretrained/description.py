"""What a checkpoint says of itself, told before any of its weights is read."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from spot_jax import spot_tiny
from spot_jax.errors import InputError
from spot_jax.pretrained.arrays import Checkpoint
from spot_jax.pretrained.beside import Beside, vocabulary_beside
from spot_jax.pretrained.check import (
    check,
    check_settings,
    contradiction,
    recognise,
    settings_of,
)
from spot_jax.pretrained.folder import find
from spot_jax.pretrained.load import open_checkpoint
from spot_jax.pretrained.published import (
    PUBLISHED,
    settings_of_published,
    step_of_published,
)

# What no run can do without; the rest has T5's own defaults.
_NEEDED = (
    *("vocab_size", "d_model", "heads", "d_head", "d_mlp"),
    *("encoder_layers", "decoder_layers", "relpos_buckets"),
)
# By the name of the first matrix of a feed-forward block, T5X's T5 1.0 and 1.1.
_ACTIVATIONS = {"wi": ("relu",), "wi_0": ("gelu", "linear")}
# d_model, d_head and d_mlp of the published UL2 (Tay et al. 2022), gated by SiLU.
_UL2 = (4096, 256, 16384)


@dataclasses.dataclass(frozen=True)
class Description:
    """A checkpoint and what is known of it.

    Attributes:
        source: The folder, file or url, in full.
        settings: The architecture, under the names of T5Config's fields.
        assumed: Those of them that nothing in the checkpoint tells: they are T5X's.
        training: What it says of training, under the same names.
        step: The optimizer step saved with the weights; None where nothing says it.
        vocabulary: The one beside the weights; None where there is none.
        is_of_transformers: Whether it is a folder of that library, else of T5X.
        checkpoint: Its arrays, of which nothing is read; None of a name in PUBLISHED,
            of which nothing was opened.
    """

    source: str
    settings: Mapping[str, Any]
    assumed: Mapping[str, Any]
    training: Mapping[str, Any]
    step: int | None
    vocabulary: Beside | None
    is_of_transformers: bool = False
    checkpoint: Checkpoint | None = None


def describe(path: str) -> Description:
    """Returns what a checkpoint says of itself.

    Args:
        path: A local folder, a gs:// url, a name in PUBLISHED or "spot_tiny", as for
            `load`. A published one is not opened: its name tells all of this.

    Raises:
        InputError: if nothing readable is there, if it is no T5 that is computed here,
            or if what it says contradicts its weights.
    """
    folder, file = find(path)
    source = f"{folder.url}/{file}" if file else folder.url
    if path in PUBLISHED and not folder.is_local:
        settings, step = settings_of_published(path), step_of_published(path)
        return Description(source, settings, {}, {}, step, None)
    checkpoint = open_checkpoint(folder, file)
    if contradicted := contradiction(checkpoint):
        raise InputError(f"{source} is not one model: {contradicted}")
    told = settings_of(checkpoint.arrays) | dict(checkpoint.settings)
    if untold := [key for key in _NEEDED if key not in told]:
        shown = ", ".join(sorted(checkpoint.arrays)[:5])
        raise InputError(
            f"{source} holds no T5: its arrays do not tell {', '.join(untold)}; the "
            f"first of {len(checkpoint.arrays)} are {shown or 'none'}. Give the "
            "checkpoint of a T5 whose layers are arrays of their own"
        )
    beside = vocabulary_beside(folder)
    if path == spot_tiny.NAME:
        beside = Beside(spot_tiny.NAME, 0, ())
    assumed = {} if "mlp_activations" in told else _activations_of(checkpoint, told)
    return Description(
        source,
        told | assumed,
        # The shapes of a published model tell its activations.
        {} if recognise(checkpoint.arrays) else assumed,
        checkpoint.training,
        checkpoint.step,
        beside,
        is_of_transformers=bool(checkpoint.training),
        checkpoint=checkpoint,
    )


def check_fit(
    description: Description, expected: Mapping[str, Any], settings: Mapping[str, Any]
) -> None:
    """Checks that a checkpoint is the model's; nothing of it is read.

    Args:
        description: The checkpoint.
        expected: From every parameter name of the model to something with its shape.
        settings: The model's T5Config as a dict.

    Raises:
        InputError: if an array or a setting is another; see `check.check`.
    """
    if description.checkpoint is None:
        check_settings(description.settings, settings, description.source)
    else:
        check(description.checkpoint, expected, description.source, settings)


def _activations_of(checkpoint: Checkpoint, told: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the activations that T5X's T5 has with these names of its matrices."""
    if (told["d_model"], told["d_head"], told["d_mlp"]) == _UL2:
        return {"mlp_activations": ("silu", "linear")}
    for name, activations in _ACTIVATIONS.items():
        if f"encoder/layers_0/mlp/{name}/kernel" in checkpoint.arrays:
            return {"mlp_activations": activations}
    return {}
