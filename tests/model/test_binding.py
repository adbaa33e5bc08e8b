"""What of a model is trained: all of it, its top layers, or parts that are named."""

import dataclasses

import jax
import numpy as np
import pytest
from flax import traverse_util

from spot_jax import optim
from spot_jax.data import packing
from spot_jax.errors import InputError
from spot_jax.model import sharding
from spot_jax.model.binding import apart, model_tuning
from spot_jax.settings import Loss
from spot_jax.t5 import parameter_shapes
from spot_jax.training import moving, step
from spot_jax.training.moving import Parts
from tests.examples import some_examples
from tests.model.test_meshes import placed

TOP = {"decoder/layers_0", "decoder/decoder_norm", "decoder/logits_dense"}


def flat(tree) -> dict:
    return traverse_util.flatten_dict(tree, sep="/")


def parts_of(names) -> set[str]:
    """What stands two deep: "decoder/layers_0"."""
    return {"/".join(name.split("/")[:2]) for name in names}


@pytest.mark.parametrize(
    ("tuned", "parts"),
    [
        (1, TOP),
        ("decoder/decoder_norm", {"decoder/decoder_norm"}),
        (["encoder/layers_1/mlp", "token_embedder"], None),
        (("decoder", "decoder/layers_0"), {*TOP, "decoder/relpos_bias"}),
    ],
    ids=["layers", "a name", "names", "one in another"],
)
def test_a_model_is_taken_apart_and_put_together(tuned, parts, tiny_params):
    trained, frozen = apart(tiny_params, tuned)
    names = flat(trained).keys()
    assert not names & flat(frozen).keys()
    if parts:
        assert parts_of(names) == parts
    else:
        assert all(name.startswith(tuple(tuned)) for name in names)
        assert len(names) == 4
    joined, bundle = model_tuning().bind(trained, frozen)
    assert bundle is None
    assert jax.tree.structure(joined) == jax.tree.structure(tiny_params)
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: a is b, joined, tiny_params)))


def test_a_name_is_not_the_beginning_of_another(tiny_config):
    shapes, _ = parameter_shapes(dataclasses.replace(tiny_config, decoder_layers=11))
    names = flat(apart(shapes, "decoder/layers_1")[0])
    assert parts_of(names) == {"decoder/layers_1"}
    assert parts_of(flat(apart(shapes, 2)[0])) == {
        *("decoder/layers_9", "decoder/layers_10"),
        *("decoder/decoder_norm", "decoder/logits_dense"),
    }


def test_where_the_embedding_makes_logits_it_is_trained_with_the_top(tiny_config):
    config = dataclasses.replace(tiny_config, logits_via_embedding=True)
    shapes, _ = parameter_shapes(config)
    names = parts_of(flat(apart(shapes, 1)[0]))
    assert names == {*TOP, "token_embedder/embedding"} - {"decoder/logits_dense"}


@pytest.mark.parametrize(
    ("tuned", "words"),
    [
        (2, "TUNED_LAYERS is 2, and the decoder of this T5 has 1 layers"),
        ("decode", "this T5 has no part 'decode': it has decoder, encoder, token_emb"),
        (
            ["decoder", "encoder/layers_2"],
            "names 'encoder/layers_2', and encoder of this T5 has no part 'layers_2': "
            "it has encoder_norm, layers_0, layers_1, relpos_bias.",
        ),
        ("decoder/", "decoder of this T5 has no part ''"),
        ("decoder/decoder_norm/scale/x", "norm of decoder of this T5 .* is one array"),
    ],
    ids=str,
)
def test_a_part_that_is_not_there_is_one_message(tuned, words, tiny_params):
    with pytest.raises(InputError, match=words):
        apart(tiny_params, tuned)


MESHES = {"one": (1, 1, 1), "a mesh": (8, 4, 2)}


@pytest.mark.parametrize("is_scanned", [False, True], ids=["apart", "scanned"])
@pytest.mark.parametrize(("count", "model_parallel", "dimensions"), MESHES.values())
def test_only_the_part_moves_bit_for_bit(
    count, model_parallel, dimensions, is_scanned, tiny_config, tiny_params
):
    """And it moves as much as it does with everything else beside it."""
    config = dataclasses.replace(tiny_config, scan_layers=is_scanned)
    devices = jax.devices()[:count]
    optimizer, losses = optim.adamw(1e-2), {}
    rows = {"prompt_length": 0, "row_length": 9, "target_length": 4}
    batch = packing.one_per_row(some_examples(8, prompts=1), **rows)
    for tuned in (None, 1):
        model = placed(
            config, tiny_params, devices, model_parallel, dimensions, is_tuned=True
        )
        parts = Parts(model_tuning(), *apart(model.params, tuned), 0)
        with sharding.on_mesh(model.mesh):
            state = moving.first_state(parts, optimizer, model.mesh)
            train_step = step.make_train_step(
                *(config, parts.binding, optimizer, Loss()),
                target_length=4,
                places=sharding.places(state),
            )
            rows = sharding.shard_rows(batch, model.mesh)
            for _ in range(2):
                state, metrics = train_step(state, parts.frozen, [rows], None)
        losses[tuned] = float(metrics["loss"][0])
    # Nothing exists for what is frozen: no moments, no state.
    trained = flat(state.trained)
    assert parts_of(trained) == TOP
    sizes = sum(leaf.size for leaf in jax.tree.leaves(state.optimizer))
    assert sizes < 2.1 * sum(leaf.size for leaf in trained.values())
    joined, _ = parts.binding.bind(state.trained, parts.frozen)
    moved = {
        name
        for name, leaf in flat(joined).items()
        if not np.array_equal(jax.device_get(leaf), flat(tiny_params)[name])
    }
    assert moved == trained.keys()
    assert losses[1] > losses[None]
