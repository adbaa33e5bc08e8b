"""Every mesh of eight devices computes what one device computes."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax import optim
from spot_jax.data import packing
from spot_jax.model import sharding
from spot_jax.model.binding import model_tuning, prompt_tuning
from spot_jax.model.weights import LoadedModel, expected_on, together
from spot_jax.prompts import algebra
from spot_jax.prompts.base import sites
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.scoring import answers
from spot_jax.settings import Loss, Model
from spot_jax.t5 import T5, decode, walk
from spot_jax.t5.beam import beam_search
from spot_jax.training import moving, step
from spot_jax.training.moving import Parts
from tests.bundles import everywhere
from tests.examples import some_examples

LENGTH, TARGETS = 3, 4
ROW = {"prompt_length": LENGTH, "row_length": LENGTH + 9, "target_length": TARGETS}
LABELS = np.int32([[5, 1, 0], [6, 7, 1], [9, 1, 0]])
# Programs of eight devices compile for seconds: the others are in `make test-slow`.
FAST = {(1, 1, False), (2, 2, False), (4, 2, True), (8, 1, False)}
# (model axis, axes that weights are split over, whether layers are scanned).
SHAPES = [
    pytest.param(*shape, marks=() if shape in FAST else pytest.mark.slow)
    for shape in itertools.product((1, 2, 4, 8), (1, 2), (True, False))
]


@pytest.fixture(scope="module")
def batch():
    return packing.one_per_row(some_examples(8), **ROW)


@pytest.fixture(scope="module")
def prompts(tiny_config):
    shape = 2, LENGTH, tiny_config.d_model
    return {"enc_input": np.random.default_rng(0).standard_normal(shape, np.float32)}


def placed(config, params, devices, model_parallel, dimensions, is_tuned=False):
    """The model on a mesh, as `weights.load` would leave it."""
    mesh = sharding.make_mesh(model_parallel, devices)
    settings = Model(
        config, None, weights_dtype="float32", parameter_partitioning_dims=dimensions
    )
    expected = expected_on(mesh, settings)
    if config.scan_layers and not is_tuned:
        params, expected = walk.stacked(params, jnp.stack), together(expected)
    where = jax.tree.map(lambda leaf: leaf.sharding, expected)
    params = sharding.place(jax.tree.map(np.array, params), where)
    return LoadedModel(config, params, mesh, 0, "f", "here")


def trained(model, parts, batch, steps=2):
    """What two steps make of it, and the losses on the way."""
    optimizer = optim.adafactor(0.3, base_step=1_000)
    losses = []
    with sharding.on_mesh(model.mesh):
        state = moving.first_state(parts, optimizer, model.mesh)
        train_step = step.make_train_step(
            *(model.config, parts.binding, optimizer, Loss()),
            target_length=TARGETS,
            places=sharding.places(state),
        )
        rows = sharding.shard_rows(batch, model.mesh)
        key = sharding.place(jax.random.key(0), sharding.replicated(model.mesh))
        for _ in range(steps):
            state, metrics = train_step(state, parts.frozen, [rows], key)
            losses.append(np.asarray(metrics["loss"]))
        assert train_step._cache_size() == 1, "the step was compiled again"
    return state, np.stack(losses)


def prompts_on(model, prompts):
    where = sharding.replicated(model.mesh)
    binding = prompt_tuning(SoftPrompt(LENGTH, model.config), 2)
    moved = sharding.place(jax.tree.map(np.array, prompts), where)
    return Parts(binding, moved, model.params, LENGTH)


@pytest.fixture(scope="module")
def alone(tiny_config, tiny_params, prompts, batch):
    model = placed(tiny_config, tiny_params, jax.devices()[:1], 1, 1)
    state, losses = trained(model, prompts_on(model, prompts), batch)
    return jax.device_get(state.trained), losses


@pytest.mark.parametrize(("model_parallel", "dimensions", "is_scanned"), SHAPES)
def test_training_is_the_same(
    model_parallel,
    dimensions,
    is_scanned,
    tiny_config,
    tiny_params,
    prompts,
    batch,
    alone,
):
    config = dataclasses.replace(tiny_config, scan_layers=is_scanned)
    model = placed(config, tiny_params, jax.devices()[:8], model_parallel, dimensions)
    state, losses = trained(model, prompts_on(model, prompts), batch)
    np.testing.assert_allclose(losses, alone[1], rtol=1e-5)
    for site, expected in alone[0].items():
        np.testing.assert_allclose(
            jax.device_get(state.trained[site]), expected, atol=2e-4
        )


@pytest.mark.parametrize(
    ("model_parallel", "dimensions"),
    [(4, 2), pytest.param(1, 2, marks=pytest.mark.slow), (8, 1)],
)
def test_a_tuned_model_is_the_same_and_stays_in_parts(
    model_parallel, dimensions, tiny_config, tiny_params, batch
):
    binding = model_tuning()

    def tuned(devices, *mesh):
        model = placed(tiny_config, tiny_params, devices, *mesh, is_tuned=True)
        parts = Parts(binding, model.params, {}, 0)
        rows = packing.one_per_row(
            some_examples(8, prompts=1), **ROW | {"prompt_length": 0}
        )
        return trained(model, parts, rows)

    _, expected = tuned(jax.devices()[:1], 1, 1)
    state, losses = tuned(jax.devices()[:8], model_parallel, dimensions)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    kernel = state.trained["encoder"]["layers_0"]["mlp"]["wo"]["kernel"]
    parts = model_parallel * (8 // model_parallel if dimensions == 2 else 1)
    assert kernel.addressable_shards[0].data.size == kernel.size // parts
    statistics = [
        leaf for leaf in jax.tree.leaves(state.optimizer) if leaf.shape == kernel.shape
    ]
    assert statistics
    for leaf in statistics:
        assert leaf.addressable_shards[0].data.size <= leaf.size // parts


def asked(config, binding):
    """Programs that write and rank."""
    search = functools.partial(beam_search, beams=3)
    options = {"max_length": TARGETS}
    return {
        "ranked": jax.jit(answers.make_rank(config, binding)),
        "greedy": jax.jit(
            answers.make_write(config, binding, search=decode.greedy, **options)
        ),
        "beams": jax.jit(answers.make_write(config, binding, search=search, **options)),
        "scored": jax.jit(answers.make_score(config, binding)),
    }


def answered(model, prompts, batch):
    """{program: what it says} of a batch."""
    parts = prompts_on(model, prompts)
    found = {}
    with sharding.on_mesh(model.mesh):
        given = parts.trained, parts.frozen, sharding.shard_rows(batch, model.mesh)
        key = sharding.place(jax.random.key(0), sharding.replicated(model.mesh))
        more = {"ranked": (LABELS,), "greedy": (key,), "beams": (key,), "scored": ()}
        for name, program in asked(model.config, parts.binding).items():
            found[name] = jax.device_get(program(*given, *more[name]))
    return found


@pytest.fixture(scope="module")
def answers_alone(tiny_config, tiny_params, prompts, batch):
    model = placed(tiny_config, tiny_params, jax.devices()[:1], 1, 1)
    return answered(model, prompts, batch)


@pytest.mark.parametrize(("model_parallel", "dimensions", "is_scanned"), SHAPES)
def test_answers_are_the_same(
    model_parallel,
    dimensions,
    is_scanned,
    tiny_config,
    tiny_params,
    prompts,
    batch,
    answers_alone,
):
    expected = answers_alone
    config = dataclasses.replace(tiny_config, scan_layers=is_scanned)
    model = placed(config, tiny_params, jax.devices()[:8], model_parallel, dimensions)
    found = answered(model, prompts, batch)
    for name in ("greedy", "beams"):
        np.testing.assert_array_equal(found[name][0], expected[name][0])
        np.testing.assert_allclose(found[name][1], expected[name][1], atol=1e-4)
    for name in ("ranked", "scored"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-4)


def test_frozen_weights_over_both_axes_are_in_an_eighth_on_every_device(
    tiny_config, tiny_params
):
    model = placed(tiny_config, tiny_params, jax.devices()[:8], 2, 2)
    kernel = model.params["encoder"]["layers_0"]["mlp"]["wi_0"]["kernel"]
    assert kernel.addressable_shards[0].data.size == kernel.size // 8
    scale = model.params["encoder"]["encoder_norm"]["scale"]
    assert scale.is_fully_replicated


@functools.partial(jax.jit, static_argnums=0)
def logits_and_gradient(config, params, bank, batch):
    """Of a bank of prompts at every site: what the T5 says, and what they learn."""

    def loss(arrays):
        of_rows = ("segment_ids", "prompt_ids", "positions")
        logits = T5(config).apply(
            walk.variables(config, params),
            batch["encoder_input_tokens"],
            batch["decoder_input_tokens"],
            **{f"encoder_{name}": batch[f"encoder_{name}"] for name in of_rows},
            decoder_segment_ids=batch["decoder_segment_ids"],
            row_prompts=batch["row_prompts"],
            prompt=bank.replace(**arrays),
        )
        return jnp.mean(jax.nn.log_softmax(logits)[..., 3]), logits

    (_, logits), gradient = jax.value_and_grad(loss, has_aux=True)(sites(bank))
    return logits, gradient


@functools.partial(jax.jit, static_argnums=0)
def written(config, params, bank, batch):
    """What a greedy search writes with a bank."""
    return decode.generate(
        config,
        params,
        batch["encoder_input_tokens"],
        max_length=TARGETS,
        search=decode.greedy,
        prompt=bank,
        segment_ids=batch["encoder_segment_ids"],
        prompt_ids=batch["encoder_prompt_ids"],
        positions=batch["encoder_positions"],
        row_prompts=batch["row_prompts"],
    )[0]


@pytest.fixture(scope="module")
def at_every_site(tiny_config):
    """A bank of two prompts, one shorter, that enter a T5 wherever a prompt can."""
    prompts = [everywhere(length, length, tiny_config) for length in (LENGTH, 2)]
    modes = {"hidden_mode": "add", "bias_mode": "contiguous"}
    return algebra.stack([prompt.replace(**modes) for prompt in prompts])


def of_every_site(model, bank, batch):
    with sharding.on_mesh(model.mesh):
        where = sharding.replicated(model.mesh)
        bank = sharding.place(jax.tree.map(np.array, bank), where)
        given = model.config, model.params, bank
        rows = sharding.shard_rows(batch, model.mesh)
        found = *logits_and_gradient(*given, rows), written(*given, rows)
        return jax.device_get(found)


@pytest.fixture(scope="module")
def of_every_site_alone(tiny_config, tiny_params, at_every_site, batch):
    model = placed(tiny_config, tiny_params, jax.devices()[:1], 1, 1)
    return of_every_site(model, at_every_site, batch)


@pytest.mark.parametrize(
    ("model_parallel", "dimensions", "is_scanned"),
    [
        (2, 2, False),
        *(
            pytest.param(parts, dimensions, is_scanned, marks=pytest.mark.slow)
            for parts, dimensions, is_scanned in (
                *((1, 1, False), (1, 2, True), (2, 1, True), (4, 1, True)),
                (4, 2, False),
            )
        ),
    ],
)
def test_prompts_at_every_site_are_the_same(
    model_parallel,
    dimensions,
    is_scanned,
    tiny_config,
    tiny_params,
    at_every_site,
    batch,
    of_every_site_alone,
):
    config = dataclasses.replace(tiny_config, scan_layers=is_scanned)
    model = placed(config, tiny_params, jax.devices()[:8], model_parallel, dimensions)
    logits, gradient, texts = of_every_site(model, at_every_site, batch)
    expected, of_prompt, wanted = of_every_site_alone
    np.testing.assert_allclose(logits, expected, atol=3e-5)
    np.testing.assert_array_equal(texts, wanted)
    assert gradient.keys() == of_prompt.keys() and len(gradient) == 5
    for site, array in of_prompt.items():
        assert np.abs(array).max() > 0, site
        np.testing.assert_allclose(gradient[site], array, atol=1e-5, err_msg=site)
