"""Keys and values of every layer as one matrix, and the MLP that may make it."""

from collections.abc import Callable, Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from spot_jax.errors import InputError
from spot_jax.prompts import starting
from spot_jax.prompts.base import Dimensions
from spot_jax.prompts.header import MODES

# The sites of keys and values, and whose layers they are of.
LAYERS_OF = {
    "enc_self": "encoder_layers",
    "dec_self": "decoder_layers",
    "cross": "decoder_layers",
}
BIASES = MODES["bias_mode"]
# On the devices or on the host.
_KeysValues = Float[Array | np.ndarray, "layers 2 prompt joined"]
_Rows = Float[Array | np.ndarray, "prompt columns"]


def check_options(
    sites: Sequence[str], bias_mode: str, width: int | None, steps: int | None
) -> None:
    """Refuses what no prompt of keys and values has.

    Raises:
        InputError: naming it.
    """
    unknown = [site for site in sites if site not in LAYERS_OF]
    if unknown or not sites or len(set(sites)) < len(sites):
        raise InputError(
            f"PROMPT_SITES is {list(sites)}; name some of {', '.join(LAYERS_OF)}, each "
            'once: --gin.PROMPT_SITES="[enc_self, dec_self]".'
        )
    if bias_mode not in BIASES:
        raise InputError(f"PREFIX_BIAS is {bias_mode!r}; it is {' or '.join(BIASES)}.")
    for name, number in {"PREFIX_WIDTH": width, "REGRESSION_STEPS": steps}.items():
        if number is not None and number < 1:
            raise InputError(f"{name} is {number}; give a number from 1 on, or None.")
    if steps is not None and width is None:
        raise InputError(
            f"REGRESSION_STEPS is {steps}, and without PREFIX_WIDTH there is no "
            "network to regress: keys and values begin at their start as they are. "
            "Leave it out, or set --gin.PREFIX_WIDTH=512."
        )


def layers_of(site: str, model: Dimensions) -> int:
    """Returns how many layers of a T5 a site enters."""
    return getattr(model, LAYERS_OF[site])


def as_rows(array: _KeysValues) -> _Rows:
    """Returns keys and values as the papers' code keeps them.

    [layers, 2, prompt, joined] -> [prompt, layers * 2 * joined], a position's in a row:
    the keys of layer 0, its values, the keys of layer 1, ...
    """
    return array.transpose(2, 0, 1, 3).reshape(array.shape[2], -1)


def of_rows(rows: _Rows, layers: int) -> _KeysValues:
    """Returns [layers, 2, prompt, joined] of what `as_rows` returned."""
    return rows.reshape(len(rows), layers, 2, -1).transpose(1, 2, 0, 3)


class PrefixNetwork(nn.Module):
    """An embedding of the positions, and an MLP from each to its keys and values.

    Attributes:
        length: how many positions (P).
        d_model: columns of the embedding, those of the T5's.
        width: between the two matrices of the MLP.
        outputs: numbers of a position: layers * 2 * joined.
        embedding_init: draws the embedding.
        kernel_init: draws the matrices.
        bias_init: draws what is added to them, given its bound.
    """

    length: int
    d_model: int
    width: int
    outputs: int
    embedding_init: nn.initializers.Initializer
    kernel_init: nn.initializers.Initializer
    bias_init: nn.initializers.Initializer | None = None

    @nn.compact
    def __call__(self) -> Float[Array, "prompt outputs"]:
        """Returns [prompt, outputs]."""
        shape = self.length, self.d_model
        x = self.param("embedding", self.embedding_init, shape, jnp.float32)
        x = nn.tanh(self._dense(self.width, "mlp_0", self.d_model)(x))
        return self._dense(self.outputs, "mlp_1", self.width)(x)

    def _dense(self, outputs: int, name: str, inputs: int) -> nn.Dense:
        of_torch = starting.uniform_within(inputs**-0.5)
        return nn.Dense(
            outputs,
            kernel_init=self.kernel_init,
            bias_init=self.bias_init or of_torch,
            # What is exported is what was trained with, on any device.
            precision=jax.lax.Precision.HIGHEST,
            name=name,
        )

    def fitted(
        self,
        parameters: PyTree,
        wanted: Float[np.ndarray, "prompt outputs"],
        steps: int | None,
    ) -> PyTree:
        """Returns parameters that give a prompt.

        Args:
            parameters: as they were drawn.
            wanted: [prompt, outputs] the prompt's rows.
            steps: of a regression as published, which comes near; None: it is met.

        Raises:
            InputError: when the MLP is too narrow.
        """
        wanted = np.asarray(wanted, np.float32)
        if steps is not None:

            def apply(parameters: PyTree) -> Array:
                return self.apply({"params": parameters})

            return starting.regressed(apply, parameters, wanted, steps)
        first = parameters["mlp_0"]
        hidden = np.tanh(
            parameters["embedding"].astype(np.float64) @ first["kernel"] + first["bias"]
        )
        last = starting.solved(
            hidden, parameters["mlp_1"], wanted, "Raise --gin.PREFIX_WIDTH."
        )
        return parameters | {"mlp_1": last}


def fitted(
    drawn: PyTree,
    arrays: Mapping[str, np.ndarray],
    network_of: Callable[..., PrefixNetwork],
    steps: int | None,
) -> PyTree:
    """Returns the parameters of networks, one for each site, that give a prompt.

    Args:
        drawn: {site: parameters}, as they were drawn.
        arrays: {site: [layers, 2, prompt, joined]} the prompt.
        network_of: from a site to its network, which belongs to no other (parent=None).
        steps: see `PrefixNetwork.fitted`.

    Raises:
        InputError: when a network is too narrow.
    """
    return {
        site: network_of(site, parent=None).fitted(drawn[site], as_rows(array), steps)
        for site, array in arrays.items()
    }
