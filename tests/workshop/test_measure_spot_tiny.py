import numpy as np
import pandas as pd
import pytest

import spot_jax.tasks
from spot_jax import config
from spot_jax.data import eval_tasks, set_up
from spot_jax.miniature import baseline
from spot_jax.settings import Data, Evaluation
from spot_jax.text.registration import use_data_dir
from spot_jax.workshop import make_miniature, measure_spot_tiny

# Each way of answering: labels, likeness, choices, places in a text, a reference.
TASKS = ("cola", "cr", "stsb", "cosmos_qa", "race", "record", "squad", "wsc")


@pytest.fixture(scope="module")
def small_data(tmp_path_factory):
    """Few rows of some tasks, where SeqIO finds them."""
    folder = tmp_path_factory.mktemp("miniature")
    sizes = ["--train", "40", "--validation", "24"]
    make_miniature.main([str(folder), *sizes, "--tasks", ",".join(TASKS)])
    spot_jax.tasks.register_all()
    use_data_dir(str(folder))
    yield folder
    use_data_dir(None)


def _load(task):
    bindings = [f"MIXTURE_OR_TASK_NAME={task!r}", "MODEL_DIR=None"]
    files = ["gin/prompts/class_labels.gin", "gin/runs/miniature_prompt.gin"]
    config.parse(files, bindings)
    how, settings = config.configured(Evaluation)(), config.configured(Data)()
    set_up.set_up_tasks(settings)
    return eval_tasks.load_task(task, how, settings), how.split


@pytest.mark.parametrize("task", TASKS)
def test_a_bag_of_words_that_guesses_right_scores_100_by_the_task_s_metric(
    task, small_data
):
    there, split = _load(task)
    rows = measure_spot_tiny.rows_of_examples(there, split)
    right = [
        baseline.answer(task, row, baseline.label(task, row), there.labels)
        for row in rows
    ]
    score = measure_spot_tiny.score_answers(there, right)
    # Of an answer of several words SQuAD's guess is the first.
    assert score > 85 if task == "squad" else score == pytest.approx(100)
    turned = measure_spot_tiny.score_answers(there, right[1:] + right[:1])
    assert turned < 95


@pytest.mark.parametrize("task", ["cola", "stsb", "race", "wsc"])
def test_baselines_are_scored_by_the_task_s_metric(task, small_data, tmp_path):
    lines = list(measure_spot_tiny.METHODS["words"](tmp_path, task, 3))
    assert [line[0] for line in lines] == ["majority", "bag of words"]
    there, split = _load(task)
    rows = [measure_spot_tiny.rows_of_examples(there, s) for s in ("train", split)]
    if task in ("cola", "stsb"):
        # A constant has no correlation with anything.
        assert lines[0][3] == 0
    else:
        # Metrics of theirs are accuracy.
        train, held_out = rows
        most = baseline.most_frequent(task, train)
        guessed = [most] * len(held_out), baseline.guesses(task, *rows, longest=2)
        labels = [baseline.label(task, row) for row in held_out]
        wanted = [100 * np.mean(np.asarray(g) == np.asarray(labels)) for g in guessed]
        assert [line[3] for line in lines] == pytest.approx(wanted)


def test_the_table_counts_tasks_that_prompts_lift_above_the_majority_class():
    lines = [("majority", "rte", 0, 50.0), ("majority", "cr", 0, 60.0)]
    lines += [("prompt tuning", "c4_prefix_lm", 0, -2.5)]
    lines += [("prompt tuning", "rte", seed, 59.0 + seed) for seed in range(2)]
    lines += [("prompt tuning", "cr", seed, 70.0 + seed) for seed in range(2)]
    columns = ["method", "task", "seed", "score"]
    text = measure_spot_tiny.markdown(pd.DataFrame(lines, columns=columns))
    assert "| c4_prefix_lm (loss) |  | 2.50 |" in text
    assert "| rte | 50.0 | 59.5 (0.7) |" in text
    assert "| mean of the labelled | 55.0 | 65.0 |" in text
    assert text.endswith("above the majority class on 1 of 2 tasks.")


def test_a_task_without_labels_alone_is_a_table_too():
    lines = [("zero-shot", "c4_prefix_lm", 0, -5.8)]
    columns = ["method", "task", "seed", "score"]
    text = measure_spot_tiny.markdown(pd.DataFrame(lines, columns=columns))
    assert text.splitlines()[-1] == "| c4_prefix_lm (loss) | 5.80 |"


def test_bad_options_are_refused_before_anything_is_written(tmp_path):
    for options, message in (
        (["--tasks", "cr,nosuch"], "--tasks names nosuch; choose from c4_prefix_lm, "),
        (["--seeds", "0"], "--seeds 0"),
    ):
        with pytest.raises(ValueError, match=message):
            measure_spot_tiny.main([str(tmp_path / "new"), *options])
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be written"):
        measure_spot_tiny.main([str(tmp_path / "file")])


def measured_again(folder, task, seeds):
    raise AssertionError(f"{task} is measured a second time, in {folder}")


@pytest.mark.slow
def test_every_method_is_measured_and_nothing_twice(tmp_path, monkeypatch, capsys):
    macros = ("TRAIN_STEPS", "EVAL_PERIOD", "LOG_PERIOD", "EMBEDDING_STEP")
    few = tmp_path / "few.gin"
    few.write_text("".join(f"{macro} = 2\n" for macro in macros))
    for name in ("PROMPT_TUNING", "MODEL_TUNING"):
        files = (*getattr(measure_spot_tiny, name), str(few))
        monkeypatch.setattr(measure_spot_tiny, name, files)
    options = [str(tmp_path / "out"), "--tasks", "cb,c4_prefix_lm", "--seeds", "2"]
    try:
        measure_spot_tiny.main(options)
        first = capsys.readouterr().out
        again = dict.fromkeys(measure_spot_tiny.METHODS, measured_again)
        monkeypatch.setattr(measure_spot_tiny, "METHODS", again)
        measure_spot_tiny.main(options)
    finally:
        use_data_dir(None)
    assert capsys.readouterr().out == first
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    count = scores.groupby(["method", "task"]).size()
    assert count["prompt tuning", "cb"] == count["model tuning", "c4_prefix_lm"] == 2
    assert ("majority", "c4_prefix_lm") not in count
    with pytest.raises(ValueError, match="was begun with seeds 2, not 3"):
        measure_spot_tiny.main([*options[:-1], "3"])
