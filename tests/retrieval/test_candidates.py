"""What cannot be compared or chosen is refused before anything is written."""

import numpy as np
import pytest

from spot_jax import transfer
from spot_jax.prompts import entry as entry_folder
from spot_jax.prompts.library import Library
from tests import library_on_disk
from tests.bundles import soft
from tests.library_on_disk import MODEL, entry, towards, write_target


@pytest.fixture
def library(tmp_path):
    return library_on_disk.small_library(tmp_path / "library")


@pytest.fixture
def run(library, tmp_path):
    return library_on_disk.caller(library, tmp_path)


def unnamed(path):
    """Writes a target that is called like its file."""
    np.save(path.with_suffix(".npy"), towards(0))
    return path.with_suffix(".npy")


def bad_targets(tmp_path) -> dict:
    """Options that have to be refused, and what is said of them."""
    write = write_target
    nan = np.full((3, 4), np.nan)
    other = MODEL | {"fingerprint": "f" * 16}
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").write_bytes(b"\x08\0\0\0\0\0\0\0{broken}")
    (tmp_path / "columns.csv").write_text("name,score\nmnli-seed0,3\n")
    (tmp_path / "who.csv").write_text("source,score\nmnli,3\n")
    (tmp_path / "what.csv").write_text("source,score\nmnli-seed0,nan\n")
    (tmp_path / "score.csv").write_text("source,score\nmnli-seed0,1_0\n")
    (tmp_path / "none.csv").write_text("source,score\n")
    (tmp_path / "own.csv").write_text("source,score\nrte-seed0,3\n")
    best = {"method": "best", "k": 1}
    oracle = {"method": "oracle"}
    return {
        "k is 0": (best | {"k": 0}, "at least 1 source"),
        "k is negative": (best | {"k": -3}, "at least 1 source"),
        "k is large": (best | {"k": 5}, "4 prompts can be ranked for rte-seed1"),
        "no target": ({"method": "average", "k": 1, "target": None}, "needs --target"),
        "useless": ({"method": "single", "source": "a", "k": 1}, "no use for --k"),
        "no file": (best | {"target": tmp_path / "nothing"}, "There is no prompt file"),
        "no embedding": (best | {"target": tmp_path / "empty"}, "has no embedding"),
        "damaged": (best | {"target": tmp_path / "damaged"}, "damaged"),
        "not finite": (best | {"target": write(tmp_path / "a", nan)}, "not finite"),
        "zero": (best | {"target": write(tmp_path / "b", 0 * nan[:0])}, "at least one"),
        "zeros": (
            best | {"target": write(tmp_path / "c", np.zeros((3, 4)))},
            "vector of zeros",
        ),
        "best": (
            best | {"target": write(tmp_path / "d", kind="best")},
            "is the best prompt of its run.*embedding.safetensors",
        ),
        "model": (
            best | {"target": write(tmp_path / "e", model=other)},
            "was trained for the frozen model ffff.*this one is 0123.*That is the lib",
        ),
        "width": (
            best | {"target": write(tmp_path / "f", towards(0, width=6))},
            r"enc_input \[3, 6\], the library's prompts are enc_input \[3, 4\]",
        ),
        "twice": (
            best | {"target": [write(tmp_path / n) for n in "gh"]},
            "Several targets are called rte-seed1",
        ),
        "name": (best | {"target": write(tmp_path / "i", name="../x")}, "slashes"),
        "file": (best | {"target": unnamed(tmp_path / "a\nimport os")}, "has a name"),
        "types": (
            best | {"target": write(tmp_path / "k", model=["t5"])},
            "The model in the header",
        ),
        "mixture of unknown": (
            {"method": "mixture", "k": 1, "target": write(tmp_path / "j", task=None)},
            "--target_task",
        ),
        "source": ({"method": "single", "source": "mnli"}, "no entry 'mnli'"),
        "scores": (oracle | {"scores": tmp_path / "x.csv"}, "x.csv cannot be read"),
        "columns": (oracle | {"scores": tmp_path / "columns.csv"}, "has the columns"),
        "who": (oracle | {"scores": tmp_path / "who.csv"}, "line 2: source 'mnli'"),
        "what": (oracle | {"scores": tmp_path / "what.csv"}, "a finite number"),
        "score": (oracle | {"scores": tmp_path / "score.csv"}, "a finite number"),
        "none": (oracle | {"scores": tmp_path / "none.csv"}, "no line below"),
        "own": (oracle | {"scores": tmp_path / "own.csv"}, "own task, rte"),
    }


def test_bad_input_is_one_message_and_nothing_is_written(run, tmp_path):
    for what, (options, message) in bad_targets(tmp_path).items():
        with pytest.raises(ValueError, match=f"(?s){message}"):
            run(**options)
        assert not (tmp_path / "out").exists(), what


def test_bad_libraries_are_one_message_and_nothing_is_written(
    run, library, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    target = tmp_path / "target" / "embedding.safetensors"
    flags = ["--target", str(target), "--method", "best", "--k", "1", "--out", str(out)]
    (tmp_path / "empty").mkdir()
    for folder in ("missing", "empty"):
        with pytest.raises(ValueError, match="spot_jax library add"):
            transfer.main([str(tmp_path / folder), *flags])
    few = Library(tmp_path / "few")
    for seed in range(7):
        few.add(entry(f"rte-seed{seed}", "rte"))
    names = ", ".join(f"rte-seed{seed}" for seed in range(7))
    why = (
        f"nothing to rank for rte-seed1. Each of these is of .* own task, rte: {names}"
    )
    with pytest.raises(ValueError, match=why):
        transfer.main([str(few.folder), *flags])
    # As earlier versions took them.
    monkeypatch.setattr(entry_folder, "check", lambda entry: None)
    none = Library(tmp_path / "none")
    none.add(entry("wic-seed0", "wic", prompt=soft(np.zeros((3, 4))), embedding=None))
    with pytest.raises(ValueError, match="nothing to rank .*no embedding, and .*: wic"):
        transfer.main([str(none.folder), *flags])
    zero = Library(tmp_path / "zero")
    zero.add(entry("wic-seed0", "wic", embedding=soft(np.zeros((3, 4)))))
    with pytest.raises(ValueError, match="wic-seed0 has a vector of zeros"):
        transfer.main([str(zero.folder), *flags])
    prompt = library.folder / "mnli-seed1" / "embedding.safetensors"
    prompt.write_bytes(prompt.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(ValueError, match="mnli-seed1"):
        run("best", k=1)
    assert not out.exists()
