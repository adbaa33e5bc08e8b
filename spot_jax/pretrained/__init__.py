"""The weights of a frozen T5: read strictly, array by array, from wherever they are."""

from spot_jax.pretrained.earlier import earlier_fingerprint
from spot_jax.pretrained.fingerprint import fingerprint
from spot_jax.pretrained.load import Pretrained, load
from spot_jax.pretrained.published import PUBLISHED

__all__ = ["PUBLISHED", "Pretrained", "earlier_fingerprint", "fingerprint", "load"]
