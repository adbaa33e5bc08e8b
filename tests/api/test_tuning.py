"""What Python tunes is what the program trains."""

import csv
import datetime
import sys
import types

import numpy as np
import pytest

import spot_jax
from spot_jax import config
from spot_jax.__main__ import main
from spot_jax.errors import InputError
from spot_jax.prompts import files
from tests import runs

GIVEN = dict(input="mood: {text}", target="{label}", name="mood", length=4, steps=4)
GIVEN |= dict(batch_size=4, embedding_step=2, start="random_uniform")


@pytest.fixture(scope="module")
def table(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "mood.csv"
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, ["text", "label"])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_it_is_what_the_program_trains(model, prompts, table, demo_model, tmp_path):
    given = {key: demo_model[key] for key in ("INITIAL_CHECKPOINT_PATH", "VOCABULARY")}
    given |= dict(TRAIN_STEPS=4, BATCH_SIZE=4, EVAL_PERIOD=1, EMBEDDING_STEP=2)
    given |= dict(PROMPT_LENGTH=4, EVALUATION="rank", MODEL_DIR=tmp_path / "run")
    given |= dict(RANDOM_SEED=[0, 1], DROPOUT_RATE=0.0)
    gin = ["tests/demo_model.gin", "gin/prompts/random_uniform.gin"]
    gin += ["gin/runs/prompt_tune.gin"]
    command = runs.command("train", [f"{k}={v}" for k, v in given.items()], gin)[3:]
    told = ["--rows", f"train={table}", "--input", "mood: {text}"]
    main([*command, *told, "--target", "{label}", "--name", "mood"])
    for seed, prompt in enumerate(prompts):
        folder = tmp_path / f"run/prompts/mood-seed{seed}"
        for bundle, kind in (
            (prompt.bundle, "best"),
            (prompt.early.bundle, "embedding"),
        ):
            theirs = files.read(folder / f"{kind}.safetensors").bundle
            # The program computes on more devices, whose sums round otherwise.
            np.testing.assert_allclose(bundle.enc_input, theirs.enc_input, atol=1e-5)


def test_rows_may_be_a_file_a_table_or_splits(model, rows, table, prompts):
    frame = types.SimpleNamespace(
        columns=["text", "label"], to_dict=lambda orient: rows
    )
    for given in (table, frame, {"train": str(table), "validation": rows[:6]}):
        found = spot_jax.tune(model, given, **GIVEN)
        assert isinstance(found, spot_jax.Prompt) and found.name == "mood-seed0"
        is_whole = isinstance(given, dict)
        last = np.asarray(found.early.bundle.enc_input)
        same = np.allclose(last, prompts[0].early.bundle.enc_input, atol=1e-5)
        # With rows of its own for validation all others are trained on.
        assert same != is_whole


def test_lists_make_a_bank(model, rows):
    more = GIVEN | {"name": None, "start": ["random_uniform", "class_labels"]}
    found = spot_jax.tune(model, [rows, rows[:20]], **more)
    assert [prompt.name for prompt in found] == [
        "rows0-seed0-start0",
        "rows0-seed0-start1",
        "rows1-seed0-start0",
        "rows1-seed0-start1",
    ]


def test_a_prompt_starts_from_a_prompt(model, rows, prompts, tmp_path):
    path = tmp_path / "p.safetensors"
    prompts[1].save(path)
    more = GIVEN | {"length": None, "steps": 1, "learning_rate": 0.0}
    for start in (prompts[1], path, str(path)):
        found = spot_jax.tune(model, rows, **more | {"start": start})
        # Only its weight decay moves it.
        start_of = prompts[1].bundle.enc_input
        np.testing.assert_allclose(found.bundle.enc_input, start_of, rtol=2e-5)


def test_a_run_that_is_kept_goes_on_and_other_rows_are_another(model, rows, tmp_path):
    folder = tmp_path / "run"
    first = spot_jax.tune(model, rows, folder=folder, **GIVEN)
    assert first.path.startswith(str(folder))
    longer = spot_jax.tune(model, rows, folder=folder, **GIVEN | {"steps": 6})
    assert longer.story["step"] >= first.story["step"]
    with pytest.raises(InputError, match="rows"):
        spot_jax.tune(model, rows[:30], folder=folder, **GIVEN)


@pytest.mark.parametrize(
    "rows, more, told",
    [
        ([], {}, "empty"),
        ([{"text": "a", "label": "b"}] * 20, {}, "one"),
        ([{"text": "a"}, {"text": "b"}], {}, "label"),
        ([{"text": "a"}, 3], {}, "Row 1 of mood-train is 3"),
        ("nowhere.csv", {}, "nowhere.csv"),
        ([["nowhere.csv"]], {"name": ["a", "b"]}, "name is"),
        ([{"text": "a", "label": "b"}], {"start": "warm"}, "no start 'warm'"),
        ([{"text": "a", "label": "b"}], {"start": 3}, "3 is no prompt"),
        ([{"text": "a", "label": "b"}], {"start": "class_label"}, "no start"),
        ([{"text": "a", "label": "b"}], {"input": "no field"}, "field|column|brace"),
        ([{"text": "a", "label": "b"}], {"steps": 0}, "steps"),
        ([{"text": "a", "label": "b"}], {"method": "guess"}, "guess"),
    ],
)
def test_what_cannot_be_learned_is_one_message(model, rows, more, told):
    with pytest.raises(InputError, match=told):
        spot_jax.tune(model, rows, **GIVEN | more)


def test_nothing_of_it_needs_gin_or_tensorflow(model, rows):
    before = set(sys.modules)
    config.parse([], ["anything=3"])
    spot_jax.tune(model, rows, **GIVEN)
    assert "tensorflow" not in set(sys.modules) - before


class Classes(list):
    """Rows as the datasets library keeps them: classes are numbers."""

    features = {"label": types.SimpleNamespace(names=["bad", "good"])}


def test_classes_are_their_names_and_one_that_is_hidden_is_refused(model, rows):
    numbered = [
        {"text": np.str_(row["text"]), "label": np.int64(row["label"] == "good")}
        for row in rows
    ]
    found = spot_jax.tune(model, Classes(numbered), **GIVEN)
    assert found.story["rows"]["labels"] == ["bad", "good"]
    hidden = Classes([*numbered, {"text": "a", "label": np.int64(-1)}])
    with pytest.raises(InputError, match="its label is hidden"):
        spot_jax.tune(model, hidden, **GIVEN)


def test_columns_that_no_template_names_may_be_anything(model, rows):
    more = [row | {"when": datetime.date.today(), "x": np.ones(3)} for row in rows]
    assert spot_jax.tune(model, more, **GIVEN).name == "mood-seed0"


def test_a_column_may_be_called_train(model, rows):
    renamed = [{"train": row["text"], "label": row["label"]} for row in rows]
    found = spot_jax.tune(model, renamed, **GIVEN | {"input": "{train}"})
    assert isinstance(found, spot_jax.Prompt)
