"""The T5: its sizes, network and decoding. Knows prompts.base and nothing else."""

from spot_jax.t5.config import ATTENTIONS, REMAT_POLICIES, T5Config
from spot_jax.t5.network import T5
from spot_jax.t5.parameters import initial_parameters, parameter_shapes

__all__ = [
    "ATTENTIONS",
    "REMAT_POLICIES",
    "T5",
    "T5Config",
    "initial_parameters",
    "parameter_shapes",
]
