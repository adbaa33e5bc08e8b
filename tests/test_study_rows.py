"""A study of rows of one's own, and of tasks of a module, beside tasks there are."""

import csv
import json
import sys

import pytest

from spot_jax import study
from spot_jax.errors import InputError
from spot_jax.model_dir import names
from spot_jax.prompts import files
from tests import demo_world, study_process, study_stub

SHORT = {
    "SOURCES": ["demo_food", "mood"],
    "TARGETS": ["taste", "demo_film"],
    "SEEDS": [0],
    "BEST_KS": [1],
    "AVERAGE_KS": [2],
    "MIXTURE_KS": [2],
}
MODEL = {
    "INITIAL_CHECKPOINT_PATH": "nowhere",
    "TASK_FEATURE_LENGTHS": "{'inputs': 64, 'targets': 8}",
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file of reviews."""
    path = tmp_path_factory.mktemp("rows") / "reviews.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for row in demo_world.reviews("food", 40, 5):
            writer.writerow([row["inputs"], row["targets"]])
    return path


def told(path) -> dict:
    recipe = {"files": {"train": str(path)}, "target": "{label}"}
    return {name: recipe | {"input": f"{name}: {{text}}"} for name in ("mood", "taste")}


def do(folder, *values: dict, flags=()) -> None:
    study.main([*study_process.arguments(folder, *values), *flags])


def read(path) -> list[dict]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def check(folder) -> None:
    """Looks for the rows in all that a study leaves."""
    scores = read(folder / "scores.csv")
    found = {(row["method"], row["source"], row["target"]) for row in scores}
    for target in ("taste", "demo_film"):
        assert ("baseline", "", target) in found
        assert ("transfer", "mood", target) in found
        assert ("average", "", target) in found and ("mixture", "", target) in found
    similar = {row["first"] for row in read(folder / "similarities.csv")}
    assert similar == {*SHORT["SOURCES"], *SHORT["TARGETS"]}
    assert [*(folder / "library").rglob("mood-seed0*")]
    assert json.loads((folder / "study.json").read_text())["sources"] == [
        *SHORT["SOURCES"]
    ]


LENGTHS = {"TASK_FEATURE_LENGTHS": MODEL["TASK_FEATURE_LENGTHS"]}
QUICK = {"SOURCE_STEPS": 2, "TARGET_STEPS": 2, "EMBEDDING_STEP": 2}


def test_rows_are_sources_and_targets_beside_tasks(path, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "tune", study_stub.tune)
    do(tmp_path, MODEL, SHORT, {"ROWS": told(path)})
    check(tmp_path)


@pytest.mark.slow
def test_rows_are_trained_in_every_stage_of_a_study(path, demo_model, tmp_path):
    do(tmp_path, demo_model, LENGTHS, SHORT, QUICK, {"ROWS": told(path)})
    check(tmp_path)


def test_rows_are_trained_in_a_bank_beside_a_task(path, demo_model, tmp_path):
    given = [demo_model, LENGTHS, SHORT, QUICK, {"ROWS": told(path)}]
    do(tmp_path, *given, {"STAGES": ["sources"]})
    prompts = tmp_path / "runs/sources-000/prompts"
    assert {prompt.name for prompt in prompts.iterdir()} == {
        *("demo_food-seed0", "mood-seed0")
    }
    story = files.read(names.in_folder(prompts / "mood-seed0", names.BEST)).story
    assert story["rows"]["input"] == "mood: {text}"
    assert story["rows"]["labels"] == ["bad", "good"]


def of_flags(path) -> list[str]:
    return [f"--rows=train={path}", "--input={text}", "--target={label}", "--name=mood"]


def test_rows_alone_need_no_seqio(path, tmp_path, monkeypatch):
    import spot_jax.tasks

    def refuse():
        raise AssertionError("TensorFlow would come in here")

    monkeypatch.setattr(study, "tune", study_stub.tune)
    monkeypatch.setattr(spot_jax.tasks, "register_all", refuse)
    alone = {"SOURCES": ["mood"], "TARGETS": ["taste"], "AVERAGE_KS": [1]}
    alone |= {"MIXTURE_KS": [1]}
    do(tmp_path, MODEL, SHORT, alone, {"ROWS": told(path)})
    assert {row["target"] for row in read(tmp_path / "scores.csv")} == {"taste"}


def test_flags_give_the_rows_of_one_task(path, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "tune", study_stub.tune)
    only = {"TARGETS": ["demo_film"], "STAGES": ["sources"]}
    do(tmp_path, MODEL, SHORT, only, flags=of_flags(path))
    assert [*(tmp_path / "library").rglob("mood-seed0*")]
    assert "--rows=train=" in (tmp_path / "study.json").read_text()


@pytest.mark.parametrize(
    ("change", "more", "words"),
    [
        ({}, ["--input={body}"], "names the column 'body'"),
        ({}, ["--name=tone"], "tone are neither among SOURCES nor among TARGETS"),
        ({}, ["--labels=good"], "one label alone|none of the labels"),
        ({"ROWS": {"mood": {"files": {}}}}, [], "The rows of mood have no template"),
        ({"SOURCES": ["demo_food"]}, ["--name=demo_food"], "a task that there is al"),
        ({"TASK_FEATURE_LENGTHS": "{'inputs': 8}"}, [], "TASK_FEATURE_LENGTHS is"),
        ({}, ["--module=no_such_tasks"], "no module 'no_such_tasks'"),
    ],
)
def test_mistakes_are_found_before_anything_is_made(
    path, tmp_path, change, more, words
):
    only = {"TARGETS": ["demo_film"], "AVERAGE_KS": [1], "MIXTURE_KS": [1]}
    with pytest.raises(InputError, match=words):
        do(tmp_path / "s", MODEL, SHORT, only, change, flags=[*of_flags(path), *more])
    assert not (tmp_path / "s").exists()


def test_rows_that_can_only_be_asked_are_refused(path, tmp_path):
    only = told(path)
    only["taste"] = only["taste"] | {"files": {"validation": str(path)}}
    with pytest.raises(InputError, match="taste has no rows to learn"):
        do(tmp_path / "s", MODEL, SHORT, {"ROWS": only})


MODULE = """
from tests import own_tasks
from spot_jax.tasks import catalog
own_tasks.add("of_a_module", ["good", "bad"], ("good", "bad"))
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of tasks, where Python looks for modules."""
    import seqio

    from spot_jax.tasks import catalog

    (tmp_path / "tasks_of_a_study.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "tasks_of_a_study.py"
    sys.modules.pop("tasks_of_a_study", None)
    seqio.TaskRegistry.remove("of_a_module")
    catalog.TASKS.pop("of_a_module", None)


@pytest.mark.parametrize("is_told", [True, False])
def test_tasks_of_a_module_are_studied(is_told, module, monkeypatch):
    monkeypatch.setattr(study, "tune", study_stub.tune)
    if not is_told:
        module.write_text(MODULE + "del catalog.TASKS['of_a_module']")
    given = {"SOURCES": ["demo_food", "of_a_module"], "TARGETS": ["demo_film"]}
    folder = module.parent / "study"

    def run() -> None:
        do(folder, MODEL, SHORT, given, flags=["--module=tasks_of_a_study"])

    if is_told:
        run()
        assert [*(folder / "library").rglob("of_a_module-seed0*")]
    else:
        with pytest.raises(InputError, match="of whose size and labels nothing is kn"):
            run()


@pytest.fixture
def described(monkeypatch):
    """Counts how often the T5 is asked for its shape."""
    asked = []
    of_model = study.architecture.resolved

    def count(*given):
        asked.append(given)
        return of_model(*given)

    monkeypatch.setattr(study.architecture, "resolved", count)
    return asked


@pytest.mark.parametrize("shape", [[], ["--gin_file=gin/models/spot_tiny.gin"]])
def test_a_checkpoint_alone_tells_what_a_dry_run_counts(
    shape, described, tmp_path, capsys
):
    given = ["--gin_file=gin/runs/study.gin", f"--gin.STUDY_DIR={tmp_path / 's'}"]
    given += ["--gin.INITIAL_CHECKPOINT_PATH=spot_tiny", "--dry_run"]
    study.main([*given, *shape])
    told = capsys.readouterr().out.splitlines()
    assert len(described) == (0 if shape else 1)
    # 48 prompts, 262,144 steps.
    assert told[1].split()[:4] == ["sources-000", "8", "262144", "78797.39"]
