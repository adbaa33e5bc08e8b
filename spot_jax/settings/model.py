"""The model of a run."""

import dataclasses

from spot_jax import typed
from spot_jax.errors import InputError
from spot_jax.t5 import T5Config


@dataclasses.dataclass(frozen=True)
class Model:
    """The frozen model, or the one to tune.

    Attributes:
        config: its shape (gin/models); None is the one that the checkpoint tells, which
            `model.architecture.resolved` fills in.
        checkpoint: INITIAL_CHECKPOINT_PATH: a folder, a gs:// path or a published
            name; None only where a model is trained from scratch.
        num_partitions: over how many devices each weight is split.
        weights_dtype: what frozen weights are held in; "bfloat16" halves their memory,
            the prompt stays float32.
        dropout_rate: DROPOUT_RATE, while training; None is the config's.
        dtype: ACTIVATION_DTYPE, what activations are computed in; None is the config's.
    """

    config: T5Config | None = None
    # Has to be given, although it comes after what need not be: None draws a model.
    checkpoint: str | None = ...
    num_partitions: int = 1
    weights_dtype: str = "float32"
    dropout_rate: float | None = None
    dtype: str | None = None

    def __post_init__(self):
        if self.checkpoint is ...:
            raise InputError(
                "A Model has no checkpoint: give a folder, a gs:// path or a published "
                "name, or None where a model is trained from scratch."
            )
        typed.check(self)
        if self.weights_dtype not in ("float32", "bfloat16"):
            raise InputError(
                f"WEIGHTS_DTYPE is {self.weights_dtype!r}; weights are held in "
                "'float32' or 'bfloat16'."
            )
        given = {"dropout_rate": self.dropout_rate, "dtype": self.dtype}
        given = {name: value for name, value in given.items() if value is not None}
        if self.config is not None and given:
            config = dataclasses.replace(self.config, **given)
            object.__setattr__(self, "config", config)
