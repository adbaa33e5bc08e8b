"""Files of other programs: numpy's are read, and what others are is said."""

import io
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest

from spot_jax.errors import InputError
from spot_jax.prompts import files, foreign

PROMPT = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)


class Opened:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def zipped(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), data)
    return path


def saved(array, **options) -> bytes:
    data = io.BytesIO()
    np.save(data, array, **options)
    return data.getvalue()


# What a file holds, and what is said of it.
KINDS = {
    "a pickle": (pickle.dumps(PROMPT), "is a pickle.*numpy.save"),
    "an old pickle": (pickle.dumps(PROMPT, protocol=2), "is a pickle.*numpy.save"),
    "objects": (saved(np.array([{}], object)), "holds Python objects, a pickle"),
    "a saved dict": (saved({"prompt": PROMPT}), "holds Python objects, a pickle"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha", "git lfs pull"),
    "gzip": (b"\x1f\x8b\x08\0" + bytes(99), "compressed by gzip.*gunzip"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "is an HDF5 file.*numpy.save"),
    "a page": (b"\n<!DOCTYPE html><html>404", "a page of the web.*Download"),
    "text": (b"the prompt is in the other folder", "neither a numpy nor a safetensors"),
    "nothing": (b"", "neither a numpy nor a safetensors"),
    "a cut archive": (b"PK\3\4" + bytes(50), "neither a numpy nor a safetensors"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_prompt_is_called_what_it_is(kind, tmp_path):
    data, words = KINDS[kind]
    path = tmp_path / "prompt"
    path.write_bytes(data)
    with pytest.raises(InputError, match=words) as error:
        files.read(path)
    assert str(path) in str(error.value)


def test_archives_of_others_are_called_what_they_are(tmp_path):
    torch = zipped(tmp_path / "a.pt", archive__data_dot_pkl=pickle.dumps({}))
    with pytest.raises(
        InputError, match="a file of PyTorch, with a pickle.*numpy.save"
    ):
        files.read(torch)
    other = zipped(tmp_path / "a.zip", readme_dot_txt=b"hello")
    with pytest.raises(InputError, match="a zip archive and no .npz.*Unpack"):
        files.read(other)


def test_no_file_runs_what_is_pickled_in_it(tmp_path):
    made = tmp_path / "made"
    evil = np.array([Opened(made)], object)
    data = saved(evil, allow_pickle=True)
    (tmp_path / "a.npy").write_bytes(data)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Opened(made)))
    zipped(tmp_path / "a.npz", a_dot_npy=data)
    zipped(tmp_path / "a.pt", archive__data_dot_pkl=pickle.dumps(Opened(made)))
    for name in ("a.npy", "a.pkl", "a.npz", "a.pt"):
        with pytest.raises(InputError, match="can run code when it is read"):
            files.read(tmp_path / name)
    assert not made.exists()
    pickle.loads((tmp_path / "a.pkl").read_bytes())
    assert made.exists()


def test_the_one_array_of_an_npz_is_a_prompt(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", PROMPT)
    np.testing.assert_array_equal(
        files.read(tmp_path / "a.npz").bundle.enc_input, PROMPT
    )


def test_of_several_arrays_each_is_a_prompt_with_its_name(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, **{name: PROMPT * n for n, name in enumerate("zab", 1)})
    found = files.read_all(path)
    assert [saved.array for saved in found] == ["z", "a", "b"]
    np.testing.assert_array_equal(found[1].bundle.enc_input, 2 * PROMPT)
    with pytest.raises(InputError, match="holds 3 prompts: z, a, b.*library add DIR"):
        files.read(path)


@pytest.fixture
def inflated(monkeypatch):
    """How many bytes were unpacked, call by call."""
    counted = []
    inflate = zipfile.ZipExtFile.read

    def read(self, *given):
        counted.append(0)
        data = inflate(self, *given)
        counted[-1] = len(data)
        return data

    monkeypatch.setattr(zipfile.ZipExtFile, "read", read)
    return counted


def zeros(path, sizes: dict[str, int], said: int | None = None):
    """Writes arrays of zeros, of which the archive may say that they are smaller."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, size in sizes.items():
            vectors = saved(np.zeros((size // 16, 4), np.float32))
            archive.writestr(f"{name}.npy", vectors)
            if said is not None:
                archive.getinfo(f"{name}.npy").file_size = said
    return path


@pytest.mark.parametrize("sizes", [{"a": 2**22}, dict.fromkeys("abcd", 2**20)])
def test_more_than_prompts_are_is_refused_before_it_is_unpacked(
    sizes, tmp_path, monkeypatch, inflated
):
    monkeypatch.setattr(foreign, "_MOST_BYTES", 2**22)
    path = zeros(tmp_path / "a.npz", sizes)
    assert path.stat().st_size < 2**16
    with pytest.raises(
        InputError, match="a.npz unpacks to 4,19.,... bytes.*numpy.save"
    ):
        files.read_all(path)
    assert not inflated
    zeros(path, {name: size // 2 for name, size in sizes.items()})
    assert len(files.read_all(path)) == len(sizes)


@pytest.mark.parametrize("said", [0, 40, 1000])
def test_no_more_is_unpacked_than_the_archive_says(said, tmp_path, inflated):
    path = zeros(tmp_path / "a.npz", {"a": 2**24}, said)
    tracemalloc.start()
    with pytest.raises(InputError, match="damaged"):
        files.read(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(inflated) <= said and most < 2**21


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_numpy_does_not_compress_is_not_unpacked(kind, tmp_path, inflated):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", kind) as archive:
        archive.writestr("a.npy", saved(PROMPT))
    with pytest.raises(InputError, match="numpy does not compress in this way"):
        files.read(tmp_path / "a.npz")
    assert not inflated


def test_a_shape_beyond_all_memory_is_damage(tmp_path):
    data = saved(PROMPT).replace(b"(5, 4), }          ", b"(5000000000, 4), } ")
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(InputError, match="damaged .* no array of shape"):
        files.read(tmp_path / "a.npy")
