"""What the frozen T5 makes of a text is a prompt, and the very text when contiguous."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax import t5
from spot_jax.errors import InputError
from spot_jax.model import sharding
from spot_jax.model.weights import LoadedModel
from spot_jax.prompts import init
from spot_jax.prompts.base import PromptBundle, modes, sites
from spot_jax.prompts.deep_kv import DeepKV
from spot_jax.prompts.deep_prompt import DeepPrompt
from spot_jax.prompts.prefix_mlp import PrefixMLP
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.prompts.starting import shape_of
from spot_jax.settings import Prompts
from spot_jax.t5 import walk
from spot_jax.training import bank, harvest
from spot_jax.training import starts as begun

IDS = [5, 9, 7, 8]
INPUTS = np.int32([[6, 7, 1], [9, 1, 0]])
TARGETS = np.int32([[0, 4, 5], [0, 6, 1]])


@pytest.fixture(scope="module")
def config(tiny_config):
    return dataclasses.replace(tiny_config, encoder_layers=2, decoder_layers=3)


@pytest.fixture(scope="module")
def make(config):
    """(options of the config) -> the model, with position biases that matter."""

    def loaded(**options):
        shape = dataclasses.replace(config, **options)
        params = t5.initial_parameters(shape, jax.random.key(0))
        params = jax.tree_util.tree_map_with_path(
            lambda path, x: 5 * x if "rel_embedding" in str(path) else x, params
        )
        if shape.scan_layers:
            params = walk.stacked(params, jnp.stack)
        mesh = sharding.make_mesh(devices=jax.devices()[:1])
        return LoadedModel(shape, params, mesh, 0, "f", "here")

    return loaded


def captured(model, module, name):
    """What `name` returned in every layer, as the network itself computes it."""
    ids = np.int32([IDS])
    _, kept = t5.T5(model.config).apply(
        {"params": model.params},
        ids,
        ids,
        capture_intermediates=lambda m, _: m.name in ("key", "value", "pre_mlp"),
        mutable=["intermediates"],
    )
    kept = kept["intermediates"][module]
    layers = sorted(layer for layer in kept if layer.startswith("layers_"))
    return np.stack(
        [
            np.stack([kept[x][name][kind]["__call__"][0][0] for kind in KINDS])
            for x in layers
        ]
    )


KINDS = ("key", "value")


def test_keys_and_values_are_those_that_the_network_computes(make):
    model = make()
    found = harvest.reader(model)(IDS)
    for site, module, name in (
        ("enc_self", "encoder", "attention"),
        ("dec_self", "decoder", "self_attention"),
        ("cross", "decoder", "encoder_decoder_attention"),
    ):
        wanted = captured(model, module, name)
        np.testing.assert_allclose(getattr(found, site), wanted, atol=1e-5)
    embedding = model.params["token_embedder"]["embedding"]
    np.testing.assert_array_equal(found.enc_hidden[0], embedding[np.asarray(IDS)])
    assert found.enc_hidden.shape == (2, 4, 32)


@pytest.mark.parametrize("options", [{}, {"relpos_in_every_layer": True}], ids=str)
def test_layers_that_stand_together_are_read_the_same(options, make):
    apart, together = (make(scan_layers=scans, **options) for scans in (False, True))
    found, wanted = (harvest.reader(model)(IDS) for model in (together, apart))
    for site, array in sites(wanted).items():
        assert array.dtype == np.float32
        np.testing.assert_allclose(getattr(found, site), array, atol=1e-5)


def test_with_weights_over_several_devices_it_is_read_the_same(make):
    model = make()
    mesh = sharding.make_mesh(2, jax.devices()[:4])
    shapes, axes = t5.parameter_shapes(model.config)
    places = sharding.parameter_shardings(shapes, axes, mesh)
    split = dataclasses.replace(
        model, params=jax.device_put(model.params, places), mesh=mesh
    )
    with sharding.on_mesh(mesh):
        found = harvest.reader(split)(IDS)
    for site, array in sites(harvest.reader(model)(IDS)).items():
        np.testing.assert_allclose(getattr(found, site), array, atol=1e-5)


def logits(model, inputs, targets, prompt=None):
    variables = {"params": model.params}
    return t5.T5(model.config).apply(variables, inputs, targets, prompt=prompt)


def test_a_decoder_reads_a_contiguous_harvest_as_the_text_itself(make):
    """The text is written first, to an input of that text; then what is asked."""
    model = make()
    ids, targets = np.int32([IDS]), TARGETS[:1]
    found = harvest.reader(model)(IDS)
    whole = logits(model, ids, np.concatenate([ids, targets], axis=1))[:, len(IDS) :]
    for bias, is_same in (("contiguous", True), ("zero", False)):
        prompt = PromptBundle(dec_self=found.dec_self, bias_mode=bias)
        difference = np.abs(logits(model, ids, targets, prompt) - whole).max()
        assert (difference < 1e-4) == is_same


def around(model, source, **more):
    made = init.Surroundings(
        length=source.length,
        model=model.config,
        vocab_size=128,
        rng=np.random.default_rng(0),
        embed=lambda ids: np.asarray(
            model.params["token_embedder"]["embedding"][np.asarray(ids)]
        ),
        encode=lambda text: IDS[: len(text.split())],
        labels=(),
        identity={},
        kind=shape_of(source),
        activations=harvest.reader(model),
    )
    return dataclasses.replace(made, **more)


@pytest.mark.parametrize(
    "make_source",
    [
        lambda model: DeepKV(4, model, bias_mode="contiguous"),
        lambda model: DeepKV(4, model, layers="1:"),
        lambda model: DeepKV(4, model, sites=["cross"]),
        lambda model: PrefixMLP(4, model, width=16, bias_mode="contiguous"),
        lambda model: DeepPrompt(4, model),
        lambda model: SoftPrompt(4, model),
    ],
    ids=["contiguous", "some layers", "one site", "MLP", "in every layer", "soft"],
)
def test_every_kind_begins_at_what_the_model_makes_of_a_text(make_source, make):
    model = make()
    source = make_source(model.config)
    start = init.harvested(around(model, source), text="a b c d")
    bundle = source.apply(
        {"params": source.parameters_of(start, np.random.default_rng(0))}
    )
    assert modes(bundle) == modes(start)
    read = harvest.reader(model)(IDS)
    read = read.replace(
        enc_input=model.params["token_embedder"]["embedding"][np.asarray(IDS)]
    )
    inside = slice(1, None) if bundle.layers else slice(None)
    for site, array in sites(bundle).items():
        wanted = getattr(read, site)
        np.testing.assert_allclose(array[inside], wanted[inside], atol=1e-4)


def test_added_vectors_begin_as_the_soft_prompt_of_the_text(make):
    model = make()
    source = DeepPrompt(4, model.config, mode="add")
    start = init.harvested(around(model, source), text="a b c d")
    soft = init.harvested(around(model, SoftPrompt(4, model.config)), text="a b c d")
    np.testing.assert_allclose(
        logits(model, INPUTS, TARGETS, start),
        logits(model, INPUTS, TARGETS, soft),
        atol=1e-5,
    )


def test_sampled_vocabulary_stands_after_a_shorter_text(make):
    model = make()
    source = DeepKV(6, model.config, bias_mode="contiguous")
    read = []

    def listen(ids):
        read.append(list(ids))
        return harvest.reader(model)(ids)

    place = around(model, source, activations=listen)
    found = init.harvested(place, text="a b")
    assert found.dec_self.shape == (3, 2, 6, 24)
    assert read[0][:2] == IDS[:2] and len(set(read[0])) == len(read[0]) == 6
    with pytest.raises(InputError, match="4 pieces, the prompt 3 vectors.*PROMPT_LEN"):
        init.harvested(around(model, DeepKV(3, model.config)), text="a b c d")


def entries_of(*starts):
    return bank.entries(("a",), Prompts(4, list(starts), [0]))


def test_a_bank_begins_where_its_starts_say(make):
    model = make()
    source = DeepKV(4, model.config)
    given = {(4, ()): source}, model, lambda text: IDS

    def harvested(around):
        return init.harvested(around, text="x")

    drawn, read = begun.starting_values(entries_of(init.drawn, harvested), *given)
    assert abs(drawn["enc_self"].std() - 0.02) < 0.003
    wanted = harvest.reader(model)(IDS).enc_self
    np.testing.assert_array_equal(read["enc_self"], wanted)


def test_a_start_of_another_kind_is_refused_before_there_is_a_model(config, tmp_path):
    from spot_jax.prompts import files

    path = str(tmp_path / "soft.safetensors")
    vectors = np.ones((4, 32), np.float32)
    files.write(path, PromptBundle(enc_input=vectors), {"model": {"fingerprint": "f"}})
    of_file = lambda around: init.from_file(around, path=path)  # noqa: E731
    asks = lambda around: init.harvested(around, text="x")  # noqa: E731

    def check(kind, *starts):
        sources = {(4, ()): kind(4, config)}
        begun.check_starts(entries_of(*starts), sources, config, lambda text: IDS)

    check(DeepKV, init.drawn, asks)
    check(SoftPrompt, init.sampled_vocabulary, of_file)
    with pytest.raises(InputError, match="P-Tuning v2 is enc_self and dec_self, and"):
        check(DeepKV, asks, of_file)
    narrow = dataclasses.replace(config, d_model=16)
    sources = {(4, ()): SoftPrompt(4, narrow)}
    with pytest.raises(InputError, match="does not fit: its enc_input"):
        begun.check_starts(entries_of(of_file), sources, narrow, lambda text: IDS)
