"""The model of a run."""

import dataclasses

from spot_jax import typed
from spot_jax.errors import InputError
from spot_jax.t5 import T5Config


@dataclasses.dataclass(frozen=True)
class Model:
    """The frozen model, or the one to tune.

    Attributes:
        config: its shape (gin/models).
        checkpoint: INITIAL_CHECKPOINT_PATH: a folder, a gs:// path or a published
            name; None only where a model is trained from scratch.
        num_partitions: over how many devices each weight is split.
        weights_dtype: what frozen weights are held in; "bfloat16" halves their memory,
            the prompt stays float32.
    """

    config: T5Config
    checkpoint: str | None
    num_partitions: int = 1
    weights_dtype: str = "float32"

    def __post_init__(self):
        typed.check(self)
        if self.weights_dtype not in ("float32", "bfloat16"):
            raise InputError(
                f"WEIGHTS_DTYPE is {self.weights_dtype!r}; weights are held in "
                "'float32' or 'bfloat16'."
            )
