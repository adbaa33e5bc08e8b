"""What transformers calls a model that a prompt was trained for."""

import pytest

from spot_jax.pretrained.published import PUBLISHED
from spot_jax.pretrained.transformers_name import transformers_name


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("t5_1_1_base", "google/t5-v1_1-base"),
        ("t5_1_1_lm100k_xxl", "google/t5-xxl-lm-adapt"),
        (PUBLISHED["t5_1_1_lm100k_small"], "google/t5-small-lm-adapt"),
        ("google/flan-t5-base", "google/flan-t5-base"),
        ("google-t5/t5-small", "google-t5/t5-small"),
        # Nothing is fetched because a header says so.
        ("someone/t5", None),
        ("gs://bucket/checkpoint_1", None),
        ("random", None),
        ("", None),
        (None, None),
    ],
)
def test_names_that_are_published_have_one_there(source, name):
    assert transformers_name(source) == name


def test_a_folder_is_its_own_name_in_full(tmp_path, monkeypatch):
    (tmp_path / "t5").mkdir()
    assert transformers_name(str(tmp_path / "t5")) is None
    (tmp_path / "t5" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    for source in ("t5", tmp_path / "t5", tmp_path / "t5" / "model.safetensors"):
        assert transformers_name(str(source)) == str(tmp_path / "t5")
