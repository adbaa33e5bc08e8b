import json
import math
import os
import pathlib
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from spot_jax.errors import InputError
from spot_jax.model_dir import records, storage

ROOT = pathlib.Path(__file__).resolve().parents[2]


def line(step: int, **values: float) -> dict:
    return {"step": step, "prompt": "a", "kind": "train"} | values


def test_metrics_are_lines_of_json(tmp_path):
    metrics = records.Metrics(tmp_path, 0)
    metrics.write(1, "a", "train", {"loss": 0.5})
    metrics.write(2, "", "speed", {"steps_per_second": 3.0})
    metrics.close()
    assert records.read_metrics(tmp_path) == [
        {"step": 1, "prompt": "a", "kind": "train", "loss": 0.5},
        {"step": 2, "prompt": "", "kind": "speed", "steps_per_second": 3.0},
    ]
    assert list((tmp_path / "tensorboard").iterdir())


def test_a_resumed_run_forgets_what_came_after_its_checkpoint(tmp_path):
    lines = [json.dumps(line(step)) for step in (1, 2, 3)]
    # The last line was cut off when the run was killed.
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + '\n{"step": 4, "lo')
    records.Metrics(tmp_path, 2).close()
    assert [each["step"] for each in records.read_metrics(tmp_path)] == [1, 2]


def test_progress_is_a_plain_line_without_a_terminal(capsys):
    progress = records.Progress(total=10, done=4, examples_per_step=8)
    for _ in range(2):
        progress.step()
    with progress.paused():
        pass
    progress.report("loss 1.0")
    said = capsys.readouterr().err
    assert said.startswith("step 6/10  loss 1.0  ")
    assert "examples/s" in said
    assert "left" in said


def test_a_line_that_was_cut_short_is_left_out_without_a_word(tmp_path, caplog):
    whole = json.dumps(line(1)) + "\n"
    (tmp_path / "metrics.jsonl").write_text(whole + whole[:20])
    assert records.read_metrics(tmp_path) == [line(1)]
    assert not caplog.text


BAD = [
    b"",
    b"[]",
    b"3",
    b"{}",
    b'{"step": 2}',
    b'{"step": "2", "prompt": "a", "kind": "train"}',
    b'{"step": 2.5, "prompt": "a", "kind": "train"}',
    b'{"step": true, "prompt": "a", "kind": "train"}',
    b'{"step": 2, "prompt": null, "kind": "train"}',
    b'{"step": 2, "prompt": "a", "kind": "train", "loss": "x"}',
    b'{"step": 2, "prompt": "a", "kind": "train", "loss": [1]}',
    b'{"step": 2, "prompt": "\xff", "kind": "train"}',
    b"\0" * 100,
    b"[" * 20_000,
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: str(bad)[:40])
@pytest.mark.parametrize("resumed", [False, True])
def test_a_line_that_cannot_be_read_is_left_out_and_told(
    bad, resumed, tmp_path, caplog
):
    first, last = (json.dumps(line(step)).encode() for step in (1, 3))
    (tmp_path / "metrics.jsonl").write_bytes(b"\n".join([first, bad, bad, last, b""]))
    if resumed:
        records.Metrics(tmp_path, 9).close()
    assert records.read_metrics(tmp_path) == [line(1), line(3)]
    told = "metrics.jsonl: 2 of 4 lines cannot be read, and are left out: 2, 3."
    assert caplog.text.count(told) == 1


def test_a_value_that_is_no_number_is_null_and_comes_back(tmp_path):
    metrics = records.Metrics(tmp_path, 0)
    metrics.write(1, "a", "stsb", {"pearson": math.nan, "spearman": math.inf})
    metrics.close()
    text = (tmp_path / "metrics.jsonl").read_text()
    assert json.loads(text)["pearson"] is None
    [found] = records.read_evaluations(tmp_path)
    assert all(map(math.isnan, found.values.values()))


def test_what_earlier_versions_wrote_of_them_is_read_too(tmp_path, caplog):
    text = json.dumps(line(1, pearson=math.nan, loss=-math.inf, accuracy=50.0))
    (tmp_path / "metrics.jsonl").write_text(text + "\n")
    [found] = records.read_metrics(tmp_path)
    assert math.isnan(found["pearson"]) and math.isnan(found["loss"])
    assert found["accuracy"] == 50.0
    assert not caplog.text


def test_metrics_that_are_missing_are_told(tmp_path):
    with pytest.raises(InputError, match="metrics.jsonl cannot be read .*a run of"):
        records.read_metrics(tmp_path)


def events(path) -> list[Event]:
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        found.append(Event.FromString(data[12 : 12 + length]))
        # A checksum stands behind the length, and another behind the event.
        data = data[16 + length :]
    return found


def test_tensorboard_has_the_points_and_forgets_as_well(tmp_path):
    threads = threading.active_count()
    for resumed in (0, 2):
        metrics = records.Metrics(tmp_path, resumed)
        metrics.write(resumed + 1, "a", "train", {"loss": np.float64(0.5)})
        metrics.close()
    # In a thread of its own a full disk would be met in silence.
    assert threading.active_count() == threads
    files = sorted((tmp_path / "tensorboard").glob("events.out.tfevents.*"))
    assert len(files) == 2
    for resumed, file in zip((0, 2), files, strict=True):
        version, begin, point = events(file)
        assert version.file_version == "brain.Event:2"
        assert begin.session_log.status == SessionLog.START
        assert begin.step == point.step == resumed + 1
        assert point.summary.value[0].tag == "train/loss/a"
        assert point.summary.value[0].simple_value == 0.5


def test_a_disk_that_is_full_is_told_by_every_writer(tmp_path, monkeypatch):
    metrics = records.Metrics(tmp_path, 0)
    monkeypatch.setattr(records.time, "monotonic", lambda: math.inf)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", full)
    with pytest.raises(InputError, match="tensorboard cannot be written .No space"):
        metrics.write(1, "a", "train", {"loss": 0.5})
    with pytest.raises(InputError, match="metrics.jsonl cannot be written .No space"):
        records.Metrics(tmp_path, 0)
    assert records.read_metrics(tmp_path) == [line(1, loss=0.5)]


def test_what_a_library_takes_if_it_is_there_costs_no_start(tmp_path):
    (tmp_path / "torch.py").write_text("raise SystemExit('a second is gone')")
    program = (
        "import sys, spot_jax.model_dir.records\n"
        "assert 'torch' not in sys.modules\n"
        "import torch"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    # It is hidden for that moment alone.
    assert done.returncode == 1 and done.stderr.strip() == "a second is gone"
