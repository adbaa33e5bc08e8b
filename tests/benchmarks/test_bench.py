"""What was measured becomes a page and numbers, whatever of it there is."""

import importlib
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture(autouse=True)
def programs(monkeypatch):
    """Programs find each other, as they do where one is started."""
    monkeypatch.syspath_prepend(str(HERE))


def line(side, name, seconds, **others):
    told = {"examples": 32, "per_second": 32 / seconds, "seconds": seconds}
    told |= {"least": seconds, "most": seconds * 1.1, "rows": [[18, 288, 12]]}
    told["matrix_gflops"] = 140.0
    told["memory"] = (3 if side == "PEFT" else 2) * 2**30
    return {"side": side, "name": name, **told, **others}


@pytest.fixture
def found():
    ours = {"needed": 9e11, "executed": 1e12, "executed_tflops": 0.07, "useful": 0.95}
    return {
        "machine": "2 x CPU",
        "python": "3.11",
        "versions": {"jax": "1"},
        "load": 0.1,
        "matrix_gflops": {"jax": 140.0, "torch": 100.0},
        "shape": "small",
        "questions": {
            "real_lengths": [
                line("spot_jax", "sst2", 4.0, times={"PEFT: sst2": 1.25}, **ours),
                line("PEFT", "sst2", 5.0, times={"spot_jax: sst2": 0.8}),
                {"side": "PEFT", "name": "mnli", "error": "Killed", "times": {}},
            ],
            "start": [{"side": "spot_jax", "name": "own", "seconds": 5.5, "cold": 9.0}],
        },
    }


def test_a_page_has_a_table_for_every_question(found):
    page = importlib.import_module("bench_table").page(found)
    assert "| spot_jax | sst2 | 18x288x12 | 4.000 | 10% | 8.0 | 1.25 | 2.00 |" in page
    # Of operations 90 in 100, and half of what products of matrices reach.
    assert "| 95% | 90% | 900 | 1000 | 50% |" in page
    assert "mnli (failed: Killed)" in page
    assert "## How long does it take from the command to the first step?" in page
    assert "## Is a padded step" not in page


def test_what_is_not_reached_stands_out_and_what_nobody_asked_is_left_out(found):
    table = importlib.import_module("bench_table").goals(found)
    assert "| SST-2, times PEFT's examples | at least 1.15 | 1.25 |" in table
    assert "| sst2, operations of use | at least 0.9 | 0.90 |" in table
    assert "| seconds to the first step | at most 4 | **5.50** |" in table
    assert "| memory, of PEFT's (sst2) | at most 0.75 | 0.67 |" in table
    assert "MNLI" not in table and "checkpoint" not in table


def test_answers_of_before_stay_if_they_are_of_the_same(found, tmp_path, capsys):
    bench = importlib.import_module("bench")
    bench._write(found, tmp_path)
    file = tmp_path / "benchmarks.json"
    assert bench._earlier(file, found | {"load": 3.0}) == found
    assert bench._earlier(file, found | {"shape": "tiny"}) == {"questions": {}}
    assert "is of another shape: it is written anew." in capsys.readouterr().out
    assert (tmp_path / "benchmarks.md").read_text().startswith("# Benchmarks")


def test_turns_are_compared_one_by_one():
    measured = importlib.import_module("measured")
    turns = [
        {"seconds": each, "host": 0.5, "examples": 8, "useful": useful}
        for each, useful in ((1.0, 0.6), (3.0, 0.8), (1.5, 1.0))
    ]
    alone, both = (measured.summary(turns, with_host=w) for w in (False, True))
    assert alone["seconds"] == 1.5 and both["seconds"] == 2.0
    assert both["per_second"] == 4.0 and both["useful"] == pytest.approx(0.8)
    sides = importlib.import_module("sides")
    # The second turn met something else that ran, on both sides.
    ours = {"examples": 8, "each": [1.0, 4.0, 1.0]}
    theirs = {"examples": 4, "each": [1.0, 4.0, 2.0]}
    assert sides._times(ours, theirs) == 2.0


def test_a_gpu_s_table_has_what_ended_and_what_did_not():
    work = {"shape": "xl", "lengths": "412x16", "kind": "soft", "dropout": 0.0}
    work |= {"batch": 32, "bank": 1}
    ours = line("spot_jax", "xl, fused", 0.2, needed_tflops=494.5, work=work)
    told = [
        {"machine": {"device": "NVIDIA H100 80GB HBM3", "matrix_tflops": 700.0}},
        ours | {"part": "tuning", "memory": 2**35},
        line("PEFT", "xl", 0.4, work=work) | {"part": "peft"},
        {"part": "tuning", "side": "spot_jax", "name": "xl", "error": "out of memory"},
    ]
    text = importlib.import_module("gpu_table").as_text(told)
    assert "50.0%" in text and "70.6%" in text and "32.00" in text
    assert "out of memory" in text
    assert "xl, fused: 2.00 times PEFT's xl" in text


def test_both_sides_read_the_same_examples_as_long_as_real_ones():
    work = importlib.import_module("work")
    asked = work.Work("", lengths="sst2", batch=32)
    first, again = (work.examples(asked, 0) for _ in range(2))
    assert all(
        np.array_equal(a, b) for a, b in zip(first[0], again[0], strict=True)
    ) and len(first) == len(again)
    mean = np.mean([len(inputs) for inputs, _ in first])
    assert 33 < mean < 40 and asked.longest() == (90, 2)
    assert work.Work("", "xl").dimensions()["d_mlp"] == 5120


def test_padding_is_executed_and_not_needed():
    counted, work = map(importlib.import_module, ("counted", "work"))
    config = importlib.import_module("ours").config_of(work.Work("", "tiny"))
    soft = work.Work("", "tiny", kind="soft")
    ids = np.array([[1] * 5 + [2] * 3], np.int32)
    full = {"encoder_segment_ids": ids, "decoder_segment_ids": ids[:, 3:7]}
    assert list(counted.sizes_in(full)) == [(5, 2), (3, 2)]
    padded = {name: np.pad(array, [(0, 1), (0, 2)]) for name, array in full.items()}
    needed, executed = (
        [of(config, soft, [rows]) for rows in (full, padded)]
        for of in (counted.needed, counted.executed)
    )
    assert needed[0] == needed[1] < executed[0] < executed[1] / 2
    assert counted.needed(config, work.Work("", kind="model"), [full]) is None


@pytest.mark.slow
@pytest.mark.parametrize("question", ["padded", "evaluation", "saving", "kinds"])
def test_a_question_is_asked_of_a_tiny_t5(question, tmp_path):
    program = [sys.executable, str(HERE / "bench.py"), "--quick", "--only", question]
    subprocess.run([*program, "--out", str(tmp_path)], check=True, timeout=600)
    lines = json.loads((tmp_path / "benchmarks.json").read_text())["questions"]
    ours = [each for each in lines[question] if each["side"] == "spot_jax"]
    assert ours and not [each for each in ours if "error" in each]
    assert all(each["seconds"] > 0 and each["memory"] > 2**20 for each in ours)


@pytest.mark.slow
def test_the_program_of_a_gpu_ends_in_time_and_keeps_what_there_is(tmp_path):
    program = [sys.executable, str(HERE / "gpu.py"), "--shape", "tiny"]
    chosen = ["--seconds", "60", "--parts", "checks", "others", "--out", str(tmp_path)]
    subprocess.run([*program, *chosen], check=True, timeout=120)
    told = json.loads((tmp_path / "gpu.json").read_text())
    assert told[0]["machine"]["matrix_tflops"] > 0
    assert [each for each in told if each["part"] == "others"]
