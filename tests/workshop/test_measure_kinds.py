import dataclasses

import pandas as pd
import pytest

import spot_jax.tasks
from spot_jax import config, miniature
from spot_jax.data import eval_tasks, set_up
from spot_jax.errors import InputError
from spot_jax.miniature import datasets
from spot_jax.settings import Data, Evaluation
from spot_jax.text.registration import use_data_dir
from spot_jax.workshop import kinds, make_miniature, measure_kinds
from spot_jax.workshop.kinds import FEW, KINDS
from spot_jax.workshop.measuring import COLUMNS, of_task


@pytest.mark.parametrize("kind", [*KINDS.values(), *FEW.values()])
def test_every_kind_has_as_many_examples(kind):
    """Kinds are compared at the same cost."""
    config.parse(kind.files, [*kind.bindings, of_task("cr"), "MODEL_DIR=None"])
    steps, batch = (config.value(name) for name in ("TRAIN_STEPS", "BATCH_SIZE"))
    assert steps * batch == 3200
    assert config.value("EVAL_PERIOD") == steps, "nothing is chosen by scores"


@pytest.mark.parametrize("name", KINDS)
def test_what_a_gin_file_says_is_among_what_was_tried(name):
    kind = KINDS[name]
    config.parse(kind.files, [*kind.bindings, of_task("cr"), "MODEL_DIR=None"])
    for macro, values in kind.tried.items():
        assert config.value(macro) in values, macro


def test_kinds_can_be_named_on_the_command_line():
    assert not [name for name in KINDS | FEW if "," in name]


@pytest.mark.parametrize("task", kinds.TASKS)
def test_rates_are_searched_on_training_rows_that_are_left_out(task):
    splits = spot_jax.tasks.catalog.get(task).splits
    rows = miniature.all_splits(task, train=40, validation=8)
    cut = measure_kinds.validated_on_training(task, rows, 0.75)
    train, left_out = cut[splits["train"]], cut[splits["validation"]]
    assert train + left_out == rows[splits["train"]]
    assert len(train) == 30
    others = set(rows) - {splits["train"], splits["validation"]}
    assert all(cut[split] == rows[split] for split in others)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Rows of the tasks that miniature.gin does not know, where SeqIO finds them."""
    folder = tmp_path_factory.mktemp("miniature")
    tasks = ",".join((*kinds.TAGGED, *kinds.GENERATED))
    sizes = ["--train", "300", "--validation", "100"]
    make_miniature.main([str(folder), *sizes, "--tasks", tasks])
    spot_jax.tasks.register_all()
    use_data_dir(str(folder))
    yield folder
    use_data_dir(None)


@pytest.mark.parametrize("task", [*kinds.TAGGED, *kinds.GENERATED])
def test_what_is_tagged_or_told_is_not_cut(task, rows):
    kind = KINDS["P-Tuning v2"]
    bindings = [*kinds.of_kind(kind, task), "MODEL_DIR=None", "TRUNCATE=False"]
    config.parse(kind.files, bindings)
    data = config.configured(Data)()
    set_up.set_up_tasks(data)
    for split in ("train", "validation"):
        how = dataclasses.replace(config.configured(Evaluation)(), split=split)
        assert len(eval_tasks.load_task(task, how, data).examples) >= 100


def test_a_table_that_is_told_twice_is_not_in_both_parts():
    rows = miniature.all_splits("web_nlg_table", train=22, validation=8)
    cut = measure_kinds.validated_on_training("web_nlg_table", rows, 0.75)
    tables = [
        {str(row["input_text"]) for row in cut[split]}
        for split in ("train", "validation")
    ]
    assert not tables[0] & tables[1]


def test_the_table_has_means_of_kinds_that_were_measured_on_every_task():
    lines = [
        *(("prompt tuning", "cr", seed, 80.0 + seed) for seed in range(2)),
        *(("prompt tuning", "conll2003", seed, 40.0 + seed) for seed in range(2)),
        ("P-Tuning v2", "cr", 0, 90.0),
    ]
    text = measure_kinds.markdown(pd.DataFrame(lines, columns=COLUMNS)).splitlines()
    assert text[0] == "| task | prompt tuning | P-Tuning v2 |"
    assert text[2] == "| cr | 80.5 (0.7) | 90.0 |"
    assert text[3] == "| conll2003 | 40.5 (0.7) |  |"
    assert text[4] == "| mean of the 1 labelled | 80.5 | 90.0 |"
    assert text[5] == "| mean of all | 60.5 |  |"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tasks", "cr,nosuch"], "--tasks names nosuch; choose from conll2003, "),
        (["--kinds", "LoRA"], "--kinds names LoRA; choose from prompt tuning, "),
        (["low_data", "--kinds", "P-tuning"], "--kinds names P-tuning; choose from "),
        (["low_data", "--tasks", "cr"], "--tasks names cr; choose from web_nlg_table"),
        (["--seeds", "0"], "--seeds 0"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        measure_kinds.main([str(tmp_path / "new"), *options])
    assert not (tmp_path / "new").exists()


def tuned_again(*_, **__):
    raise AssertionError("measured a second time")


@pytest.mark.slow
def test_every_kind_is_measured_and_nothing_twice(tmp_path, monkeypatch, capsys):
    few = tmp_path / "few.gin"
    macros = ("TRAIN_STEPS", "EVAL_PERIOD", "LOG_PERIOD", "EMBEDDING_STEP")
    few.write_text("".join(f"{macro} = 2\n" for macro in macros))
    for name in ("P-Tuning v2", "model tuning"):
        kind = KINDS[name]
        monkeypatch.setitem(KINDS, name, kind._replace(files=[*kind.files, str(few)]))
    monkeypatch.setattr(measure_kinds, "TASKS", ("web_nlg_table",))
    monkeypatch.setattr(datasets, "VALIDATION_ROWS", 16)
    options = [str(tmp_path / "out"), "--kinds", "P-Tuning v2,model tuning"]
    options += ["--seeds", "1", "--tasks", "web_nlg_table"]
    try:
        measure_kinds.main(options)
        first = capsys.readouterr().out
        monkeypatch.setattr(kinds, "trained", tuned_again)
        measure_kinds.main(options)
    finally:
        use_data_dir(None)
    assert capsys.readouterr().out == first
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert list(scores["task"]) == ["web_nlg_table, seen", "web_nlg_table, unseen"] * 2
    assert list(scores["method"]) == ["P-Tuning v2"] * 2 + ["model tuning"] * 2
    with pytest.raises(InputError, match="was begun with seeds 1, not 3"):
        measure_kinds.main([*options, "--seeds", "3"])
