"""How a kind of prompt takes up a start: its modes compared, its networks fitted to it.

The last matrix of a network that makes a prompt (Prefix-Tuning, P-tuning) is found by
least squares, so that training begins at the start itself: another prompt, as SPoT has
it, whatever made that one.
"""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PyTree

from spot_jax.errors import InputError
from spot_jax.prompts.base import PromptBundle, described, modes, sites

# Of the size of what is fitted: what float32 cannot help, and what is no start.
_CLOSE = 1e-3
# Of Prefix-Tuning's released code (gpt2/train_control.py, lowdata_init_train3).
_REGRESSION_RATE = 1e-4


def uniform_by_inputs(
    key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32
) -> Array:
    """Draws a kernel [inputs, outputs] from U(-b, b), b = 1 / sqrt(inputs), as torch.

    The papers' code is torch's, and their rates belong to what it draws.
    """
    return uniform_within(shape[0] ** -0.5)(key, shape, dtype)


def uniform_within(bound: float) -> nn.initializers.Initializer:
    """Returns what draws from U(-bound, bound)."""

    def draw(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return draw


def drawn(source: nn.Module, rng: np.random.Generator) -> dict[str, PyTree]:
    """Returns parameters of a kind as its paper draws them, on the host."""
    key = jax.random.key(int(rng.integers(2**32)))
    return jax.tree.map(np.asarray, jax.jit(source.init)(key)["params"])


def shape_of(source: nn.Module) -> PromptBundle:
    """Returns the prompts of a kind as shapes, without computing any."""
    key = jax.random.key(0)
    return jax.eval_shape(lambda key: source.init_with_output(key)[0], key)


def is_open(start: PromptBundle) -> bool:
    """Whether a start decides nothing, so that the kind draws its own (init.drawn)."""
    return not sites(start)


def check(start: PromptBundle, wanted: PromptBundle, kind: str) -> None:
    """Refuses a start that is no prompt of a kind.

    Args:
        start: one prompt.
        wanted: `shape_of` the kind.
        kind: what a person calls it.

    Raises:
        InputError: naming sites, shapes or modes that differ.
    """
    if sites(start).keys() != sites(wanted).keys():
        raise InputError(
            f"{kind} is {_told(wanted)}, and the start has {_told(start)}: it is of "
            "another kind. Choose another PROMPT_START or prompt file, or the kind "
            "that the start is of (a file of gin/prompts)."
        )
    if described(start) != described(wanted):
        raise InputError(
            f"{kind} is {described(wanted)}, and the start has {described(start)}. "
            "Take a start of this model and length, or set --gin.PROMPT_LENGTH to its."
        )
    found, ours = modes(start), modes(wanted)
    if found != ours:
        names = sorted(
            mode for mode in {*found, *ours} if found.get(mode) != ours.get(mode)
        )
        values = "; ".join(
            f"{name} {found.get(name, '')!r}, not {ours.get(name, '')!r}"
            for name in names
        )
        cures = " ".join(
            f"--gin.{_MACROS[name]}={found.get(name) or repr('')}" for name in names
        )
        raise InputError(
            f"The start enters the model otherwise than {kind} as it is set: its "
            f"{values}. To go on from it: {cures}."
        )


# What sets how a prompt enters.
_MACROS = {
    "bias_mode": "PREFIX_BIAS",
    "hidden_mode": "HIDDEN_MODE",
    "layers": "PROMPT_LAYERS",
}


def _told(bundle: PromptBundle) -> str:
    return " and ".join(sites(bundle)) or "nothing"


def solved(
    features: Float[np.ndarray, "prompt width"],
    layer: Mapping[str, np.ndarray],
    wanted: Float[np.ndarray, "prompt outputs"],
    macro: str,
) -> dict[str, np.ndarray]:
    """Returns the last layer of a network, changed least so that it gives a prompt.

    Args:
        features: [prompt, width] what goes into it, of each position.
        layer: {"kernel": [width, outputs], "bias": [outputs]} as it was drawn.
        wanted: [prompt, outputs] what should come out.
        macro: what makes it wider, for the message.

    Raises:
        InputError: when it is too narrow for so many positions.
    """
    length, width = features.shape
    if length > width:
        raise InputError(
            f"A network of width {width} cannot begin at a prompt of {length} "
            f"positions, which may be at most as many. {macro}"
        )
    exact = np.asarray(features, np.float64)
    kernel, bias = (np.asarray(layer[name], np.float64) for name in ("kernel", "bias"))
    missing = wanted - (exact @ kernel + bias)
    kernel = kernel + np.linalg.lstsq(exact, missing, rcond=None)[0]
    kernel = kernel.astype(np.float32)
    left = np.abs(exact @ kernel + bias - wanted).max()
    if not left <= _CLOSE * max(1.0, np.abs(wanted).max()):
        raise InputError(
            f"A network of width {width} comes no nearer than {left:.2g} to this start "
            f"of {length} positions. {macro}"
        )
    return {"kernel": kernel, "bias": np.asarray(layer["bias"])}


def regressed(
    apply: Callable[[PyTree], Float[Array, "prompt outputs"]],
    parameters: PyTree,
    wanted: Float[np.ndarray, "prompt outputs"],
    steps: int,
) -> PyTree:
    """Returns the parameters of a network after some steps of Adam towards a prompt.

    As Prefix-Tuning does it for little data: the mean squared error, at a rate of 1e-4,
    500 steps.

    Args:
        apply: from parameters to [prompt, outputs].
        parameters: where it begins.
        wanted: [prompt, outputs].
        steps: how many.
    """
    optimizer = optax.adam(_REGRESSION_RATE)

    def loss(parameters: PyTree) -> Array:
        return jnp.mean(jnp.square(apply(parameters) - wanted))

    @jax.jit
    def run(parameters: PyTree) -> PyTree:
        def step(_: Array, carried: tuple) -> tuple:
            parameters, state = carried
            changes, state = optimizer.update(jax.grad(loss)(parameters), state)
            return optax.apply_updates(parameters, changes), state

        first = parameters, optimizer.init(parameters)
        return jax.lax.fori_loop(0, steps, step, first)[0]

    return jax.tree.map(np.asarray, run(parameters))
