"""The soft prompt of Prompt Tuning and SPoT: vectors in front of the input."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.linen.partitioning import param_with_axes

from spot_jax.errors import InputError
from spot_jax.prompts.base import Dimensions, PromptBundle, described, sites


class SoftPrompt(nn.Module):
    """A prompt of `length` vectors at the encoder's input (Lester et al. 2021, §2).

    The vectors are float32 whatever the model computes in: trained prompts have norms
    of several hundred, and bfloat16 would round their late updates away.

    Attributes:
        length: how many vectors (P), 100 in SPoT.
        model: the T5, of which it takes d_model.
    """

    length: int
    model: Dimensions

    @nn.compact
    def __call__(self) -> PromptBundle:
        """Returns a bundle with enc_input [prompt, d_model]."""
        enc_input = param_with_axes(
            "enc_input",
            # Only a place holder: starting values come from prompts/init.py, outside
            # the module, because most of them need the embedding matrix.
            nn.initializers.zeros,
            (self.length, self.model.d_model),
            jnp.float32,
            # Replicated, so that the file of a prompt is complete on every machine.
            axes=("prompt", "prompt_embed"),
        )
        return PromptBundle(enc_input=enc_input)

    def parameters_of(
        self, start: PromptBundle, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Returns the vectors of a start as they are: {"enc_input": [prompt, d_model]}.

        Raises:
            InputError: when the start has other sites.
        """
        del rng
        if set(sites(start)) != {"enc_input"}:
            raise InputError(
                f"A soft prompt starts from vectors at enc_input alone; this start has "
                f"{described(start)}. Choose another PROMPT_START, or another PROMPT."
            )
        return {"enc_input": np.asarray(start.enc_input, np.float32)}
