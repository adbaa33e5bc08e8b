"""Writing: whole or not at all, and one message where it cannot be."""

import errno
import io
import os
import shutil

import pytest

from spot_jax.errors import InputError
from spot_jax.model_dir import logs, storage


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_cannot_be_written_is_an_input_error_with_path_and_cure(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        InputError, match=r"file/a cannot be written \(.*\)\. Mend"
    ) as e:
        storage.replace_text(tmp_path / "file" / "a", "text")
    # Who writes may catch it as what it is, and say more.
    assert isinstance(e.value, OSError)
    assert e.value.strerror in ("Not a directory", "File exists")
    with pytest.raises(storage.WriteError, match="file cannot be written"):
        storage.make_folder(tmp_path / "file")


def test_a_full_disk_keeps_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a"
    storage.replace_text(path, "old")
    monkeypatch.setattr(os, "fsync", full)
    for write in (storage.replace_file, storage.create_file):
        with pytest.raises(
            InputError, match="a cannot be written .No space.*Make room"
        ):
            write(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def fill_by_storage(folder):
    storage.replace_text(folder / "a", "text")


def fill_by_a_library(folder):
    full()


@pytest.mark.parametrize("fill", [fill_by_storage, fill_by_a_library])
def test_a_disk_that_is_full_while_a_folder_is_filled_names_the_folder(
    fill, tmp_path, monkeypatch
):
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"/new cannot be written \(No space left"):
        with storage.new_folder(tmp_path / "new") as folder:
            fill(folder)
    assert not list(tmp_path.iterdir())


def test_what_is_read_to_fill_a_folder_may_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        with storage.new_folder(tmp_path / "new"):
            open(tmp_path / "none")
    with pytest.raises(FileExistsError, match="is there already"):
        with storage.new_folder(tmp_path / "new"):
            (tmp_path / "new").mkdir()
            (tmp_path / "new" / "file").write_text("theirs")
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "file"]


def test_leftovers_are_those_of_this_storage_alone(tmp_path):
    ours = storage.beside(tmp_path / "a.txt")
    ours.write_text("half")
    for theirs in (".a.tmp", ".a.1-2.swp", "a.17-0123abcd.tmp", ".tmp"):
        (tmp_path / theirs).write_text("theirs")
    assert storage.leftovers(tmp_path) == [ours]
    assert storage.leftovers(tmp_path, of="b.txt") == []
    storage.remove_leftovers(tmp_path, tmp_path / "none", of="a.txt")
    assert storage.leftovers(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 4


def test_a_line_is_written_whole_though_a_disk_takes_it_in_parts(tmp_path, monkeypatch):
    lines = logs.Lines(tmp_path / "lines")

    class Parts(io.FileIO):
        def write(self, data):
            return super().write(data[:3])

    monkeypatch.setattr(lines, "_file", Parts(tmp_path / "lines", "ab"))
    lines.add("a longer line")
    lines.add("ü")
    lines.close()
    assert (tmp_path / "lines").read_text("utf-8") == "a longer line\nü\n"


def test_room_is_looked_for_before_a_library_writes(tmp_path, monkeypatch):
    storage.check_room(tmp_path, 1000)
    some = shutil.disk_usage(tmp_path)._replace(free=3_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: some)
    storage.check_room(tmp_path, 1_000_000)
    with pytest.raises(InputError, match=r"3\.0 MB are free, and 5\.0 are needed"):
        storage.check_room(tmp_path, 4_000_000)
