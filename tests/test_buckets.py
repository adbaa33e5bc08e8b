"""Paths of gs://: told from those of a disk in one place, and doing the same."""

import os
import pathlib
import sys

import pytest

from spot_jax import buckets
from spot_jax.errors import InputError
from spot_jax.reading import as_path, in_full, is_file, path_of, read_bytes, read_text


def test_a_path_in_a_bucket_keeps_its_two_slashes(store):
    run = path_of("gs://bucket/run")
    assert str(run) == os.fspath(run) == f"{run}" == "gs://bucket/run"
    assert str(run / "prompts" / "a") == "gs://bucket/run/prompts/a"
    assert str((run / "a").parent) == str(run.absolute()) == str(run.resolve())
    assert str(run.with_name("b")) == "gs://bucket/b"
    assert type(run / "a") is type(run.parent) is type(run) is type(path_of(run))
    assert str((run / "a" / "b").relative_to(run)) == "a/b"
    assert in_full("gs://bucket/run") == "gs://bucket/run"
    assert in_full("run") == str(pathlib.Path("run").absolute())
    assert buckets.is_inside(run) and not buckets.is_inside("run")


def test_what_is_not_of_a_bucket_is_a_path_of_this_machine(tmp_path):
    assert type(path_of(str(tmp_path))) is type(as_path("a")) is type(tmp_path)


def test_objects_are_written_read_listed_and_deleted(store):
    folder = path_of("gs://bucket/a b/ü[1]")
    file = folder / "inside" / "x.txt"
    assert not folder.exists() and not folder.is_dir() and not file.exists()
    assert list(folder.glob("*")) == []
    with pytest.raises(FileNotFoundError):
        file.read_bytes()
    # Folders are what is in them.
    assert list(folder.iterdir()) == []
    file.write_bytes(b"one\r\ntwo\0")
    (folder / "x.txt").write_bytes(b"")
    assert store.names("gs://bucket/a b/ü[1]") == ["inside/x.txt", "x.txt"]
    assert file.read_bytes() == b"one\r\ntwo\0" and file.read_bytes(3) == b"one"
    assert file.is_file() and not file.is_dir() and is_file(str(file))
    assert folder.is_dir() and not folder.is_file() and not is_file(str(folder))
    assert sorted(path.name for path in folder.iterdir()) == ["inside", "x.txt"]
    assert [str(path) for path in folder.glob("*.txt")] == [f"{folder}/x.txt"]
    assert list(folder.glob("*/x.*")) == [file]
    assert list(file.glob("*")) == []
    assert file.stat().st_size == 9 and file.stat().st_mtime_ns > 0
    assert file.samefile(str(file)) and not file.samefile(folder)
    file.unlink()
    file.unlink(missing_ok=True)
    assert not (folder / "inside").exists()
    folder.rmtree()
    assert store.names("gs://bucket") == []


def test_of_two_that_create_an_object_one_does(store):
    file = path_of("gs://bucket/once")
    file.create_bytes(b"first")
    with pytest.raises(FileExistsError):
        file.create_bytes(b"second")
    assert file.read_bytes() == b"first"


@pytest.mark.parametrize("size", [0, 3, 2**20 + 1, 51 * 2**20])
def test_files_go_there_and_back_whatever_their_size(size, store, tmp_path):
    data, file = os.urandom(size), path_of("gs://bucket/large")
    (tmp_path / "here").write_bytes(data)
    file.fill_from(tmp_path / "here")
    file.copy_to(tmp_path / "back")
    assert store.get(str(file)) == (tmp_path / "back").read_bytes() == data
    file.write_bytes(data + b"!")
    assert file.read_bytes() == data + b"!"


def test_what_others_write_is_seen(store):
    folder = path_of("gs://bucket/run")
    (folder / "one").write_bytes(b"1")
    assert [path.name for path in folder.iterdir()] == ["one"]
    store.put("gs://bucket/run/two", b"2")
    assert [path.name for path in folder.iterdir()] == ["one", "two"]
    assert (folder / "two").exists()


def test_a_listing_has_pages(store):
    for number in range(1003):
        store.put(f"gs://bucket/many/{number:04}", b"")
    assert len(list(path_of("gs://bucket/many").iterdir())) == 1003


def test_a_folder_that_the_console_made_is_empty(store):
    store.put("gs://bucket/made/", b"")
    assert list(path_of("gs://bucket/made").iterdir()) == []


def test_a_public_bucket_is_read_without_credentials(store):
    store.put("gs://bucket/a.txt", "höre".encode())
    assert read_text("gs://bucket/a.txt", "") == "höre"
    assert {authorization for _, _, authorization in store.requests} == {None}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gs:/bucket/run", "a bucket is written gs://BUCKET/FOLDER"),
        ("gs://", "write gs://BUCKET/FOLDER"),
        ("gs://Bucket/run", "lower-case letters"),
        ("gs://bucket/run/../other", r"without \. and \.\."),
        ("gs://nowhere/run", "There is no bucket gs://nowhere. Look at its name, or"),
    ],
)
def test_what_names_no_bucket_is_told(text, told, store):
    with pytest.raises(InputError, match=told):
        path_of(text)


@pytest.mark.parametrize("status", [401, 403])
def test_a_bucket_of_others_is_told_with_the_way_in(status, store):
    store.make("theirs")
    store.refuses["theirs", "read"] = status
    with pytest.raises(InputError) as error:
        path_of("gs://theirs/run")
    assert str(error.value).startswith(
        "gs://theirs may not be read (nobody is logged in here: Anonymous caller does "
    )
    assert "Log in (gcloud auth application-default login), or" in str(error.value)
    assert "Traceback" not in str(error.value)


def test_what_a_bucket_refuses_later_has_the_reason_of_a_disk(store):
    store.make("lent")
    file = path_of("gs://lent/file")
    store.refuses["lent", "read"] = 403
    with pytest.raises(PermissionError) as error:
        file.exists()
    assert "nobody is logged in here" in error.value.strerror
    assert error.value.filename == "gs://lent/file"
    with pytest.raises(InputError, match=r"gs://lent/file cannot be read \(nobody is"):
        read_bytes(file, "Log in.")


def test_a_bucket_that_does_not_answer_is_told_in_seconds(store, monkeypatch, caplog):
    from spot_jax.buckets import path

    # Nothing listens there.
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    monkeypatch.setattr(path, "_ANSWERS", 1)
    with pytest.raises(
        InputError, match="gs://far cannot be reached .*Look at the net"
    ):
        path_of("gs://far/run")
    assert not caplog.records


def test_without_gcsfs_it_is_named_and_how_it_is_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(InputError, match=r"gcsfs, .*pip install 'spot_jax\[gcs\]'"):
        path_of("gs://bucket/run")
