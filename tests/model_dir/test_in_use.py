"""A folder that one process uses."""

import errno
import shutil
import subprocess
import sys

import pytest

from spot_jax.errors import InputError
from spot_jax.model_dir import in_use, storage
from tests import runs


@pytest.mark.parametrize("said", [None, "process 1 on another machine"])
def test_one_alone_uses_a_folder_and_sees_when_it_goes(said, tmp_path):
    if said:
        # Of a process that was killed.
        (tmp_path / ".lock").write_text(said)
    with in_use.alone_in(tmp_path, "--dir") as check_still_there:
        check_still_there()
        with pytest.raises(InputError, match=r"--dir .* is in use by process \d+ on"):
            with in_use.alone_in(tmp_path, "--dir"):
                pass
        (tmp_path / ".lock").unlink()
        with pytest.raises(InputError, match="--dir .* was removed or replaced"):
            check_still_there()
        # By another process, which begins anew.
        (tmp_path / ".lock").touch()
        with pytest.raises(InputError, match="--dir .* was removed or replaced"):
            check_still_there()
    with in_use.alone_in(tmp_path, "--dir"):
        pass
    assert (tmp_path / ".lock").read_text() == ""


HOLDER = """
import pathlib, sys, time
from spot_jax.model_dir import in_use
with in_use.alone_in(pathlib.Path(sys.argv[1]), "MODEL_DIR"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_process_is_named_and_its_lock_dies_with_it(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        env=runs.environment(),
        cwd=runs.ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    told = f"MODEL_DIR {tmp_path} is in use by process {holder.pid} on .*, since 20"
    with pytest.raises(InputError, match=told):
        with in_use.alone_in(tmp_path, "MODEL_DIR"):
            pass
    holder.kill()
    assert holder.wait(10) == -9
    with in_use.alone_in(tmp_path, "MODEL_DIR"):
        pass


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch, caplog):
    def none(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(in_use.fcntl, "flock", none)
    with in_use.alone_in(tmp_path, "--dir") as check_still_there:
        check_still_there()
    assert "without locks: let no other process use it" in caplog.text
    assert storage.leftovers(tmp_path) == []


def test_of_processes_that_share_a_run_the_first_alone_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(in_use.jax, "process_index", lambda: 1)
    for _ in range(2):
        with in_use.alone_in(tmp_path, "--dir") as check_still_there:
            check_still_there()
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_for_want_of_the_folder_is_told_as_that(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with pytest.raises(InputError, match="was removed or replaced while"):
        with in_use.alone_in(folder, "MODEL_DIR"):
            shutil.rmtree(folder)
            raise storage.WriteError(folder / "x", OSError(2, "No such file"))
