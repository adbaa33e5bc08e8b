import json

from spot_jax.model_dir import records


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
    lines = [json.dumps({"step": step}) for step in (1, 2, 3)]
    # The last line was cut off when the run was killed.
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + '\n{"step": 4, "lo')
    records.Metrics(tmp_path, 2).close()
    assert [line["step"] for line in records.read_metrics(tmp_path)] == [1, 2]


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


def test_a_line_that_was_cut_short_is_left_out(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2, "lo')
    assert records.read_metrics(tmp_path) == [{"step": 1}]
