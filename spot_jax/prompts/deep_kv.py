"""P-Tuning v2 (Liu et al. 2022): keys and values for the layers of a frozen T5."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.linen.partitioning import param_with_axes
from jaxtyping import Array, PyTree

from spot_jax.prompts import keys_values, starting
from spot_jax.prompts.base import Dimensions, PromptBundle, entered
from spot_jax.prompts.keys_values import PrefixNetwork

# As the released code begins: transformers draws what it has no weights for like this.
_normal = nn.initializers.normal(0.02)


class DeepKV(nn.Module):
    """A prompt of keys and values beside those of the text, at every layer.

    Attributes:
        length: how many (P).
        model: the T5.
        sites: PROMPT_SITES, the attentions that have them: "enc_self", "dec_self",
            "cross".
        layers: PROMPT_LAYERS, "16:24" for layers 16 to 23 of each stack alone, as
            Python slices; "" for all.
        width: PREFIX_WIDTH, of an MLP that makes them while they are trained (512 as
            published); None: they are trained themselves.
        bias_mode: PREFIX_BIAS, the position bias of the keys: "zero", they are a set,
            or "contiguous", they stand right before the text.
        regression_steps: REGRESSION_STEPS of Adam by which an MLP comes near to where
            it starts, 500 as published; None: it starts there exactly.
    """

    length: int
    model: Dimensions
    sites: Sequence[str] = ("enc_self", "dec_self")
    layers: str = ""
    width: int | None = None
    bias_mode: str = "zero"
    regression_steps: int | None = None

    def __post_init__(self):
        super().__post_init__()
        keys_values.check_options(
            self.sites, self.bias_mode, self.width, self.regression_steps
        )
        for site in self.sites:
            self._inside(site)

    def _inside(self, site: str) -> np.ndarray:
        """Returns the numbers of the layers that have something to train."""
        count = keys_values.layers_of(site, self.model)
        return np.asarray(entered(PromptBundle(layers=self.layers), count))

    @nn.compact
    def __call__(self) -> PromptBundle:
        """Returns a bundle with [layers, 2, prompt, joined] at each site."""
        return PromptBundle(
            **{
                site: self._every_layer(site, self._trained(site))
                for site in self.sites
            },
            bias_mode=self.bias_mode,
            layers=self.layers,
        )

    def _trained(self, site: str) -> Array:
        inside = len(self._inside(site))
        if self.width is not None:
            return keys_values.of_rows(self._network(site, name=site)(), inside)
        shape = inside, 2, self.length, self.model.d_joined
        axes = "layers", "kv_pair", "prompt", "joined_kv"
        return param_with_axes(site, _normal, shape, jnp.float32, axes=axes)

    def _every_layer(self, site: str, trained: Array) -> Array:
        """Puts zeros into layers that are not entered, where nobody reads them."""
        count, inside = keys_values.layers_of(site, self.model), self._inside(site)
        if len(inside) == count:
            return trained
        zeros = jnp.zeros((count, *trained.shape[1:]), trained.dtype)
        return zeros.at[inside].set(trained)

    def _network(self, site: str, **scope) -> PrefixNetwork:
        outputs = len(self._inside(site)) * 2 * self.model.d_joined
        return PrefixNetwork(
            *(self.length, self.model.d_model, self.width, outputs),
            embedding_init=_normal,
            kernel_init=_normal,
            bias_init=nn.initializers.zeros,
            **scope,
        )

    def parameters_of(self, start: PromptBundle, rng: np.random.Generator) -> PyTree:
        """Returns the keys and values of a start, or the MLPs that give them.

        Where the start decides nothing (init.drawn) all is N(0, 0.02), as published.

        Raises:
            InputError: when the start is of another kind, shape or mode.
        """
        if starting.is_open(start):
            return starting.drawn(self, rng)
        starting.check(start, starting.shape_of(self), "P-Tuning v2")
        arrays = {
            site: np.asarray(getattr(start, site), np.float32)[self._inside(site)]
            for site in self.sites
        }
        if self.width is None:
            return arrays
        drawn, steps = starting.drawn(self, rng), self.regression_steps
        return keys_values.fitted(drawn, arrays, self._network, steps)
