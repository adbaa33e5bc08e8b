"""The loss of a batch, as a function of what is trained and what is frozen."""

from collections.abc import Callable

import jax

from spot_jax import losses
from spot_jax.model.binding import Binding
from spot_jax.settings import Loss
from spot_jax.t5 import T5, T5Config, walk


def make_loss(
    config: T5Config, binding: Binding, options: Loss, *, target_length: int
) -> Callable:
    """Returns `loss(trained, frozen, batch, key, scales=None) -> (total, metrics)`.

    The total is the sum over prompts of each one's own loss, so that its gradient in
    prompt n is the gradient of prompt n's loss alone. `metrics` are the arrays
    [prompts] of `losses.prompt_losses`. key None switches dropout off. `scales` are
    given where the batch is a part of a larger one.

    Args:
        config: the T5.
        binding: what is trained.
        options: what is minimised.
        target_length: TASK_FEATURE_LENGTHS['targets'].
    """
    model = T5(config)

    def loss(trained, frozen, batch, key, scales=None):
        if scales is None:
            scales = scales_of(batch, binding, options, target_length)
        params, bundle = binding.bind(trained, frozen)
        logits = model.apply(
            walk.variables(config, params),
            batch["encoder_input_tokens"],
            batch["decoder_input_tokens"],
            prompt=bundle,
            encoder_segment_ids=batch["encoder_segment_ids"],
            encoder_prompt_ids=batch["encoder_prompt_ids"],
            encoder_positions=batch["encoder_positions"],
            decoder_segment_ids=batch["decoder_segment_ids"],
            row_prompts=batch["row_prompts"],
            deterministic=key is None,
            rngs=None if key is None else {"dropout": key},
        )
        metrics = losses.prompt_losses(
            logits,
            batch,
            scales,
            prompts=binding.prompts,
            z_loss=options.z_loss,
            label_smoothing=options.label_smoothing,
        )
        return metrics["loss"].sum(), metrics

    return loss


def scales_of(
    batch: dict, binding: Binding, options: Loss, target_length: int
) -> jax.Array:
    """Returns what each token's loss is multiplied by; see `losses.loss_scales`."""
    return losses.loss_scales(
        batch,
        options.normalizing_factor,
        prompts=binding.prompts,
        target_length=target_length,
    )
