"""Prefix-Tuning (Li and Liang 2021): keys and values that an MLP makes, site by site.

The MLP is there while it is trained. What is saved, kept in libraries and used are the
keys and values that it gives.
"""

from collections.abc import Sequence

import flax.linen as nn
import numpy as np
from jaxtyping import PyTree

from spot_jax.prompts import keys_values, starting
from spot_jax.prompts.base import Dimensions, PromptBundle
from spot_jax.prompts.keys_values import PrefixNetwork


class PrefixMLP(nn.Module):
    """A prefix for every layer, of an embedding and an MLP with tanh for each site.

    Attributes:
        length: how many positions (P).
        model: the T5.
        sites: PROMPT_SITES, the attentions that have a prefix: "enc_self", "dec_self",
            "cross".
        width: PREFIX_WIDTH, between the two matrices of each MLP: 512 as published for
            tables, 800 for summaries.
        bias_mode: PREFIX_BIAS, the position bias of the keys: "zero", they are a set,
            or "contiguous", they stand right before the text.
        regression_steps: REGRESSION_STEPS of Adam by which the MLPs come near to where
            they start, 500 as published; None: they start there exactly.
    """

    length: int
    model: Dimensions
    sites: Sequence[str] = ("enc_self", "dec_self", "cross")
    width: int = 512
    bias_mode: str = "zero"
    regression_steps: int | None = None

    def __post_init__(self):
        super().__post_init__()
        keys_values.check_options(
            self.sites, self.bias_mode, self.width, self.regression_steps
        )

    @nn.compact
    def __call__(self) -> PromptBundle:
        """Returns a bundle with [layers, 2, prompt, joined] at each site."""
        made = {
            site: keys_values.of_rows(
                self._network(site, name=site)(),
                keys_values.layers_of(site, self.model),
            )
            for site in self.sites
        }
        return PromptBundle(**made, bias_mode=self.bias_mode)

    def _network(self, site: str, **scope) -> PrefixNetwork:
        layers = keys_values.layers_of(site, self.model)
        outputs = layers * 2 * self.model.d_joined
        return PrefixNetwork(
            *(self.length, self.model.d_model, self.width, outputs),
            embedding_init=nn.initializers.normal(1.0),
            kernel_init=starting.uniform_by_inputs,
            **scope,
        )

    def parameters_of(self, start: PromptBundle, rng: np.random.Generator) -> PyTree:
        """Returns the embeddings and MLPs that give a start.

        Where the start decides nothing (init.drawn) they are as published: the
        embedding N(0, 1), the matrices as torch draws them.

        Raises:
            InputError: when the start is of another kind, shape or mode.
        """
        drawn = starting.drawn(self, rng)
        if starting.is_open(start):
            return drawn
        starting.check(start, starting.shape_of(self), "Prefix-Tuning")
        arrays = {site: np.asarray(getattr(start, site)) for site in self.sites}
        return keys_values.fitted(drawn, arrays, self._network, self.regression_steps)
