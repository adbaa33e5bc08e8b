"""The training step: what is trained and what is frozen are two arguments.

`loss(trained, frozen, batch, key)` is differentiated in its first argument, so
gradients, optimizer state and checkpoints exist for what is trained and for nothing
else. Prompt tuning and model tuning are the same step with another split.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import PyTree

from spot_jax import losses, sharding
from spot_jax.optim import Optimizer
from spot_jax.prompts.base import PromptBundle, PromptSource
from spot_jax.t5 import T5, T5Config


@dataclasses.dataclass(frozen=True)
class Split:
    """How trained and frozen arrays make a model and its prompts.

    Attributes:
        bind: `(trained, frozen) -> (T5 parameters, prompt bundle or None)`.
        bank: number of prompts N, the leading axis of every trained array; None where
            the trained arrays have no such axis (the model itself).
    """

    bind: Callable[[PyTree, PyTree], tuple[PyTree, PromptBundle | None]]
    bank: int | None

    @property
    def prompts(self) -> int:
        """How many losses there are: one a prompt, or one for the model."""
        return self.bank or 1


def prompt_tuning(source: PromptSource, bank: int) -> Split:
    """Trains a bank of prompts in front of a frozen model.

    Args:
        source: the kind of prompt; its parameters carry a leading bank axis.
        bank: how many prompts.
    """

    def bind(trained, frozen):
        return frozen, bank_bundle(source, trained)

    return Split(bind, bank)


def bank_bundle(source: PromptSource, trained: PyTree) -> PromptBundle:
    """Returns the bundle of a bank, enc_input [bank, prompt, d_model]."""
    return jax.vmap(lambda parameters: source.apply({"params": parameters}))(trained)


def model_tuning() -> Split:
    """Trains the whole model, without a prompt: the baseline."""
    return Split(lambda trained, frozen: (trained, None), None)


@dataclasses.dataclass(frozen=True)
class LossOptions:
    """What the loss is, apart from the model.

    Attributes:
        z_loss: coefficient of log(Z)^2 (1e-4 in T5X).
        label_smoothing: see `losses.token_losses`.
        normalizing_factor: see `losses.loss_scales`. T5X's default is None, a sum;
            ours the mean over each prompt's real target tokens.
        target_length: TASK_FEATURE_LENGTHS['targets'].
        microbatches: in how many parts a batch is computed, to save memory.
    """

    target_length: int
    z_loss: float = 1e-4
    label_smoothing: float = 0.0
    normalizing_factor: str | float | None = "NUM_REAL_TARGET_TOKENS"
    microbatches: int = 1


@flax.struct.dataclass
class TrainState:
    """What a step changes.

    Attributes:
        step: [] int32, steps done.
        trained: the trained arrays.
        optimizer: the optimizer's state for them.
    """

    step: jax.Array
    trained: PyTree
    optimizer: PyTree


def initial_state(trained: PyTree, optimizer: Optimizer, split: Split) -> TrainState:
    """Returns the state before the first step."""
    init = optimizer.init if split.bank is None else jax.vmap(optimizer.init)
    return TrainState(jnp.int32(0), trained, init(trained))


def make_loss(config: T5Config, split: Split, options: LossOptions) -> Callable:
    """Returns `loss(trained, frozen, batch, key, scales=None) -> (total, metrics)`.

    The total is the sum over prompts of each one's own loss, so that its gradient in
    prompt n is the gradient of prompt n's loss alone. `metrics` are the arrays
    [prompts] of `losses.prompt_losses`. key None switches dropout off. `scales` are
    given where the batch is a part of a larger one.
    """
    model = T5(config)

    def loss(trained, frozen, batch, key, scales=None):
        if scales is None:
            scales = _scales(batch, split, options)
        params, bundle = split.bind(trained, frozen)
        logits = model.apply(
            {"params": params},
            batch["encoder_input_tokens"],
            batch["decoder_input_tokens"],
            prompt=bundle,
            encoder_segment_ids=batch["encoder_segment_ids"],
            encoder_prompt_ids=batch["encoder_prompt_ids"],
            encoder_positions=batch["encoder_positions"],
            decoder_segment_ids=batch["decoder_segment_ids"],
            deterministic=key is None,
            rngs=None if key is None else {"dropout": key},
        )
        metrics = losses.prompt_losses(
            logits,
            batch,
            scales,
            prompts=split.prompts,
            z_loss=options.z_loss,
            label_smoothing=options.label_smoothing,
        )
        return metrics["loss"].sum(), metrics

    return loss


def _scales(batch: dict, split: Split, options: LossOptions) -> jax.Array:
    return losses.loss_scales(
        batch,
        options.normalizing_factor,
        prompts=split.prompts,
        target_length=options.target_length,
    )


def make_train_step(
    config: T5Config,
    split: Split,
    optimizer: Optimizer,
    options: LossOptions,
    mesh: Mesh,
) -> Callable[[TrainState, PyTree, dict, Any], tuple[TrainState, dict]]:
    """Compiles `train_step(state, frozen, batch, key) -> (state, metrics)`.

    `state` is donated, `frozen` is not touched; `key` is the run's, the step folds its
    number in. Arrays keep the shardings they arrive with: rows over the data axis,
    weights by their logical axes, prompts replicated.

    Args:
        config: the T5; a dropout_rate of 0 makes the step deterministic.
        split: what is trained.
        optimizer: what moves it; of a bank, each prompt's update is its own.
        options: what the loss is.
        mesh: where it runs.

    Returns:
        The step. Its metrics are arrays [prompts]: those of `losses.prompt_losses`,
        and gradient_norm.
    """
    loss = make_loss(config, split, options)
    update = optimizer.update if split.bank is None else jax.vmap(optimizer.update)

    def train_step(state, frozen, batch, key):
        key = None if config.dropout_rate == 0 else jax.random.fold_in(key, state.step)
        gradients, metrics = _gradients(loss, state.trained, frozen, batch, key)
        trained, optimizer_state = update(gradients, state.optimizer, state.trained)
        metrics["gradient_norm"] = _norms(gradients, split.bank)
        return TrainState(state.step + 1, trained, optimizer_state), metrics

    def _gradients(loss, trained, frozen, batch, key):
        scales = _scales(batch, split, options)
        gradient = jax.grad(loss, has_aux=True)
        if options.microbatches == 1:
            return gradient(trained, frozen, batch, key, scales)
        return _accumulate(
            gradient, trained, frozen, batch, key, scales, options.microbatches
        )

    return on_mesh(jax.jit(train_step, donate_argnums=0), mesh)


def on_mesh(function: Callable, mesh: Mesh) -> Callable:
    """Runs a jitted function with the mesh and the logical axis rules in reach."""

    @functools.wraps(function)
    def run(*args):
        with jax.set_mesh(mesh), nn.logical_axis_rules(sharding.RULES):
            return function(*args)

    run.lower = lambda *args: _lower(function, mesh, args)
    return run


def _lower(function, mesh: Mesh, args: tuple):
    with jax.set_mesh(mesh), nn.logical_axis_rules(sharding.RULES):
        return function.lower(*args)


def _accumulate(gradient, trained, frozen, batch, key, scales, parts: int):
    """Sums gradients and metrics over parts of the batch, one after the other."""

    # Part i takes rows i, i + parts, ...: each device keeps rows it already holds.
    def split_rows(x):
        return jnp.moveaxis(x.reshape(-1, parts, *x.shape[1:]), 1, 0)

    def add_part(total, part):
        index, rows, scales = part
        part_key = None if key is None else jax.random.fold_in(key, index)
        new = gradient(trained, frozen, rows, part_key, scales)
        return jax.tree.map(jnp.add, total, new), None

    parts_of = jax.tree.map(split_rows, (batch, scales))
    first = jax.tree.map(lambda x: x[0], parts_of)
    shapes = jax.eval_shape(gradient, trained, frozen, first[0], key, first[1])
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    total, _ = jax.lax.scan(add_part, zeros, (jnp.arange(parts), *parts_of))
    return total


def _norms(gradients: PyTree, bank: int | None) -> jax.Array:
    """Returns [prompts] the norm of each prompt's gradient, or [1] the model's."""
    if bank is None:
        return _norm(gradients)[None]
    return jax.vmap(_norm)(gradients)


def _norm(tree: PyTree) -> jax.Array:
    squares = [
        jnp.sum(jnp.square(x.astype(jnp.float32))) for x in jax.tree.leaves(tree)
    ]
    return jnp.sqrt(sum(squares))
