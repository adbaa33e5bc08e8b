"""This project's optimizers as T5X calls them, for what is trained alone."""

from collections.abc import Callable

import flax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from t5x import optimizers

from spot_jax.optim import Optimizer
from spot_jax.t5x_engine.module import PROMPT


@flax.struct.dataclass
class _Settings:
    """What T5X sets at every step."""

    learning_rate: Array | float | None = None


class PromptOptimizer(optimizers.OptimizerDef):
    """Moves the prompt; of the frozen weights there is no state, not even None.

    The learning rate is T5X's, of its own schedule.

    Args:
        make: an optimizer of optim.py, that takes `learning_rate` and `base_step`.
        base_step: the step of the checkpoint that the run starts from.
    """

    def __init__(self, make: Callable[..., Optimizer], base_step: int):
        super().__init__(_Settings())
        self._make, self._base_step = make, base_step

    def _optimizer(self, rate: Float[Array, ""] | float) -> Optimizer:
        return self._make(learning_rate=lambda step: rate, base_step=self._base_step)

    def init_state(self, params: PyTree) -> optimizers.OptimizerState:
        """Returns the state before the first step."""
        state = self._optimizer(0.0).init(flax.core.unfreeze(params)[PROMPT])
        return optimizers.OptimizerState(jnp.int32(0), _numbered(state))

    def apply_gradient(
        self,
        hyper_params: _Settings,
        params: PyTree,
        state: optimizers.OptimizerState,
        grads: PyTree,
    ) -> tuple[PyTree, optimizers.OptimizerState]:
        """Returns the parameters, of which the prompt has moved, and the new state."""
        optimizer = self._optimizer(hyper_params.learning_rate)
        thawed = flax.core.unfreeze(params)
        structure = jax.tree.structure(jax.eval_shape(optimizer.init, thawed[PROMPT]))
        numbered = flax.core.unfreeze(state.param_states)
        leaves = [numbered[name] for name in sorted(numbered)]
        prompt, inner = optimizer.update(
            flax.core.unfreeze(grads)[PROMPT],
            jax.tree.unflatten(structure, leaves),
            thawed[PROMPT],
        )
        new = thawed | {PROMPT: prompt}
        if isinstance(params, flax.core.FrozenDict):
            new = flax.core.freeze(new)
        return new, optimizers.OptimizerState(state.step + 1, _numbered(inner))

    def derive_logical_axes(
        self, optimizer: optimizers.Optimizer, param_logical_axes: PyTree
    ) -> optimizers.Optimizer:
        """Says that the state is on every device whole, as the prompt is."""
        whole = jax.tree.map(lambda _: None, optimizer.state.param_states)
        state = optimizers.OptimizerState(None, whole)
        return optimizers.Optimizer(self, state, param_logical_axes)


def _numbered(state: PyTree) -> dict[str, Array]:
    """Returns the leaves of a state by their numbers: {"00": ..., "01": ...}.

    T5X's checkpoints lose the empty nodes that optax's states have, and then miss them.
    """
    return {f"{i:02}": leaf for i, leaf in enumerate(jax.tree.leaves(state))}
