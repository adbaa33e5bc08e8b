"""The weights of a frozen T5: read strictly, array by array, from wherever they are."""

from spot_jax.pretrained.beside import Beside
from spot_jax.pretrained.description import Description, check_fit, describe
from spot_jax.pretrained.earlier import earlier_fingerprint
from spot_jax.pretrained.fingerprint import fingerprint
from spot_jax.pretrained.load import Pretrained, load
from spot_jax.pretrained.published import PUBLISHED

__all__ = [
    "PUBLISHED",
    "Beside",
    "Description",
    "Pretrained",
    "check_fit",
    "describe",
    "earlier_fingerprint",
    "fingerprint",
    "load",
]
