"""A prompt is saved, loaded, exported and compared whole."""

import numpy as np
import pytest

import spot_jax
from spot_jax.errors import InputError
from spot_jax.prompts import algebra
from spot_jax.retrieval.similarity import average_tokens
from tests.bundles import assert_same, soft


def test_it_is_read_as_it_was_saved_with_its_early_prompt(prompts, tmp_path):
    prompts[0].save(tmp_path / "mood.safetensors")
    found = spot_jax.Prompt.load(tmp_path / "mood.safetensors")
    assert_same(found.bundle, prompts[0].bundle)
    assert_same(found.early.bundle, prompts[0].early.bundle)
    assert found.story == prompts[0].story
    assert (found.name, len(found), found.score) == ("mood-seed0", 4, prompts[0].score)
    assert repr(found).startswith("<Prompt mood-seed0: 4 vectors, accuracy ")


def test_an_early_prompt_of_another_is_not_taken_over(prompts, tmp_path):
    prompts[0].save(tmp_path / "mood.safetensors")
    early = (tmp_path / "mood.embedding.safetensors").read_bytes()
    alone = spot_jax.Prompt(prompts[1].bundle, prompts[1].story)
    alone.save(tmp_path / "mood.safetensors")
    assert spot_jax.Prompt.load(tmp_path / "mood.safetensors").early is None
    (tmp_path / "mood.embedding.safetensors").write_bytes(early)
    with pytest.raises(InputError, match="no early prompt of"):
        spot_jax.Prompt.load(tmp_path / "mood.safetensors")


@pytest.mark.parametrize("format", ["peft", "npy"])
def test_what_is_exported_is_read_again(prompts, format, tmp_path):
    prompts[0].export(tmp_path / "out", format)
    found = spot_jax.Prompt.load(tmp_path / "out")
    assert_same(found.bundle, prompts[0].bundle)
    with pytest.raises(InputError, match="there already"):
        prompts[0].export(tmp_path / "out", format)
    with pytest.raises(InputError, match="npy or peft"):
        prompts[0].export(tmp_path / "other", "onnx")


def test_another_ending_is_no_prompt_file(prompts, tmp_path):
    with pytest.raises(InputError, match="ends in .safetensors"):
        prompts[0].save(tmp_path / "mood.npy")


def test_cosines_of_embeddings_are_the_measure(prompts):
    p, q = (spot_jax.embed(prompt) for prompt in prompts)
    assert p.shape == (64,)
    cosine = p @ q / np.linalg.norm(p) / np.linalg.norm(q)
    wanted = average_tokens([prompts[0].early.bundle], [prompts[1].early.bundle])
    np.testing.assert_allclose(cosine, wanted[0, 0], rtol=1e-5)


def test_a_prompt_without_an_early_one_stands_for_itself():
    prompt = spot_jax.Prompt(soft([[1.0, 2.0], [3.0, 4.0]]), {})
    np.testing.assert_array_equal(spot_jax.embed(prompt), [2.0, 3.0])
    assert prompt.name == "prompt" and not algebra.has_zeros(prompt.bundle)
