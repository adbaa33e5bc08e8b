"""A library is asked from Python as `spot_jax transfer` asks it."""

import pytest

import spot_jax
from spot_jax import library_program
from spot_jax.errors import InputError
from tests import library_on_disk
from tests.bundles import assert_same


def test_prompts_go_in_and_come_out_with_all_that_is_known(model, prompts, tmp_path):
    kept = spot_jax.library(tmp_path / "library")
    assert kept.add(prompts[0]) == "mood-seed0"
    assert kept.add(prompts[1], "other") == "other"
    assert kept.add(prompts[0]) == "mood-seed0"
    assert list(kept) == kept.names() == ["mood-seed0", "other"]
    found = kept["mood-seed0"]
    assert_same(found.bundle, prompts[0].bundle)
    assert_same(found.early.bundle, prompts[0].early.bundle)
    # It knows its template and its labels still.
    texts = ["It was very dull ."]
    assert model.rank(texts, prompt=found) == model.rank(texts, prompt=prompts[0])
    of_file = tmp_path / "library/mood-seed0/prompt.safetensors"
    assert model.answer(texts, of_file) == model.answer(texts, prompts[0])


def test_a_run_is_added_whole(model, rows, tmp_path):
    given = dict(input="{text}", target="{label}", steps=1, length=2, batch_size=2)
    spot_jax.tune(model, rows, folder=tmp_path / "run", seed=[0, 1], **given)
    kept = spot_jax.library(tmp_path / "library")
    assert kept.add_run(tmp_path / "run") == ["rows-seed0", "rows-seed1"]
    library_program.main(["verify", str(tmp_path / "library")])


def test_the_most_similar_come_first_and_its_own_task_is_left_out(tmp_path):
    library_on_disk.small_library(tmp_path / "library")
    target = library_on_disk.write_target(tmp_path / "target.safetensors")
    kept = spot_jax.library(tmp_path / "library")
    found = kept.most_similar(tmp_path / "target.safetensors")
    assert [one.name for one in found] == [
        "mnli-seed0",
        "mnli-seed1",
        "qqp-seed0",
        "squad-seed0",
    ], target
    assert found[0].similarity == pytest.approx(0.985, abs=1e-3)
    assert_same(found[0].prompt.bundle, kept["mnli-seed0"].bundle)
    every = kept.most_similar(tmp_path / "target.safetensors", 1, include_own=True)
    assert [one.name for one in every] == ["rte-seed0"]


def test_what_cannot_be_asked_is_one_message(prompts, tmp_path):
    kept = spot_jax.library(tmp_path / "library")
    with pytest.raises(InputError, match="holds no prompts"):
        kept.most_similar(prompts[0])
    kept.add(prompts[0])
    with pytest.raises(InputError, match="k is 0"):
        kept.most_similar(prompts[0], 0)
    with pytest.raises(InputError, match="no measure 'euclid'"):
        kept.most_similar(prompts[0], measure="euclid")
    with pytest.raises(InputError, match="holds no prompt 'gone'"):
        kept["gone"]
