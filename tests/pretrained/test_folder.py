"""Paths, urls and names lead to folders; a bucket is read without credentials."""

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from spot_jax import pretrained
from spot_jax.pretrained.folder import Folder, find
from spot_jax.pretrained.save import save_t5x


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("t5_1_1_small", "t5_1_1_small/checkpoint_1000000"),
        ("t5_1_1_xxl", "t5_1_1_xxl/checkpoint_1000000"),
        ("t5_1_1_lm100k_base", "t5_1_1_lm100k_base/checkpoint_1100000"),
    ],
)
def test_published_names_stand_for_their_urls(name, url):
    whole = f"gs://t5-data/pretrained_models/t5x/{url}"
    assert pretrained.PUBLISHED[name] == whole
    assert find(name) == (Folder(whole), None)


def test_all_sizes_are_published():
    assert len(pretrained.PUBLISHED) == 10


def test_a_folder_on_the_disk_wins_over_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t5_1_1_small").mkdir()
    assert find("t5_1_1_small") == (Folder(f"{tmp_path}/t5_1_1_small"), None)


def test_the_index_file_may_be_named(tmp_path):
    (tmp_path / "checkpoint").write_text("")
    assert find(f"{tmp_path}/checkpoint") == (Folder(str(tmp_path)), "checkpoint")
    assert find("gs://b/c_1/checkpoint") == (Folder("gs://b/c_1"), "checkpoint")


@pytest.mark.parametrize("name", ["google/t5-v1_1-base", "google/t5-xxl-lm-adapt"])
def test_hugging_face_names_are_folders_to_get(name):
    with pytest.raises(ValueError, match=f"hf download {name} --local-dir.*its path"):
        find(name)


def test_what_is_nothing_is_explained():
    with pytest.raises(ValueError, match="'t5_smal'.*t5_1_1_small.*t5_1_1_lm100k_xxl"):
        find("t5_smal")


def test_kvstores_of_folders():
    assert Folder("/a/b").kvstore("c") == {"driver": "file", "path": "/a/b/c/"}
    store = {"driver": "gcs", "bucket": "t5-data", "path": "a/b/"}
    assert Folder("gs://t5-data/a/b").kvstore() == store


@pytest.fixture
def anonymous(tmp_path, monkeypatch):
    """A machine that has no credentials and is not in Google's cloud."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
    # Nothing listens on port 9.
    monkeypatch.setenv("GCE_METADATA_ROOT", "127.0.0.1:9")


def test_a_native_checkpoint_in_a_bucket(
    bare_store, tmp_path, t5_tree, random_params, assert_same
):
    tree = t5_tree()
    params = random_params(tree)
    save_t5x(str(tmp_path / "run" / "checkpoint_5"), params, step=5)
    bare_store.put_all(tmp_path, "gs://bucket")
    loaded = pretrained.load("gs://bucket/run/checkpoint_5", tree)
    assert_same(loaded.params, params)
    assert (loaded.step, loaded.source) == (5, "gs://bucket/run/checkpoint_5")
    assert len(bare_store.requests) > len(params)
    assert {authorization for _, _, authorization in bare_store.requests} == {None}


def test_an_orbax_checkpoint_in_a_bucket(bare_store, tmp_path):
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    tree = {"target": {"w": values}, "state": {"step": np.int32(9)}}
    with ocp.PyTreeCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "c" / "state", tree)
    bare_store.put_all(tmp_path, "gs://bucket")
    leaf = jax.ShapeDtypeStruct((3, 4), np.float32)
    loaded = pretrained.load("gs://bucket/c", {"w": leaf})
    np.testing.assert_array_equal(loaded.params["w"], values)
    assert loaded.step == 9


def test_a_model_dir_in_a_bucket_lists_its_checkpoints(
    bare_store, tmp_path, t5_tree, random_params
):
    params = random_params(t5_tree())
    save_t5x(str(tmp_path / "run" / "checkpoint_5"), params, step=5)
    bare_store.put_all(tmp_path, "gs://bucket")
    with pytest.raises(ValueError, match="for example gs://bucket/run/checkpoint_5"):
        pretrained.load("gs://bucket/run", t5_tree())


def test_an_empty_url_in_a_bucket_holds_nothing(bare_store, t5_tree):
    with pytest.raises(ValueError, match="gs://bucket/run holds no checkpoint"):
        pretrained.load("gs://bucket/run/", t5_tree())


def test_a_hugging_face_folder_in_a_bucket_is_to_be_copied(bare_store, t5_tree):
    bare_store.put("gs://bucket/folder/config.json", b"{}")
    with pytest.raises(
        ValueError, match="gcloud storage cp --recursive gs://bucket/fo"
    ):
        pretrained.load("gs://bucket/folder", t5_tree())


def test_a_bucket_that_does_not_answer_is_an_error_within_seconds(
    anonymous, monkeypatch, t5_tree
):
    monkeypatch.setenv("TENSORSTORE_GCS_HTTP_URL", "http://127.0.0.1:9")
    name = "t5_1_1_lm100k_small"
    with pytest.raises(ValueError, match="Check the url and the network") as error:
        pretrained.load(name, t5_tree())
    assert pretrained.PUBLISHED[name] in str(error.value)
