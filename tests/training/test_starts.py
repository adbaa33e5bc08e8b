"""Where prompts begin, in any bank, and what is refused before there is a model."""

import jax
import numpy as np
import pytest

from spot_jax.errors import InputError
from spot_jax.model import sharding
from spot_jax.model.weights import LoadedModel
from spot_jax.prompts import init
from spot_jax.prompts.deep_kv import DeepKV
from spot_jax.prompts.prefix_mlp import PrefixMLP
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.settings import Prompts
from spot_jax.training import bank, starts


@pytest.mark.parametrize(
    ("kind", "start", "words"),
    [
        (SoftPrompt, init.drawn, "enc_input alone; this start has nothing"),
        (DeepKV, init.class_labels, "P-Tuning v2 is enc_self and dec_self, and the"),
        (PrefixMLP, init.sampled_vocabulary, "it is of another kind"),
    ],
)
def test_a_start_of_another_kind_is_refused_before_the_model_is_loaded(
    kind, start, words, tiny_config
):
    entry = bank.Entry("a", "rte", 0, start, 4)
    sources = {entry.shape: kind(4, tiny_config)}
    with pytest.raises(InputError, match=words):
        starts.check_starts([entry], sources, tiny_config, lambda text: [len(text)])


def test_a_starting_value_does_not_depend_on_the_bank(tiny_config, tiny_params):
    mesh = sharding.make_mesh()
    model = LoadedModel(tiny_config, tiny_params, mesh, 0, "f", "here")
    prompts = Prompts([5, 7], init.sampled_vocabulary, [0, 1])
    source = SoftPrompt(5, tiny_config)
    sources = {(5, ()): source, (7, ()): SoftPrompt(7, tiny_config)}
    shared = sources, model, lambda text: [3]
    together = starts.starting_values(bank.entries(("a", "b"), prompts), *shared)
    together = [start["enc_input"] for start in together]
    assert [start.shape for start in together] == [(5, 32), (7, 32)] * 4
    own = bank.entries(("b",), Prompts(5, init.sampled_vocabulary, 1))
    alone = starts.starting_values(own, *shared)[0]["enc_input"]
    np.testing.assert_array_equal(together[6], alone)
    assert np.abs(together[4] - together[6]).max() > 0
    embedding = np.asarray(jax.device_get(tiny_params["token_embedder"]["embedding"]))
    for vector in alone:
        assert (embedding == vector).all(axis=1).any()
