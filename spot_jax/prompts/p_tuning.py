"""P-tuning (Liu et al. 2021): a soft prompt whose vectors a small network relates.

The network is there while it is trained; what is saved is a soft prompt.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from spot_jax.errors import InputError
from spot_jax.prompts import starting
from spot_jax.prompts.base import Dimensions, PromptBundle

ENCODERS = ("lstm", "mlp")


class PTuning(nn.Module):
    """A prompt of an embedding, a bi-LSTM of two layers and an MLP with ReLU.

    Attributes:
        length: how many vectors (P).
        model: the T5, of which it takes d_model.
        encoder: PROMPT_ENCODER, "lstm", as published, or "mlp", without the LSTM.
    """

    length: int
    model: Dimensions
    encoder: str = "lstm"

    def __post_init__(self):
        super().__post_init__()
        if self.encoder not in ENCODERS:
            raise InputError(
                f"PROMPT_ENCODER is {self.encoder!r}; it is {' or '.join(ENCODERS)}."
            )
        if self.encoder == "lstm" and self.model.d_model % 2:
            raise InputError(
                f"The model is {self.model.d_model} wide, and the two directions of "
                "the LSTM have half of it each. Set --gin.PROMPT_ENCODER=mlp."
            )

    def setup(self):
        """Names every part; names that flax gives depend on what stands around."""
        d_model = self.model.d_model
        shape = self.length, d_model
        # As torch draws an embedding.
        self.embedding = self.param("embedding", nn.initializers.normal(1.0), shape)
        if self.encoder == "lstm":
            self.lstm_0_fwd, self.lstm_0_bwd = self._cell(), self._cell()
            self.lstm_1_fwd, self.lstm_1_bwd = self._cell(), self._cell()
            self.lstm_0 = _both_ways(self.lstm_0_fwd, self.lstm_0_bwd)
            self.lstm_1 = _both_ways(self.lstm_1_fwd, self.lstm_1_bwd)
        self.mlp_0, self.mlp_1 = self._dense(), self._dense()

    def _cell(self) -> nn.RNNCellBase:
        half = self.model.d_model // 2
        draw = starting.uniform_within(half**-0.5)
        return nn.OptimizedLSTMCell(
            half, kernel_init=draw, recurrent_kernel_init=draw, bias_init=draw
        )

    def _dense(self) -> nn.Dense:
        d_model = self.model.d_model
        return nn.Dense(
            d_model,
            kernel_init=starting.uniform_by_inputs,
            bias_init=starting.uniform_within(d_model**-0.5),
            precision=jax.lax.Precision.HIGHEST,
        )

    def features(self) -> Float[Array, "prompt d_model"]:
        """Returns [prompt, d_model] what goes into the last matrix."""
        x = self.embedding
        if self.encoder == "lstm":
            # What is exported is what was trained with, on any device.
            with jax.default_matmul_precision("highest"):
                for layer in (self.lstm_0, self.lstm_1):
                    x = jnp.concatenate([way(x) for way in layer], axis=-1)
        return nn.relu(self.mlp_0(x))

    def __call__(self) -> PromptBundle:
        """Returns a bundle with enc_input [prompt, d_model]."""
        return PromptBundle(enc_input=self.mlp_1(self.features()))

    def _features_of(self, parameters: PyTree) -> Array:
        return self.apply({"params": parameters}, method=PTuning.features)

    def parameters_of(self, start: PromptBundle, rng: np.random.Generator) -> PyTree:
        """Returns a network whose prompt is a start.

        Where the start decides nothing (init.drawn) all is as torch draws it.

        Raises:
            InputError: when the start has other sites, or more vectors than the network
                can give.
        """
        drawn = starting.drawn(self, rng)
        if starting.is_open(start):
            return drawn
        starting.check(start, starting.shape_of(self), "P-tuning")
        features = np.asarray(jax.jit(self._features_of)(drawn))
        wanted = np.asarray(start.enc_input, np.float32)
        cure = "Take gin/prompts of a soft prompt, or a lower --gin.PROMPT_LENGTH."
        last = starting.solved(features, drawn["mlp_1"], wanted, cure)
        return drawn | {"mlp_1": last}


def _both_ways(forward: nn.RNNCellBase, backward: nn.RNNCellBase) -> list[nn.RNN]:
    """Returns a layer of a bi-LSTM: one reads from the left, one from the right."""
    return [nn.RNN(forward), nn.RNN(backward, reverse=True, keep_order=True)]
