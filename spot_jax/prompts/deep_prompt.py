"""A soft prompt in every layer: vectors of the encoder's residual stream."""

import flax.linen as nn
import numpy as np
from flax.linen.partitioning import param_with_axes
from jaxtyping import Array, PyTree

from spot_jax.errors import InputError
from spot_jax.prompts import starting
from spot_jax.prompts.base import Dimensions, PromptBundle, sites
from spot_jax.prompts.header import MODES


class DeepPrompt(nn.Module):
    """Vectors that stand in front of the input, new ones before every layer.

    There is no enc_input: where vectors are replaced nobody would read it, and where
    they are added those of the first layer are it.

    Attributes:
        length: how many vectors in each layer (P).
        model: the T5.
        mode: HIDDEN_MODE, "replace": a layer reads these vectors in place of what the
            one before made of its own; "add": the sum of both (Qin and Eisner 2021).
    """

    length: int
    model: Dimensions
    mode: str = "replace"

    def __post_init__(self):
        super().__post_init__()
        if self.mode not in MODES["hidden_mode"]:
            raise InputError(
                f"HIDDEN_MODE is {self.mode!r}; it is "
                f"{' or '.join(MODES['hidden_mode'])}."
            )

    @nn.compact
    def __call__(self) -> PromptBundle:
        """Returns a bundle with enc_hidden [layers, prompt, d_model]."""
        shape = self.model.encoder_layers, self.length, self.model.d_model
        axes = "layers", "prompt", "prompt_embed"
        enc_hidden = param_with_axes("enc_hidden", self._draw, shape, axes=axes)
        return PromptBundle(enc_hidden=enc_hidden, hidden_mode=self.mode)

    def _draw(self, key: Array, shape: tuple[int, ...]) -> Array:
        """Draws as a soft prompt is drawn (Lester et al. 2021): U(-0.5, 0.5)."""
        return self._spread(starting.uniform_within(0.5)(key, shape))

    def _spread(self, every: Array | np.ndarray) -> Array | np.ndarray:
        """Returns where layers begin, given vectors for each: added, all but one 0."""
        if self.mode == "replace":
            return every
        return every * (np.arange(len(every)) == 0)[:, None, None].astype(every.dtype)

    def parameters_of(self, start: PromptBundle, rng: np.random.Generator) -> PyTree:
        """Returns {"enc_hidden": [layers, prompt, d_model]} of a start.

        A soft prompt stands before every layer, or where vectors are added before the
        first alone, which is that soft prompt exactly. Where the start decides nothing
        (init.drawn), vectors are drawn from U(-0.5, 0.5).

        Raises:
            InputError: when the start has other sites, or is of another shape or mode.
        """
        if starting.is_open(start):
            return starting.drawn(self, rng)
        if set(sites(start)) == {"enc_input"}:
            vectors = np.asarray(start.enc_input, np.float32)
            every = np.stack([vectors] * self.model.encoder_layers)
            start = PromptBundle(enc_hidden=self._spread(every), hidden_mode=self.mode)
        starting.check(start, starting.shape_of(self), "A prompt in every layer")
        return {"enc_hidden": np.asarray(start.enc_hidden, np.float32)}
