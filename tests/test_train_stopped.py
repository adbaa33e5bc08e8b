"""Runs that are stopped, meet a full disk, another run, or a folder that goes."""

import contextlib
import errno
import json
import os
import pathlib
import shutil

import numpy as np
import pytest

from spot_jax import interrupts
from spot_jax.errors import InputError
from spot_jax.model_dir import records
from spot_jax.prompts import files
from tests import runs

PROMPT = "prompts/demo_food-seed0"


@pytest.fixture(scope="module")
def whole(demo_model, tmp_path_factory):
    """A run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    runs.train(folder, demo_model)
    return folder


def assert_same(one, other):
    for kind in ("last", "best", "embedding"):
        first, second = (
            files.read(folder / PROMPT / f"{kind}.safetensors")
            for folder in (one, other)
        )
        np.testing.assert_array_equal(
            first.bundle.enc_input, second.bundle.enc_input, err_msg=kind
        )
        assert first.story["results"] == second.story["results"]


def stop_at(step: int):
    """Stands in for a signal that comes in a step."""

    @contextlib.contextmanager
    def answered():
        asked = iter(range(1, 100))
        yield lambda: next(asked) >= step
        raise SystemExit(143)

    return answered


# In steps where nothing, an embedding, an evaluation is due.
@pytest.mark.parametrize("step", [5, 6, 8])
def test_a_stopped_run_is_saved_and_goes_on_as_if_it_was_not(
    step, whole, demo_model, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(interrupts, "answered", stop_at(step))
    with caplog.at_level("INFO", "spot_jax"), pytest.raises(SystemExit) as stopped:
        runs.train(tmp_path, demo_model)
    assert stopped.value.code == 143
    told = f"Stopped at step {step} of 12; the same command continues."
    assert told in caplog.messages
    assert (tmp_path / f"checkpoints/step_{step}").is_dir()
    monkeypatch.undo()
    runs.train(tmp_path, demo_model)
    assert json.loads((tmp_path / "run.json").read_text())["resumed_at"] == step
    assert_same(whole, tmp_path)
    lines = records.read_metrics(tmp_path)
    evaluated = [line["step"] for line in lines if line["kind"] == "demo_food"]
    assert evaluated == [4, 8, 12]


@pytest.mark.parametrize("moment", ["start", "steps"])
def test_two_runs_in_one_folder_are_refused_by_name(
    moment, whole, demo_model, tmp_path, monkeypatch
):
    from spot_jax.training import prepare

    told = []

    def begin_another(*given):
        with pytest.raises(InputError) as error:
            runs.train(tmp_path, demo_model)
        told.append(str(error.value))
        return before(*given)

    room, name = (prepare, "load_model")
    if moment == "steps":
        room, name = (records.Metrics, "write")
    before = getattr(room, name)
    monkeypatch.setattr(room, name, begin_another)
    runs.train(tmp_path, demo_model)
    assert told[0].startswith(
        f"MODEL_DIR {tmp_path} is in use by process {os.getpid()} on "
    )
    assert "Wait until that ends, or choose another MODEL_DIR." in told[0]
    assert_same(whole, tmp_path)


def test_a_folder_that_is_removed_while_a_run_writes_is_told(
    demo_model, tmp_path, monkeypatch
):
    monkeypatch.setattr(interrupts, "answered", remove_at(7, tmp_path / "run"))
    with pytest.raises(InputError, match="MODEL_DIR .*run was removed or replaced"):
        runs.train(tmp_path / "run", demo_model)
    # Orbax may have been about to finish a checkpoint; nothing else is made again.
    assert not (tmp_path / "run" / "prompts").exists()


def remove_at(step: int, folder: pathlib.Path):
    @contextlib.contextmanager
    def answered():
        asked = iter(range(1, 100))

        def is_to_stop():
            if next(asked) == step:
                # At once, whatever is being written.
                folder.rename(folder.with_name("gone"))
            return False

        yield is_to_stop

    return answered


def test_a_folder_that_is_removed_at_the_very_end_is_told(
    demo_model, tmp_path, monkeypatch
):
    from spot_jax.training.checkpoint import Checkpoints

    close = Checkpoints.close

    def close_and_remove(checkpoints):
        close(checkpoints)
        shutil.rmtree(tmp_path / "run", ignore_errors=True)

    monkeypatch.setattr(Checkpoints, "close", close_and_remove)
    with pytest.raises(InputError, match="was removed or replaced"):
        runs.train(tmp_path / "run", demo_model)


def test_what_a_killed_run_left_is_removed(whole, demo_model, tmp_path):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    left = [
        tmp_path / PROMPT / ".best.safetensors.17-0123abcd.tmp",
        tmp_path / ".run.json.17-0123abcd.tmp",
        tmp_path / ".checkpoint_7.17-0123abcd.tmp/target",
    ]
    theirs = [tmp_path / ".note.tmp", tmp_path / PROMPT / "x.17-0123abcd.tmp"]
    left[-1].parent.mkdir()
    for path in (*left, *theirs):
        path.write_text("half")
    runs.train(tmp_path, demo_model)
    assert not [path for path in left if path.exists()]
    assert all(path.exists() for path in theirs)
    assert not left[-1].parent.exists()


class Full:
    """A disk that becomes full at the n-th sync; there is room again later."""

    def __init__(self, writes: int):
        self.left, self.sync = writes, os.fsync

    def __call__(self, descriptor):
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.sync(descriptor)


# Of config.gin, of the best prompt, of TensorBoard at the end.
@pytest.mark.parametrize("writes", [0, 3, 6])
def test_a_full_disk_is_one_message_and_the_run_goes_on_with_room(
    writes, whole, demo_model, tmp_path, monkeypatch, capfd
):
    monkeypatch.setattr(os, "fsync", Full(writes))
    with pytest.raises(InputError, match=r"/.* cannot be written \(No space left") as e:
        runs.train(tmp_path, demo_model)
    assert "Make room there and give the command again" in str(e.value)
    assert "Traceback" not in capfd.readouterr().err
    assert not [path for path in tmp_path.rglob("*") if "tmp" in path.name]
    monkeypatch.undo()
    runs.train(tmp_path, demo_model)
    assert_same(whole, tmp_path)
