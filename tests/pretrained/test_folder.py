"""Paths, urls and names lead to folders; a bucket is read without credentials."""

import http.server
import json
import re
import threading
import urllib.parse

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


class Bucket(http.server.BaseHTTPRequestHandler):
    """Serves a folder like the JSON API of Google Cloud Storage a public bucket."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and content in one packet
    root = None
    requests = []

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        type(self).requests.append((self.path, self.headers.get("Authorization")))
        query = urllib.parse.parse_qs(url.query)
        prefix = "/storage/v1/b/bucket/o"
        if url.path == prefix:
            start = query.get("prefix", [""])[0]
            files = (p for p in self.root.rglob("*") if p.is_file())
            names = sorted(str(p.relative_to(self.root)) for p in files)
            found = [name for name in names if name.startswith(start)]
            items = [{"name": name, "generation": "1", "size": "1"} for name in found]
            return self.answer(json.dumps({"items": items}).encode())
        name = urllib.parse.unquote(url.path.removeprefix(f"{prefix}/"))
        file = self.root / name
        if not url.path.startswith(prefix) or not file.is_file():
            return self.answer(b"{}", 404)
        if query["alt"] == ["json"]:
            return self.answer(b'{"name": "x", "generation": "1"}')
        return self.answer_part(file.read_bytes())

    def answer_part(self, content):
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not part:
            return self.answer(content)
        start, stop = int(part[1]), int(part[2] or len(content) - 1) + 1
        bounds = f"bytes {start}-{stop - 1}/{len(content)}"
        return self.answer(content[start:stop], 206, {"Content-Range": bounds})

    def answer(self, content, status=200, headers=()):
        self.send_response(status)
        for key, value in dict(headers).items():
            self.send_header(key, value)
        self.send_header("x-goog-generation", "1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def anonymous(tmp_path, monkeypatch):
    """A machine that has no credentials and is not in Google's cloud."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
    # Nothing listens on port 9.
    monkeypatch.setenv("GCE_METADATA_ROOT", "127.0.0.1:9")


@pytest.fixture
def bucket(tmp_path, monkeypatch, anonymous):
    """A public bucket with the files of tmp_path."""
    handler = type("Handler", (Bucket,), {"root": tmp_path, "requests": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("TENSORSTORE_GCS_HTTP_URL", url)
    yield handler
    server.shutdown()
    server.server_close()


def test_a_native_checkpoint_in_a_bucket(
    bucket, tmp_path, t5_tree, random_params, assert_same
):
    tree = t5_tree()
    params = random_params(tree)
    save_t5x(str(tmp_path / "run" / "checkpoint_5"), params, step=5)
    loaded = pretrained.load("gs://bucket/run/checkpoint_5", tree)
    assert_same(loaded.params, params)
    assert (loaded.step, loaded.source) == (5, "gs://bucket/run/checkpoint_5")
    assert len(bucket.requests) > len(params)
    assert {authorization for _, authorization in bucket.requests} == {None}


def test_an_orbax_checkpoint_in_a_bucket(bucket, tmp_path):
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    tree = {"target": {"w": values}, "state": {"step": np.int32(9)}}
    with ocp.PyTreeCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "c" / "state", tree)
    leaf = jax.ShapeDtypeStruct((3, 4), np.float32)
    loaded = pretrained.load("gs://bucket/c", {"w": leaf})
    np.testing.assert_array_equal(loaded.params["w"], values)
    assert loaded.step == 9


def test_a_model_dir_in_a_bucket_lists_its_checkpoints(
    bucket, tmp_path, t5_tree, random_params
):
    params = random_params(t5_tree())
    save_t5x(str(tmp_path / "run" / "checkpoint_5"), params, step=5)
    with pytest.raises(ValueError, match="for example gs://bucket/run/checkpoint_5"):
        pretrained.load("gs://bucket/run", t5_tree())


def test_an_empty_url_in_a_bucket_holds_nothing(bucket, t5_tree):
    with pytest.raises(ValueError, match="gs://bucket/run holds no checkpoint"):
        pretrained.load("gs://bucket/run/", t5_tree())


def test_a_hugging_face_folder_in_a_bucket_is_to_be_copied(bucket, tmp_path, t5_tree):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "config.json").write_text("{}")
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
