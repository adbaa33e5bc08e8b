"""The invariants of training: what moves, what equals what."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax import optim
from spot_jax.data import packing
from spot_jax.model import objective, sharding
from spot_jax.model.binding import model_tuning, prompt_tuning, prompts_of_shapes
from spot_jax.prompts import algebra
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.settings import Loss
from spot_jax.t5 import parameter_shapes
from spot_jax.training import step
from tests.examples import some_examples

# Adafactor divides by the gradient's own size, so that rounding in a gradient near zero
# moves a prompt by far more than it moves the loss: 1e-4 of updates of 0.3.
PROMPT_TOLERANCE = 1e-4
LENGTH = 4
ROW = {"prompt_length": LENGTH, "row_length": LENGTH + 9, "target_length": 4}
OPTIONS = Loss()


def starting_bank(config, bank, seed=3):
    shape = (bank, LENGTH, config.d_model)
    return {"enc_input": jax.random.normal(jax.random.key(seed), shape)}


def copies(tree):
    """A step donates its state; tests start several runs from one."""
    return jax.tree.map(jnp.array, tree)


def run(
    config,
    params,
    trained,
    batches,
    *,
    binding=None,
    microbatches=1,
    mesh=None,
    optimizer=None,
    rates=None,
):
    mesh = mesh or sharding.make_mesh(devices=jax.devices()[:1])
    if binding is None:
        bank, length, _ = trained["enc_input"].shape
        binding = prompt_tuning(SoftPrompt(length, config), bank)
    optimizer = optimizer or optim.adafactor(0.3, base_step=1_100_000)
    trained = jax.device_put(copies(trained), sharding.replicated(mesh))
    state = step.initial_state(trained, optimizer, binding)
    train_step = step.make_train_step(
        config,
        binding,
        optimizer,
        OPTIONS,
        target_length=4,
        microbatches=microbatches,
        rates=rates,
    )
    history = []
    for batch in batches:
        rows = sharding.shard_rows(batch, mesh)
        with sharding.on_mesh(mesh):
            state, metrics = train_step(state, params, [rows], jax.random.key(0))
        history.append(jax.device_get(metrics))
    return jax.device_get(state.trained), history


def unpacked(examples, length=LENGTH):
    row = ROW | {"prompt_length": length, "row_length": length + 9}
    return packing.one_per_row(examples, **row)


def packed(examples, length=LENGTH, row_length=40, rows_multiple=1):
    options = {"prompt_length": length}
    shape = packing.plan(
        [examples], row_length=row_length, rows_multiple=rows_multiple, **options
    )
    return packing.pack(examples, shape=shape, **options)


def test_only_the_prompt_moves_and_frozen_arrays_stay_bit_identical(
    tiny_config, tiny_params
):
    before = jax.device_get(copies(tiny_params))
    start = starting_bank(tiny_config, 2)
    trained, _ = run(tiny_config, tiny_params, start, [unpacked(some_examples(8))] * 3)
    assert set(trained) == {"enc_input"}
    assert np.all(np.any(trained["enc_input"] != start["enc_input"], axis=-1))
    same = jax.tree.map(np.array_equal, before, jax.device_get(tiny_params))
    assert all(jax.tree.leaves(same))


def test_the_step_has_no_gradient_of_anything_frozen(tiny_config, tiny_params):
    """A forward pass and activation gradients cost about 2 forward passes, not 3."""
    binding = prompt_tuning(SoftPrompt(LENGTH, tiny_config), 1)
    loss = objective.make_loss(tiny_config, binding, OPTIONS, target_length=4)
    batch = jax.tree.map(jnp.asarray, unpacked(some_examples(32, prompts=1)))
    start = starting_bank(tiny_config, 1)

    def flops(function):
        compiled = jax.jit(function).lower(start, tiny_params).compile()
        return compiled.cost_analysis()["flops"]

    forward = flops(lambda t, f: loss(t, f, batch, None)[0])
    backward = flops(lambda t, f: jax.grad(loss, has_aux=True)(t, f, batch, None)[0])
    everything = flops(
        lambda t, f: jax.grad(loss, argnums=(0, 1), has_aux=True)(t, f, batch, None)[0]
    )
    assert backward < 2.4 * forward
    assert everything > backward + 0.4 * forward


@pytest.mark.parametrize("layout", [unpacked, packed])
def test_a_bank_equals_single_runs(tiny_config, tiny_params, layout):
    batches = [some_examples(12, seed, prompts=3) for seed in range(3)]
    start = starting_bank(tiny_config, 3)
    together, history = run(
        tiny_config, tiny_params, start, [layout(batch) for batch in batches]
    )
    for prompt in range(3):
        own = [
            [e._replace(prompt=0) for e in batch if e.prompt == prompt]
            for batch in batches
        ]
        alone, own_history = run(
            tiny_config,
            tiny_params,
            {"enc_input": start["enc_input"][prompt : prompt + 1]},
            [layout(batch) for batch in own],
        )
        np.testing.assert_allclose(
            together["enc_input"][prompt], alone["enc_input"][0], atol=1e-5
        )
        for mine, theirs in zip(own_history, history, strict=True):
            for name in mine:
                np.testing.assert_allclose(
                    mine[name][0], theirs[name][prompt], atol=1e-5, err_msg=name
                )


# (length, rate) of every prompt of a bank; the longest is as long as the slots.
SWEPT = [(2, 0.3), (LENGTH, 0.03), (2, 0.03)]


def adafactor(rate):
    return optim.adafactor(rate, base_step=1_100_000)


def scaled(rate):
    """With statistics of whole arrays, which would see padding, and with decay."""
    return optim.adafactor(
        optim.linear_warmup(rate, 2),
        base_step=0,
        weight_decay_rate=0.1,
        multiply_by_parameter_scale=True,
    )


@pytest.mark.parametrize(
    ("layout", "optimizer"), [(packed, adafactor), (unpacked, scaled)]
)
def test_prompts_of_several_lengths_and_rates_equal_single_runs(
    tiny_config, tiny_params, layout, optimizer
):
    lengths = [length for length, _ in SWEPT]
    sources = {(length, ()): SoftPrompt(length, tiny_config) for length in (2, LENGTH)}
    binding = prompts_of_shapes(sources, [(length, ()) for length in lengths])
    own = jax.device_get(starting_bank(tiny_config, len(SWEPT))["enc_input"])
    starts = [own[i, :length] for i, length in enumerate(lengths)]
    groups = [
        {"enc_input": np.stack([starts[i] for i in m])} for m in binding.members()
    ]
    batches = [some_examples(16, seed, prompts=len(SWEPT)) for seed in range(3)]
    together, history = run(
        tiny_config,
        tiny_params,
        binding.joined(groups),
        [layout(batch) for batch in batches],
        binding=binding,
        optimizer=optimizer([0.03, 0.3]),
        rates=[0 if rate == 0.03 else 1 for _, rate in SWEPT],
    )
    bank = jax.device_get(binding.bundle(together))
    for index, (length, rate) in enumerate(SWEPT):
        prompt = algebra.take(bank, index).enc_input
        assert prompt.shape == (length, tiny_config.d_model)
        examples = [
            [e._replace(prompt=0) for e in batch if e.prompt == index]
            for batch in batches
        ]
        alone, own_history = run(
            tiny_config,
            tiny_params,
            {"enc_input": starts[index][None]},
            [layout(batch, length) for batch in examples],
            optimizer=optimizer(rate),
        )
        assert np.abs(prompt - starts[index]).max() > 1e-3
        np.testing.assert_allclose(prompt, alone["enc_input"][0], atol=1e-5)
        for mine, theirs in zip(own_history, history, strict=True):
            for metric in mine:
                np.testing.assert_allclose(
                    mine[metric][0], theirs[metric][index], atol=1e-5, err_msg=metric
                )


def test_a_rate_of_zero_moves_nothing_beside_one_that_does(tiny_config, tiny_params):
    start = starting_bank(tiny_config, 2)
    optimizer = optim.adafactor([0.0, 0.3], base_step=0, weight_decay_rate=0.0)
    batches = [unpacked(some_examples(8))] * 2
    trained, _ = run(
        *(tiny_config, tiny_params, start, batches),
        optimizer=optimizer,
        rates=[1, 0],
    )
    moved = np.any(trained["enc_input"] != start["enc_input"], axis=(1, 2))
    assert list(moved) == [True, False]


def test_packed_equals_unpacked_in_loss_and_gradient(tiny_config, tiny_params):
    examples = some_examples(16)
    binding = prompt_tuning(SoftPrompt(LENGTH, tiny_config), 2)
    loss = objective.make_loss(tiny_config, binding, OPTIONS, target_length=4)
    gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))
    start = starting_bank(tiny_config, 2)
    (one, one_metrics), one_gradient = gradient(
        start, tiny_params, unpacked(examples), None
    )
    (two, two_metrics), two_gradient = gradient(
        start, tiny_params, packed(examples), None
    )
    assert abs(one - two) < 1e-5
    np.testing.assert_allclose(one_metrics["loss"], two_metrics["loss"], atol=1e-5)
    np.testing.assert_allclose(
        one_gradient["enc_input"], two_gradient["enc_input"], atol=1e-5
    )
    assert float(jnp.abs(one_gradient["enc_input"]).max()) > 1e-3


def test_microbatches_sum_to_the_whole(tiny_config, tiny_params):
    batches = [unpacked(some_examples(16, seed)) for seed in range(2)]
    start = starting_bank(tiny_config, 2)
    whole, whole_history = run(tiny_config, tiny_params, start, batches)
    parts, part_history = run(
        tiny_config,
        tiny_params,
        start,
        batches,
        microbatches=4,
    )
    np.testing.assert_allclose(
        whole["enc_input"], parts["enc_input"], atol=PROMPT_TOLERANCE
    )
    for one, two in zip(whole_history, part_history, strict=True):
        for name in one:
            np.testing.assert_allclose(one[name], two[name], atol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    ("data", "model", "layout"),
    [(8, 1, packed), (1, 8, packed)],
)
def test_a_mesh_gives_the_losses_and_prompts_of_one_device(
    tiny_config, data, model, layout
):
    if jax.device_count() < 8:
        pytest.skip("needs 8 devices; conftest asks for them unless jax has begun")
    # 8-way model parallelism wants 8 heads or columns that 8 divides.
    config = dataclasses.replace(tiny_config, heads=4)
    params = dict(_fresh(config))
    batches = [some_examples(16, seed) for seed in range(3)]
    start = starting_bank(config, 2)
    one, one_history = run(config, params, start, [layout(b) for b in batches])
    mesh = sharding.make_mesh(model)
    assert dict(mesh.shape) == {"data": data, "model": model}
    shapes, axes = parameter_shapes(config)
    shardings = sharding.parameter_shardings(shapes, axes, mesh)
    many, many_history = run(
        config,
        jax.device_put(params, shardings),
        start,
        [_rows_for(mesh, layout(b)) for b in batches],
        mesh=mesh,
    )
    np.testing.assert_allclose(
        one["enc_input"], many["enc_input"], atol=PROMPT_TOLERANCE
    )
    for mine, theirs in zip(one_history, many_history, strict=True):
        np.testing.assert_allclose(mine["loss"], theirs["loss"], atol=1e-5)


def _fresh(config):
    from spot_jax.t5 import initial_parameters

    return initial_parameters(config, jax.random.key(0))


def _rows_for(mesh, batch):
    """Pads a batch with empty rows until the data axis divides them."""
    missing = -len(batch["encoder_input_tokens"]) % mesh.shape["data"]
    return {
        k: np.pad(v, [(0, missing)] + [(0, 0)] * (v.ndim - 1)) for k, v in batch.items()
    }


# A fused attention's kernel gives position biases no gradient: they would stand still.
@pytest.mark.parametrize("attention", ["plain", "fused"])
def test_model_tuning_is_the_same_step_with_another_split(
    attention, tiny_config, tiny_params
):
    examples = [e._replace(prompt=0) for e in some_examples(16)]
    batch = packing.one_per_row(
        examples, prompt_length=0, row_length=9, target_length=4
    )
    mesh = sharding.make_mesh(devices=jax.devices()[:1])
    binding, optimizer = model_tuning(), optim.adamw(1e-2)
    state = step.initial_state(copies(tiny_params), optimizer, binding)
    config = dataclasses.replace(tiny_config, attention=attention)
    train_step = step.make_train_step(
        config, binding, optimizer, OPTIONS, target_length=4
    )
    losses = []
    for _ in range(30):
        rows = sharding.shard_rows(batch, mesh)
        with sharding.on_mesh(mesh):
            state, metrics = train_step(state, {}, [rows], jax.random.key(0))
        losses.append(float(metrics["loss"][0]))
    assert losses[-1] < 0.5 * losses[0]
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), tiny_params, state.trained)
    assert all(jax.tree.leaves(moved))


def test_prompt_tuning_lowers_the_loss(tiny_config, tiny_params):
    batch = unpacked(some_examples(8))
    _, history = run(
        tiny_config, tiny_params, starting_bank(tiny_config, 2), [batch] * 30
    )
    assert np.all(history[-1]["loss"] < history[0]["loss"] - 0.3)


def test_dropout_depends_on_the_key_and_the_step_alone(tiny_config, tiny_params):
    config = dataclasses.replace(tiny_config, dropout_rate=0.3)
    start, batch = starting_bank(config, 2), unpacked(some_examples(8))
    one, history = run(config, tiny_params, start, [batch] * 2)
    again, _ = run(config, tiny_params, start, [batch] * 2)
    np.testing.assert_array_equal(one["enc_input"], again["enc_input"])
    without, plain = run(tiny_config, tiny_params, start, [batch] * 2)
    assert np.abs(history[0]["loss"] - plain[0]["loss"]).max() > 1e-3


def test_weights_held_in_bfloat16_train_a_float32_prompt(tiny_config, tiny_params):
    config = dataclasses.replace(tiny_config, dtype="bfloat16")
    held = jax.tree.map(lambda x: x.astype(jnp.bfloat16), tiny_params)
    start, batch = starting_bank(config, 2), unpacked(some_examples(8))
    trained, history = run(config, held, start, [batch] * 2)
    _, exact = run(tiny_config, tiny_params, start, [batch] * 2)
    assert trained["enc_input"].dtype == np.float32
    np.testing.assert_allclose(history[0]["loss"], exact[0]["loss"], rtol=0.05)
