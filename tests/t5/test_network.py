"""The T5 without a prompt: its tree, and who sees whom."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from spot_jax import t5
from spot_jax.data import packing

# (layers, heads, d_model, d_mlp): parameters, of the published T5 1.1.
PUBLISHED = {
    "small": ((8, 6, 512, 1024), 76_961_152),
    "base": ((12, 12, 768, 2048), 247_577_856),
    "large": ((24, 16, 1024, 2816), 783_150_080),
    "xl": ((24, 32, 2048, 5120), 2_849_757_184),
    "xxl": ((24, 64, 4096, 10240), 11_135_332_352),
}


def sized(layers, heads, d_model, d_mlp, **other):
    return t5.T5Config(
        d_model=d_model,
        heads=heads,
        d_mlp=d_mlp,
        encoder_layers=layers,
        decoder_layers=layers,
        **other,
    )


def count(config):
    shapes, _ = t5.parameter_shapes(config)
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(shapes))


@pytest.mark.parametrize(("sizes", "parameters"), PUBLISHED.values(), ids=PUBLISHED)
def test_published_sizes_have_their_number_of_parameters(sizes, parameters):
    assert count(sized(*sizes)) == parameters


def test_t5_1_0_small_has_its_number_of_parameters():
    tied = {"mlp_activations": ("relu",), "logits_via_embedding": True}
    assert count(sized(6, 8, 512, 2048, **tied)) == 60_506_624


def expected_tree(config):
    """T5X's tree, written out: path -> (shape, logical axes)."""
    embed, joined, mlp = config.d_model, config.d_joined, config.d_mlp
    norm = ((embed,), ("embed",))
    into_heads = ((embed, joined), ("embed", "joined_kv"))
    relpos = ((config.heads, config.relpos_buckets), ("heads", "relpos_buckets"))

    def attention(name):
        yield from (
            (f"{name}/{p}/kernel", into_heads) for p in ("query", "key", "value")
        )
        yield f"{name}/out/kernel", ((joined, embed), ("joined_kv", "embed"))

    def mlp_block(layer):
        yield f"{layer}/pre_mlp_layer_norm/scale", norm
        for name in ("wi_0", "wi_1"):
            yield f"{layer}/mlp/{name}/kernel", ((embed, mlp), ("embed", "mlp"))
        yield f"{layer}/mlp/wo/kernel", ((mlp, embed), ("mlp", "embed"))

    vocab = config.vocab_size
    yield "token_embedder/embedding", ((vocab, embed), ("vocab", "embed"))
    for i in range(config.encoder_layers):
        yield f"encoder/layers_{i}/pre_attention_layer_norm/scale", norm
        yield from attention(f"encoder/layers_{i}/attention")
        yield from mlp_block(f"encoder/layers_{i}")
    for i in range(config.decoder_layers):
        yield f"decoder/layers_{i}/pre_self_attention_layer_norm/scale", norm
        yield from attention(f"decoder/layers_{i}/self_attention")
        yield f"decoder/layers_{i}/pre_cross_attention_layer_norm/scale", norm
        yield from attention(f"decoder/layers_{i}/encoder_decoder_attention")
        yield from mlp_block(f"decoder/layers_{i}")
    for stack in ("encoder", "decoder"):
        yield f"{stack}/relpos_bias/rel_embedding", relpos
        yield f"{stack}/{stack}_norm/scale", norm
    yield "decoder/logits_dense/kernel", ((embed, vocab), ("embed", "vocab"))


def test_the_tree_is_that_of_t5x(config):
    uneven = dataclasses.replace(config, encoder_layers=3, decoder_layers=1)
    shapes, axes = t5.parameter_shapes(uneven)
    shapes = traverse_util.flatten_dict(shapes, sep="/")
    axes = traverse_util.flatten_dict(axes, sep="/")
    expected = dict(expected_tree(uneven))
    assert {name: leaf.shape for name, leaf in shapes.items()} == {
        name: shape for name, (shape, _) in expected.items()
    }
    assert axes == {name: names for name, (_, names) in expected.items()}
    assert {leaf.dtype for leaf in shapes.values()} == {np.dtype("float32")}


def test_t5_1_0_has_one_wi_and_no_matrix_for_the_logits(config):
    changes = {"mlp_activations": ("relu",), "logits_via_embedding": True}
    old, _ = t5.parameter_shapes(dataclasses.replace(config, **changes))
    new, _ = t5.parameter_shapes(config)
    old, new = (set(traverse_util.flatten_dict(tree, sep="/")) for tree in (old, new))
    changed = {name.rsplit("/", 2)[-2] for name in old ^ new}
    assert changed == {"wi", "wi_0", "wi_1", "logits_dense"}
    assert {name.rsplit("/", 2)[-2] for name in old - new} == {"wi"}


# Every test takes these shapes where it can: one program serves all.
INPUTS = jax.random.randint(jax.random.key(1), (3, 10), 2, 30)
INPUTS = jnp.where(jnp.arange(10)[None] < 7, INPUTS, 0)
TARGETS = jax.random.randint(jax.random.key(2), (3, 10), 2, 30)


def thin(config):
    """One layer a stack, for programs that take long to compile."""
    return dataclasses.replace(config, encoder_layers=1, decoder_layers=1)


def quick_key(seed):
    """A key whose draws compile in half the time."""
    return jax.random.key(seed, impl="unsafe_rbg")


@pytest.fixture(scope="module")
def fresh(config):
    start = jax.jit(t5.initial_parameters, static_argnums=0)
    return start(thin(config), quick_key(0))


def test_fresh_logits_vary_by_about_one(config, fresh, logits):
    found = logits(thin(config), fresh, INPUTS, TARGETS)
    assert found.shape == (3, 10, config.vocab_size)
    assert 0.5 < found.std() < 2


def test_fresh_weights_are_drawn_as_t5_draws_them(config, fresh):
    attention = fresh["encoder"]["layers_0"]["attention"]
    width, joined = config.d_model, config.d_joined
    wanted = {
        "query": (width * config.d_head) ** -0.5,
        "key": width**-0.5,
        "value": width**-0.5,
        "out": joined**-0.5,
    }
    for name, spread in wanted.items():
        np.testing.assert_allclose(attention[name]["kernel"].std(), spread, rtol=0.25)
    mlp = fresh["decoder"]["layers_0"]["mlp"]
    np.testing.assert_allclose(mlp["wi_0"]["kernel"].std(), width**-0.5, rtol=0.25)
    np.testing.assert_allclose(mlp["wo"]["kernel"].std(), config.d_mlp**-0.5, rtol=0.25)
    embedding = fresh["token_embedder"]["embedding"]
    np.testing.assert_allclose(embedding.std(), 1.0, rtol=0.25)
    assert (fresh["decoder"]["decoder_norm"]["scale"] == 1).all()


def test_a_target_sees_the_inputs_and_its_own_past(config, params):
    """d logits[t] / d embedding of each token, each of which is in one place."""
    inputs, targets = jnp.array([[3, 4, 5, 0, 0]]), jnp.array([[10, 11, 12, 13]])

    def one_number_per_position(embedding):
        changed = {**params, "token_embedder": {"embedding": embedding}}
        model = t5.T5(thin(config))
        found = model.apply({"params": changed}, inputs, targets)[0]
        return found @ jnp.arange(1.0, config.vocab_size + 1)

    embedding = params["token_embedder"]["embedding"]
    gradient = jax.jit(jax.jacrev(one_number_per_position))(embedding)
    influence = jnp.abs(gradient).sum(-1)
    np.testing.assert_array_equal(influence[:, 10:14] > 0, np.tri(4, dtype=bool))
    assert (influence[:, 3:6] > 0).all()
    assert (influence[:, 0] == 0).all(), "padding reaches the logits"


def test_padding_changes_no_logits(config, params, logits):
    found = logits(config, params, INPUTS, TARGETS)[:, :4]
    wanted = logits(config, params, INPUTS[:, :7], TARGETS[:, :4])
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_without_segment_ids_all_but_padding_is_one_example(config, params, logits):
    np.testing.assert_array_equal(
        logits(config, params, INPUTS, TARGETS),
        logits(config, params, INPUTS, TARGETS, **segments(INPUTS > 0, TARGETS > 0)),
    )


def segments(encoder, decoder):
    return {
        "encoder_segment_ids": np.asarray(encoder, np.int32),
        "decoder_segment_ids": np.asarray(decoder, np.int32),
    }


def test_examples_of_a_packed_row_do_not_see_each_other(config, params, logits):
    examples = [
        packing.Example(np.array([7, 8, 9, 1]), np.array([5, 6, 1])),
        packing.Example(np.array([20, 21, 1]), np.array([22, 23, 24, 1])),
        packing.Example(np.array([4, 1]), np.array([12, 1])),
    ]

    def scores(batch):
        ids = segments(batch["encoder_segment_ids"], batch["decoder_segment_ids"])
        inputs, targets = batch["encoder_input_tokens"], batch["decoder_input_tokens"]
        return logits(config, params, inputs, targets, **ids)

    shape = packing.Shape(rows=3, row_length=10, target_row_length=10)
    batch = packing.pack(examples, prompt_length=0, shape=shape)
    assert batch["encoder_segment_ids"].max() == 3, "all in one row"
    packed = scores(batch)[0]
    alone = scores(
        packing.one_per_row(examples, prompt_length=0, row_length=10, target_length=10)
    )
    for i, example in enumerate(examples):
        np.testing.assert_allclose(
            packed[batch["decoder_segment_ids"][0] == i + 1],
            alone[i, : len(example.targets)],
            atol=1e-5,
        )


def rounded(tree):
    return jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), tree)


def test_bfloat16_is_close_to_float32_and_its_logits_are_float32(
    config, params, logits
):
    fast = dataclasses.replace(thin(config), dtype="bfloat16")
    wanted = logits(thin(config), params, INPUTS, TARGETS)
    found = logits(fast, rounded(params), INPUTS, TARGETS)
    assert found.dtype == jnp.float32
    # bfloat16 has 8 bits; a dozen sublayers add their rounding up.
    assert 0 < jnp.abs(found - wanted).mean() < 0.03
    assert jnp.abs(found - wanted).max() < 0.3


def test_frozen_weights_held_in_bfloat16_are_the_rounded_weights(
    config, params, logits
):
    held = rounded(params)
    back = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), held)
    fast = dataclasses.replace(thin(config), dtype="bfloat16")
    np.testing.assert_array_equal(
        logits(fast, held, INPUTS, TARGETS), logits(fast, back, INPUTS, TARGETS)
    )


def test_dropout_draws_only_when_asked(config, params):
    @jax.jit
    def drop(key):
        return t5.T5(thin(config)).apply(
            {"params": params},
            INPUTS,
            TARGETS,
            deterministic=False,
            rngs={"dropout": key},
        )

    one, again, other = (drop(quick_key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert jnp.abs(one - other).max() > 0.1


def test_every_layer_may_have_a_position_bias_of_its_own(config):
    own = dataclasses.replace(config, relpos_in_every_layer=True)
    shared, tree = (
        traverse_util.flatten_dict(t5.parameter_shapes(c)[0], sep="/")
        for c in (config, own)
    )
    bias = "relpos_bias/rel_embedding"
    moved = {f"{stack}/{bias}" for stack in ("encoder", "decoder")}
    layers = [("encoder", config.encoder_layers), ("decoder", config.decoder_layers)]
    expected = {
        f"{stack}/layers_{i}/{bias}" for stack, count in layers for i in range(count)
    }
    assert shared.keys() - tree.keys() == moved
    assert tree.keys() - shared.keys() == expected


def test_layers_with_the_same_bias_are_as_those_that_share_it(config, params, logits):
    own = dataclasses.replace(config, relpos_in_every_layer=True)
    flat = traverse_util.flatten_dict(params, sep="/")
    shapes = traverse_util.flatten_dict(t5.parameter_shapes(own)[0], sep="/")
    copied = {
        name: flat[re.sub(r"/layers_\d+/relpos_bias/", "/relpos_bias/", name)]
        for name in shapes
    }
    inputs, targets = jnp.array([[5, 6, 7, 1]]), jnp.array([[0, 8, 9]])
    expected = logits(config, params, inputs, targets)
    copied = traverse_util.unflatten_dict(copied, sep="/")
    np.testing.assert_array_equal(logits(own, copied, inputs, targets), expected)
    # And each layer reads its own.
    for stack, layer in (("encoder", 1), ("decoder", 0)):
        table = copied[stack][f"layers_{layer}"]["relpos_bias"]
        other = jax.tree.map(lambda x: x, copied)
        other[stack][f"layers_{layer}"]["relpos_bias"] = jax.tree.map(
            jnp.negative, table
        )
        assert jnp.abs(logits(own, other, inputs, targets) - expected).max() > 1e-3


@pytest.mark.parametrize(
    "setting", [{"mlp_activations": ("silu", "linear")}, {"norm_epsilon": 0.1}]
)
def test_what_shapes_do_not_show_changes_the_logits(setting, config, params, logits):
    inputs, targets = jnp.array([[5, 6, 7, 1]]), jnp.array([[0, 8, 9]])
    other = logits(dataclasses.replace(config, **setting), params, inputs, targets)
    assert jnp.abs(other - logits(config, params, inputs, targets)).max() > 1e-3
