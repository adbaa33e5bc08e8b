"""T5X's model, made of a run."""

import functools
from collections.abc import Callable
from typing import Any

import flax
import jax
from flax import traverse_util
from flax.linen.partitioning import AxisMetadata
from jax.sharding import PartitionSpec
from jaxtyping import Array, PyTree
from t5x import models, optimizers

from spot_jax import optim
from spot_jax.settings import Loss
from spot_jax.t5.decode import Search, check_search, generate, greedy
from spot_jax.t5x_engine.module import PROMPT, PromptedT5
from spot_jax.t5x_engine.optimizer import PromptOptimizer
from spot_jax.t5x_engine.rows import SlotConverter
from spot_jax.t5x_engine.run import Run


class PromptedModel(models.EncoderDecoderModel):
    """T5X's model; where there is a prompt, all else is constant in its loss.

    Args:
        search: what writes an answer.
        options: as T5X's model has them.
    """

    def __init__(self, *, search: Search, **options):
        super().__init__(**options)
        self._search = search

    def get_initial_variables(self, *arguments, **options) -> PyTree:
        """Returns T5X's variables; the prompt is said to be on every device whole.

        A kind of prompt need not know of T5X, which wants names of all axes.
        """
        variables = super().get_initial_variables(*arguments, **options)
        variables = flax.core.unfreeze(variables)
        if PROMPT in variables["params"]:
            flat = traverse_util.flatten_dict(variables["params"][PROMPT])
            named = {
                (*path[:-1], f"{path[-1]}_axes"): _whole(array)
                for path, array in flat.items()
            }
            variables["params_axes"][PROMPT] = traverse_util.unflatten_dict(named)
        return flax.core.freeze(variables)

    def loss_fn(
        self, params: PyTree, batch: dict[str, Array], dropout_rng: Array | None
    ) -> tuple[Array, dict[str, Any]]:
        """Returns T5X's loss and metrics."""
        parts = dict(flax.core.unfreeze(params))
        if PROMPT in parts:
            stop = jax.lax.stop_gradient
            parts = {k: v if k == PROMPT else stop(v) for k, v in parts.items()}
        return super().loss_fn(parts, batch, dropout_rng)

    def predict_batch_with_aux(
        self, params: PyTree, batch: dict[str, Array], rng: Array | None = None, **_
    ) -> tuple[Array, dict[str, Array]]:
        """Writes an answer for every row; [batch, length] and {"scores": [batch]}.

        Every other program writes the same: T5X's own searches rank what has no end
        otherwise, and project the encoder's output anew for each token.
        """
        params, source = flax.core.unfreeze(params), self.module.source
        prompt = source and source.apply({"params": params[PROMPT]})
        tokens, scores = generate(
            self.module.config,
            params,
            batch["encoder_input_tokens"],
            max_length=batch["decoder_input_tokens"].shape[1],
            search=self._search,
            key=rng,
            prompt=prompt,
        )
        return tokens, {"scores": scores}


def _whole(array: Array) -> AxisMetadata:
    return AxisMetadata(PartitionSpec(*[None] * array.ndim))


def model(
    run: Run,
    loss: Loss,
    optimizer: Callable[..., optim.Optimizer] | optimizers.OptimizerDef,
    search: Search = greedy,
) -> PromptedModel:
    """Returns what T5X trains, evaluates and infers with.

    Args:
        run: which T5, data and prompt.
        loss: what is minimised.
        optimizer: of optim.py, what moves a prompt; of T5X, what tunes the T5.
        search: what writes an answer.
    """
    check_search(search, run.config.vocab_size)
    if run.source is not None:
        optimizer = PromptOptimizer(optimizer, run.base_step)
    return PromptedModel(
        search=search,
        module=PromptedT5(run.config, run.source, run.slots),
        input_vocabulary=run.vocabulary,
        output_vocabulary=run.vocabulary,
        optimizer_def=optimizer,
        feature_converter_cls=functools.partial(SlotConverter, run.slots),
        label_smoothing=loss.label_smoothing,
        z_loss=loss.z_loss,
        loss_normalizing_factor=loss.normalizing_factor,
    )
