"""Which T5 a checkpoint is: its own shape, compared with what was asked for."""

import dataclasses
import logging

from flax import traverse_util

from spot_jax import pretrained
from spot_jax.errors import InputError
from spot_jax.pretrained import Description
from spot_jax.settings import Model
from spot_jax.t5 import T5Config, parameter_shapes

logger = logging.getLogger(__name__)


def described(model: Model) -> Description | None:
    """Returns what the checkpoint of a run says of itself; None where there is none.

    Raises:
        InputError: when it cannot be opened or is no T5; see `pretrained.describe`.
    """
    return None if model.checkpoint is None else pretrained.describe(model.checkpoint)


def resolved(model: Model, description: Description | None = None) -> Model:
    """Returns a model whose shape is known, and is that of its checkpoint.

    Args:
        model: what was asked for.
        description: `described(model)`; None asks again.

    Raises:
        InputError: when there is neither a shape nor a checkpoint, or when they differ,
            with the setting and both values; no array is read.
    """
    if model.checkpoint is None:
        if model.config is None:
            raise InputError(
                "Nothing says which T5 this is. Give the folder of one, a gs:// path "
                "or a published name (--gin.INITIAL_CHECKPOINT_PATH=...), or, to train "
                "one from scratch, its shape (--gin_file=gin/models/...)."
            )
        return model
    description = description or pretrained.describe(model.checkpoint)
    config = model.config
    if config is None:
        config = T5Config(**description.settings, **description.training)
        _tell(description)
    shapes, _ = parameter_shapes(config)
    expected = traverse_util.flatten_dict(dict(shapes), sep="/")
    pretrained.check_fit(description, expected, dataclasses.asdict(config))
    return dataclasses.replace(model, config=config)


def _tell(description: Description) -> None:
    shape = ("d_model", "encoder_layers", "decoder_layers", "vocab_size")
    sizes = ", ".join(f"{name} {description.settings[name]}" for name in shape)
    logger.info("The T5 in %s has %s.", description.source, sizes)
    for name, value in description.assumed.items():
        logger.info(
            "Nothing in %s tells its %s: it is taken to be %s, as in T5X. If it is "
            "another, set it in a gin/models file.",
            *(description.source, name, value),
        )
