"""Prompts to test with."""

import numpy as np

from spot_jax.prompts.base import PromptBundle


def soft(vectors) -> PromptBundle:
    """Returns [prompt, d_model] vectors in front of the input as a prompt."""
    return PromptBundle(enc_input=np.asarray(vectors, np.float32))
