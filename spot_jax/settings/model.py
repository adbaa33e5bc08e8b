"""The model of a run."""

import dataclasses

from spot_jax import typed
from spot_jax.errors import InputError
from spot_jax.t5 import ATTENTIONS, REMAT_POLICIES, T5Config


@dataclasses.dataclass(frozen=True)
class Model:
    """The frozen model, or the one to tune.

    Attributes:
        config: its shape (gin/models); None is the one that the checkpoint tells, which
            `model.architecture.resolved` fills in.
        checkpoint: INITIAL_CHECKPOINT_PATH: a folder, a gs:// path or a published
            name; None only where a model is trained from scratch.
        num_partitions: over how many devices each weight is split; None: over as few
            as it fits on.
        weights_dtype: what weights are held in, the prompt stays float32: "float32",
            "bfloat16", or "int8" of frozen matrices, each column with a scale
            (model/int8.py); None: bfloat16 on accelerators if they are frozen, float32
            elsewhere.
        dropout_rate: DROPOUT_RATE, while training; None is the config's.
        dtype: ACTIVATION_DTYPE, what activations are computed in; None: bfloat16 on
            accelerators, float32 elsewhere.
        scan_layers: whether one compiled layer is walked through all, which compiles in
            a fraction of the time; None: from 2e9 parameters on (T5 1.1 XL), for the
            steps of smaller ones are quicker without.
        remat_policy: what the backward pass finds instead of computing it again:
            "none" (everything), "minimal" (products with weights), "full" (nothing);
            None: "minimal" where layers are scanned, "none" elsewhere.
        attention: of the encoder: "fused", in one kernel of the device's, or "plain";
            None: fused where a frozen model is computed in bfloat16 by one NVIDIA GPU.
        parameter_partitioning_dims: 1 splits weights over the model axis alone, 2 also
            over the data axis, where each layer is gathered when it is needed (T5X's
            name); the optimizer's statistics of a model that is tuned likewise.
    """

    config: T5Config | None = None
    # Has to be given, although it comes after what need not be: None draws a model.
    checkpoint: str | None = ...
    num_partitions: int | None = None
    weights_dtype: str | None = None
    dropout_rate: float | None = None
    dtype: str | None = None
    scan_layers: bool | None = None
    remat_policy: str | None = None
    attention: str | None = None
    parameter_partitioning_dims: int = 1

    def __post_init__(self):
        if self.checkpoint is ...:
            raise InputError(
                "A Model has no checkpoint: give a folder, a gs:// path or a published "
                "name, or None where a model is trained from scratch."
            )
        typed.check(self)
        if self.weights_dtype not in (None, "float32", "bfloat16", "int8"):
            raise InputError(
                f"WEIGHTS_DTYPE is {self.weights_dtype!r}; weights are held in "
                "'float32', 'bfloat16' or, where they are frozen, 'int8'."
            )
        if self.parameter_partitioning_dims not in (1, 2):
            raise InputError(
                f"PARAMETER_PARTITIONING_DIMS is {self.parameter_partitioning_dims}; "
                "weights are split over the model axis (1), or over the data axis too "
                "(2)."
            )
        if self.remat_policy not in (None, *REMAT_POLICIES):
            raise InputError(
                f"REMAT_POLICY is {self.remat_policy!r}; it is one of "
                f"{', '.join(map(repr, REMAT_POLICIES))}."
            )
        if self.attention not in (None, *ATTENTIONS):
            raise InputError(
                f"ATTENTION is {self.attention!r}; it is one of "
                f"{', '.join(map(repr, ATTENTIONS))}."
            )
        names = ("dropout_rate", "dtype", "scan_layers", "remat_policy", "attention")
        given = {name: getattr(self, name) for name in names}
        given = {name: value for name, value in given.items() if value is not None}
        if self.config is not None and given:
            config = dataclasses.replace(self.config, **given)
            object.__setattr__(self, "config", config)
