"""A task made of rows: templates, what is set aside, labels and metrics."""

import json
import logging

import pytest

from spot_jax.errors import InputError
from spot_jax.rows import answers
from spot_jax.rows.files import Row
from spot_jax.rows.task import Recipe, read_task
from spot_jax.rows.template import Template

ROWS = [(f"text {i}", ("good", "bad")[i % 2]) for i in range(40)]


def write(path, rows=ROWS, columns=("text", "label")) -> str:
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.fixture
def told(caplog):
    caplog.set_level(logging.INFO, "spot_jax")
    return caplog


def test_a_template_is_filled_with_columns():
    template = Template("{{a}} {text}, {my text}: {n}", "--input")
    assert template.columns == ("text", "my text", "n")
    row = Row("a.csv:2", {"text": "{n}", "my text": "b", "n": 1.5})
    assert template.fill(row) == "{a} {n}, b: 1.5"


@pytest.mark.parametrize("text", ["mood", "{}", "{a!r}", "{a:>3}", "{a", "a}"])
def test_a_template_that_is_not_clear_is_refused(text):
    with pytest.raises(InputError, match="--input"):
        Template(text, "--input")


def test_a_cell_that_is_no_text_is_named():
    template = Template("{a}", "--target")
    with pytest.raises(InputError, match="a.jsonl:3: 'a' is None; a text"):
        template.fill(Row("a.jsonl:3", {"a": None}))


def test_a_part_is_set_aside_that_more_rows_do_not_change(tmp_path, told):
    recipe = Recipe("{text}", "{label}")
    few = read_task("mood", {"train": write(tmp_path / "a.csv", ROWS[:30])}, recipe)
    assert "no rows for validation were given" in told.text
    more = read_task("mood", {"train": write(tmp_path / "b.csv", ROWS * 2)}, recipe)
    aside = {example.input for example in few.examples["validation"]}
    assert 0 < len(aside) < 10
    assert aside <= {example.input for example in more.examples["validation"]}
    for task in (few, more):
        sides = [{e.input for e in task.examples[split]} for split in task.splits]
        assert not sides[0] & sides[1]


def test_rows_on_both_sides_are_counted(tmp_path, told):
    files = {"train": write(tmp_path / "a.csv"), "validation": str(tmp_path / "b.csv")}
    write(tmp_path / "b.csv", [*ROWS[:3], ("new", "bad")])
    read_task("mood", files, Recipe("{text}", "{label}"))
    assert "3 of 4 inputs of validation are among the training rows" in told.text


@pytest.mark.parametrize(
    ("targets", "labels", "metric"),
    [
        (["good", "bad"] * 5, ("bad", "good"), "accuracy"),
        (["1.5", "2", "-1", "3.25", "4", "5", "0.5", "1", "7"], (), "pearson"),
        ([f"name {i}" for i in range(9)], (), "squad"),
        ([f"a longer text of more words {i}" for i in range(9)], (), "rouge"),
        (["0", "1"] * 5, ("0", "1"), "accuracy"),
    ],
)
def test_labels_and_metric_follow_from_the_answers(
    targets, labels, metric, tmp_path, told
):
    rows = [(f"t{i}", target) for i, target in enumerate(targets)]
    files = {"train": write(tmp_path / "a.csv", rows)}
    files["validation"] = write(tmp_path / "b.csv", [("v", targets[0])])
    task = read_task("mood", files, Recipe("{text}", "{label}"))
    assert (task.labels, task.recipe.metric) == (labels, metric)
    assert f"compared by {metric}" in told.text


@pytest.mark.parametrize("name", answers.METRICS)
def test_every_metric_gives_most_for_right_answers(name):
    labels = ("bad", "good") if name in ("f1", "matthews", "accuracy") else ()
    texts = ["1", "2", "4"] if name == "pearson" else ["good", "bad", "good"]
    if name in ("rouge", "bleu"):
        texts = ["the cat sat on the mat", "a dog ran over the road"]
    metric = answers.metric_of(name, labels, texts)
    targets = [metric.postprocess(text, is_target=True) for text in texts]
    right = [metric.postprocess(text, is_target=False) for text in texts]
    for function in metric.functions:
        figures = function(targets, right)
        assert figures == dict.fromkeys(figures, pytest.approx(100))
    assert bool(metric.functions) == (name != "loss")


@pytest.mark.parametrize(
    ("rows", "recipe", "message"),
    [
        (ROWS, Recipe("{body}", "{label}"), "names the column 'body'.*'text', 'label'"),
        (ROWS, Recipe("{text}", "{mood}"), "--target '{mood}' names the column"),
        ([("a", "x"), ("b", "x")] * 9, Recipe("{text}", "{label}"), "one label alone"),
        (ROWS, Recipe("{text}", "{label}", ["good", "awful"]), "a.csv:3.*'bad' is non"),
        ([("a", "")], Recipe("{text}", "{label}"), "a.csv:2 has no answer"),
        ([("a", "x")] * 3, Recipe("{text}", "{label}"), "one input for training"),
        ([("a", "x"), ("b", "x")], Recipe("{text}", "{label}", "xy"), "one label alon"),
        (ROWS, Recipe("{text}", "{label}", metric="best"), "choose accuracy, f1"),
        (ROWS, Recipe("{text}", "{label}", [], "f1"), "counts labels"),
        (ROWS, Recipe("{text}", "{label}", metric="pearson"), "'(good|bad)' is none"),
    ],
)
def test_rows_that_cannot_be_learned_from_are_one_message(
    rows, recipe, message, tmp_path
):
    with pytest.raises(InputError, match=message):
        read_task("mood", {"train": write(tmp_path / "a.csv", rows)}, recipe)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (("good", 1), "a.jsonl:2: 'label' is 1, a number, and 'good', a text, in .*:1"),
        (("1", 1), "'label' is 1, a number, and '1', a text"),
        ((True, 1), "'label' is 1, a number, and True, a truth value"),
        ((1, 2.5), None),
        ((True, False), None),
    ],
)
def test_texts_and_numbers_in_one_column_are_refused(cells, message, tmp_path):
    rows = [{"text": f"t{i}", "label": cells[i % 2]} for i in range(20)]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = {"train": str(path), "validation": str(path)}
    if message is None:
        read_task("mood", files, Recipe("{text}", "{label}"))
    else:
        with pytest.raises(InputError, match=message):
            read_task("mood", files, Recipe("{text}", "{label}"))


def test_a_label_that_no_row_teaches_is_told(tmp_path, told):
    files = {"train": write(tmp_path / "a.csv"), "validation": str(tmp_path / "b.csv")}
    write(tmp_path / "b.csv", [("new", "ugly")])
    read_task("mood", files, Recipe("{text}", "{label}", ["good", "bad", "ugly"]))
    assert "no training row has the answer 'ugly'" in told.text


def test_rows_of_another_split_are_named_where_validation_is_set_aside(tmp_path, told):
    files = {"train": write(tmp_path / "a.csv"), "valid": str(tmp_path / "b.csv")}
    write(tmp_path / "b.csv", [("new", "bad")])
    read_task("mood", files, Recipe("{text}", "{label}"))
    assert "given, only for train and valid, so" in told.text
