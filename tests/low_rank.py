"""A kind of prompt that spot_jax knows nothing of: vectors of a low rank."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from spot_jax.prompts.base import Dimensions, PromptBundle


class LowRankPrompt(nn.Module):
    """A prompt that is the product of two small matrices.

    Attributes:
        length: how many vectors.
        model: the T5.
        rank: how many directions they share.
    """

    length: int
    model: Dimensions
    rank: int = 2

    @nn.compact
    def __call__(self) -> PromptBundle:
        """Returns a bundle with enc_input [prompt, d_model]."""
        normal = nn.initializers.normal()
        left = self.param("left", normal, (self.length, self.rank), jnp.float32)
        right = self.param("right", normal, (self.rank, self.model.d_model))
        product = jnp.matmul(left, right, precision=jax.lax.Precision.HIGHEST)
        return PromptBundle(enc_input=product)

    def parameters_of(self, start: PromptBundle, rng: np.random.Generator) -> dict:
        """Returns the two matrices whose product is nearest to a start."""
        del rng
        left, sizes, right = np.linalg.svd(start.enc_input, full_matrices=False)
        root = np.sqrt(sizes[: self.rank])
        return {
            "left": (left[:, : self.rank] * root).astype(np.float32),
            "right": (root[:, None] * right[: self.rank]).astype(np.float32),
        }
