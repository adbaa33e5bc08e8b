"""`spot_jax evaluate`: ensembles, transfer matrix, domain shift and nearest pieces."""

import csv
import dataclasses
import json
import logging

import numpy as np
import pytest
import seqio

from spot_jax import config
from spot_jax.__main__ import main
from spot_jax.data import eval_tasks, set_up
from spot_jax.model import weights
from spot_jax.prompts import files
from spot_jax.prompts.base import slots_of
from spot_jax.scoring import saved_prompts
from spot_jax.scoring.evaluator import Evaluator
from spot_jax.settings import Data, Evaluation, Model
from tests import runs
from tests.bundles import soft

MODEL = "tests/demo.gin"
TASKS = "['demo_food', 'demo_topic']"
TO_TOPIC = {"bad": "film", "good": "food"}


@pytest.fixture(scope="module")
def prompt_files(tmp_path_factory):
    """Prompts of demo_food of different lengths; the last says nothing of itself."""
    folder = tmp_path_factory.mktemp("prompts")
    paths = []
    for index, length in enumerate((5, 3, 5)):
        values = np.random.default_rng(index).normal(size=(length, 64)) * 3
        paths.append(str(folder / f"prompt{index}.safetensors"))
        story = {"name": f"prompt{index}", "task": "demo_food"} if index < 2 else {}
        files.write(paths[-1], soft(values), story)
    return paths


@pytest.fixture(autouse=True)
def _handlers_of_this_test_alone():
    yield
    # main() speaks to the stderr that this test captured.
    logging.getLogger("spot_jax").handlers.clear()


def run(gin_file, demo_model, folder, prompts, **more):
    values = {
        "MIXTURE_OR_TASK_NAME": TASKS,
        "EVALUATION": "rank",
        "EVALUATOR_NUM_EXAMPLES": 30,
        "EVAL_OUTPUT_DIR": folder,
        "PROMPT_FILES": prompts,
    }
    given = demo_model | values | more
    bindings = [f"{name}={value}" for name, value in given.items()]
    main(runs.command("evaluate", bindings, [MODEL, f"gin/runs/{gin_file}"])[3:])


def fail(capsys, *arguments, **more) -> str:
    with pytest.raises(SystemExit) as stopped:
        run(*arguments, **more)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def read_table(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_matrix_has_every_prompt_on_every_task(
    demo_model, prompt_files, tmp_path, capsys
):
    run("evaluate.gin", demo_model, tmp_path, prompt_files)
    said = capsys.readouterr()
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert json.loads(said.out) == metrics
    matrix = read_table(tmp_path / "scores.csv")
    assert [row["prompt"] for row in matrix] == list(metrics)
    for row in matrix:
        for task in ("demo_food", "demo_topic"):
            accuracy = metrics[row["prompt"]][task]["accuracy"]
            assert float(row[task]) == accuracy
            assert f"{accuracy:.2f}" in said.err
    assert not list(tmp_path.glob("*nsemble*"))


def test_an_ensemble_of_equal_prompts_is_the_single_prompt(
    demo_model, prompt_files, tmp_path, capsys
):
    run("ensemble.gin", demo_model, tmp_path, [prompt_files[0]] * 3)
    assert "average" in capsys.readouterr().err
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert len(metrics) == 3
    compared = json.loads((tmp_path / "ensemble.json").read_text())
    for task, found in compared.items():
        alone = metrics["prompt0"][task]
        for how in ("average", "best", "ensemble"):
            assert found[how] == pytest.approx(alone)
        assert found["best_prompt"] == "prompt0"
        answers = [
            [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
            for name in (f"prompt0.{task}.jsonl", f"ensemble/{task}.jsonl")
        ]
        for own, together in zip(*answers, strict=True):
            assert together | {"score": 0} == own | {"score": 0}
            assert together["score"] == pytest.approx(own["score"], abs=1e-4)


def test_an_ensemble_counts_the_votes_of_its_prompts(
    demo_model, prompt_files, tmp_path
):
    run("ensemble.gin", demo_model, tmp_path, prompt_files)
    for task in ("demo_food", "demo_topic"):
        paths = [*sorted(tmp_path.glob(f"*.{task}.jsonl"))]
        paths.append(tmp_path / "ensemble" / f"{task}.jsonl")
        lines = [p.read_text().splitlines() for p in paths]
        outputs = [[json.loads(line)["output"] for line in of] for of in lines]
        assert len(outputs) == 4
        # Three prompts, two labels: no tie.
        for *votes, decided in zip(*outputs, strict=True):
            assert decided == max(set(votes), key=votes.count)


def test_domain_shift_translates_answers_before_they_are_scored(
    demo_model, prompt_files, tmp_path
):
    run(
        "domain_shift.gin",
        demo_model,
        tmp_path,
        prompt_files[:2],
        LABEL_MAPS={"demo_topic": TO_TOPIC},
    )
    rows = read_table(tmp_path / "domain_shift.csv")
    pairs = [(row["prompt"], row["task"]) for row in rows]
    both = ("demo_food", "demo_topic")
    assert pairs == [(p, task) for p in ("prompt0", "prompt1") for task in both]
    expected = _translated_by_hand(demo_model, prompt_files[:2])
    for home, away in (rows[:2], rows[2:]):
        assert float(home["difference"]) == 0
        assert float(away["score"]) == pytest.approx(expected[away["prompt"]])
        difference = float(away["score"]) - float(home["score"])
        assert float(away["difference"]) == pytest.approx(difference)


def _translated_by_hand(demo_model, paths) -> dict[str, float]:
    """The accuracy on demo_topic when prompts of demo_food answer bad or good."""
    lengths = {"inputs": 32, "targets": 8}
    loaded = weights.load(config.configured(Model)())
    evaluation = Evaluation(method="rank", examples=30)
    data = Data("demo_topic", lengths, demo_model["VOCABULARY"])
    set_up.set_up_tasks(data)
    task = eval_tasks.load_task("demo_topic", evaluation, data)
    targets = [eval_tasks.target_text(task, example) for example in task.examples]
    saved = saved_prompts.read(paths, loaded.config)
    names = saved_prompts.names_of(saved)
    prompts, binding = saved_prompts.bank_of(saved, loaded)
    evaluator = Evaluator(loaded, binding, evaluation, lengths, slots_of(prompts))
    as_food = dataclasses.replace(task, labels=("bad", "good"))
    said = evaluator.predict(prompts, loaded.params, as_food, [0, 1])
    accuracies = {}
    for index, name in enumerate(names):
        translated = [TO_TOPIC[prediction.text] for prediction in said[index]]
        right = sum(t == a for t, a in zip(targets, translated, strict=True))
        accuracies[name] = 100 * right / len(targets)
    return accuracies


def look(demo_model, folder, prompts, **more):
    """Runs gin/runs/nearest_pieces.gin, which has no use for a task."""
    given = demo_model | {"EVAL_OUTPUT_DIR": folder, "PROMPT_FILES": prompts} | more
    given.pop("TASK_FEATURE_LENGTHS")
    bindings = [f"{name}={value}" for name, value in given.items()]
    main(runs.command("evaluate", bindings, [MODEL, "gin/runs/nearest_pieces.gin"])[3:])


def test_the_nearest_piece_of_an_embedding_is_that_piece(demo_model, tmp_path, capsys):
    config.parse(
        [MODEL, "gin/runs/shared.gin"],
        [
            *(f"{name}={value}" for name, value in demo_model.items()),
            *("DROPOUT_RATE=0.0", "MIXTURE_OR_TASK_NAME=x"),
        ],
    )
    loaded = weights.load(config.configured(Model)())
    table = np.asarray(loaded.params["token_embedder"]["embedding"])
    chosen = {"long": [40, 3, 77, 40], "short": [12]}
    paths = []
    for name, ids in chosen.items():
        paths.append(str(tmp_path / f"{name}.safetensors"))
        files.write(
            paths[-1],
            soft(table[ids]),
            {"name": name, "model": loaded.story()},
        )
    look(demo_model, tmp_path / "out", paths)
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=demo_model["VOCABULARY"])
    found = json.loads((tmp_path / "out/nearest_pieces.json").read_text())
    said = capsys.readouterr().err
    for name, ids in chosen.items():
        assert [len(vector) for vector in found[name]] == [5] * len(ids)
        first = [vector[0]["piece"] for vector in found[name]]
        assert first == [pieces.id_to_piece(i) for i in ids]
        assert all(vector[0]["cosine"] == pytest.approx(1) for vector in found[name])
        assert all(f"{piece} 1.00" in said for piece in first)
    assert not (tmp_path / "out/metrics.json").exists()


@pytest.mark.parametrize(
    ("gin_file", "count", "more", "words"),
    [
        ("ensemble.gin", 1, {}, ["at least two prompts", "names 1"]),
        ("ensemble.gin", 0, {}, ["at least two prompts", "names 0"]),
        (
            "ensemble.gin",
            2,
            {"MIXTURE_OR_TASK_NAME": "demo_text", "TRUNCATE": True},
            ["demo_text has none", "inspect_tasks"],
        ),
        ("domain_shift.gin", 0, {}, ["PROMPT_FILES is empty"]),
        ("domain_shift.gin", 3, {}, ["prompt2", "--gin.HOME_TASK"]),
        ("domain_shift.gin", 2, {"HOME_TASK": "sst2"}, ["Add sst2 to MIXTURE"]),
        (
            "domain_shift.gin",
            2,
            {"LABEL_MAPS": {"demo_topic": {"bad": "flim", "good": "food"}}},
            ["'flim' for demo_topic", "'film', 'food'"],
        ),
    ],
)
def test_what_cannot_be_is_refused_before_the_model_is_loaded(
    gin_file, count, more, words, demo_model, prompt_files, tmp_path, capsys
):
    prompts = prompt_files[:count]
    message = fail(capsys, gin_file, demo_model, tmp_path, prompts, **more)
    assert "Loading the T5" not in message
    for word in words:
        assert word in message


SAMPLED = {"EVALUATION": "decode", "DECODING": "@decode.sample"}


@pytest.mark.parametrize(
    ("gin_file", "more", "words"),
    [
        ("evaluate.gin", {"PROMPT_FILES": "typo"}, "no prompt file"),
        ("evaluate.gin", {"PROMPT_FILES": "wide.safetensors"}, "[2, 65], the model"),
        (
            "evaluate.gin",
            SAMPLED | {"TOP_K": 900},
            "is 900, and the model's vocabulary",
        ),
        ("evaluate.gin", SAMPLED | {"TEMPERATURE": 0.0}, "Use greedy"),
        ("evaluate.gin", {"MIXTURE_OR_TASK_NAME": "[]"}, "TASK_NAME names no task"),
        ("evaluate.gin", {"MIXTURE_OR_TASK_NAME": "own_hidden"}, "1 of 2 targets"),
        ("evaluate.gin", {"MIXTURE_OR_TASK_NAME": "own_objects"}, "(FromMetricFun)"),
        ("evaluate.gin", {"MIXTURE_OR_TASK_NAME": "own_free"}, "no set of labels"),
        (
            "ensemble.gin",
            {"MIXTURE_OR_TASK_NAME": "own_scored"},
            "scores of its targets",
        ),
    ],
    ids=str,
)
def test_the_cheapest_mistakes_cost_no_model(
    gin_file, more, words, demo_model, prompt_files, tmp_path, capsys
):
    register_own_tasks()
    prompts = prompt_files[:2]
    if "PROMPT_FILES" in more:
        prompts, more = str(tmp_path / more["PROMPT_FILES"]), {}
        files.write(tmp_path / "wide.safetensors", soft(np.ones((2, 65))), {})
    message = fail(capsys, gin_file, demo_model, tmp_path / "out", prompts, **more)
    assert words in message
    assert "Loading the T5" not in message


def register_own_tasks():
    """Tasks of which something cannot be."""
    from spot_jax.text import metrics
    from tests import own_tasks

    found = seqio.metrics.PassthroughLegacyMetric.from_metric_fn(metrics.accuracy)
    labels = ("bad", "good")
    own_tasks.add("own_hidden", ["good", "<unk>"], labels, learned=["good", "bad"])
    own_tasks.add("own_objects", ["good", "bad"], labels, metric_objs=[found])
    own_tasks.add("own_free", ["good", "bad"])
    own_tasks.add("own_scored", ["good", "bad"], labels, metric_fns=[mean_score])


def mean_score(targets, scores):
    return {"mean_score": float(np.mean(scores))}


def test_train_refuses_hidden_labels_before_the_model_is_loaded(
    demo_model, tmp_path, monkeypatch
):
    register_own_tasks()
    monkeypatch.setattr(weights, "load", None)
    values = {"MIXTURE_OR_TASK_NAME": "own_hidden"}
    with pytest.raises(ValueError, match="own_hidden's split 'validation' are hidden"):
        runs.train(tmp_path, demo_model, values)


def test_a_task_that_keeps_no_text_is_scored_and_written(
    demo_model, prompt_files, tmp_path
):
    from tests import own_tasks

    own_tasks.add("own_ids", ["good", "bad"], ("bad", "good"), keep=False)
    values = {"MIXTURE_OR_TASK_NAME": "own_ids"}
    run("evaluate.gin", demo_model, tmp_path, prompt_files[:1], **values)
    text = (tmp_path / "prompt0.own_ids.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["input"] for line in lines] == own_tasks.INPUTS
    assert [line["target"] for line in lines] == ["good", "bad"]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert set(metrics["prompt0"]["own_ids"]) == {"accuracy"}


class Odd:
    """What only a postprocessor of one's own would return."""

    def __str__(self):
        return "odd"


def odd_value(text, example=None, is_target=False):
    return {"array": np.float32([1, np.nan]), 3: (np.int64(4), {Odd()}, text)}


def no_number(targets, predictions):
    return {"good": 50.0, "bad": np.nan}


def test_whatever_a_task_gives_is_written_as_json(demo_model, tmp_path, capsys):
    from tests import own_tasks

    options = {"postprocess": odd_value, "metric_fns": [no_number, mean_score]}
    own_tasks.add("own_odd", ["good", "bad"], ("bad", "good"), **options)
    run("evaluate.gin", demo_model, tmp_path, [], MIXTURE_OR_TASK_NAME="own_odd")
    line = json.loads((tmp_path / "model.own_odd.jsonl").read_text().splitlines()[0])
    assert line["prediction"] == {"array": [1, None], "3": [4, ["odd"], line["output"]]}
    for said in ((tmp_path / "metrics.json").read_text(), capsys.readouterr().out):
        values = json.loads(said)["model"]["own_odd"]
        assert "NaN" not in said
        assert values["good"] == 50 and values["bad"] is None
        assert values["mean_score"] < 0


def test_metrics_are_kept_where_predictions_cannot_be_written(
    demo_model, tmp_path, monkeypatch
):
    def fails(*_):
        raise RuntimeError("no text")

    monkeypatch.setattr(eval_tasks, "input_text", fails)
    with pytest.raises(RuntimeError, match="no text"):
        run("evaluate.gin", demo_model, tmp_path, [])
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert set(metrics["model"]) == {"demo_food", "demo_topic"}


def test_prompts_of_different_models_are_refused(
    demo_model, prompt_files, tmp_path, capsys
):
    other = tmp_path / "other.safetensors"
    story = {"model": {"fingerprint": "0" * 16, "source": "elsewhere"}}
    files.write(other, soft(np.zeros((2, 64))), story)
    prompts = [prompt_files[0], str(other)]
    message = fail(capsys, "ensemble.gin", demo_model, tmp_path / "out", prompts)
    assert "other.safetensors was trained for the frozen model 0000" in message


def test_nearest_pieces_need_a_prompt_and_no_task(
    demo_model, prompt_files, tmp_path, capsys
):
    for prompts, more, words in (
        ([], {}, "PROMPT_FILES is empty"),
        (prompt_files, {"NEAREST_PIECES": 0}, "NEAREST_PIECES is 0"),
        (prompt_files, {"MIXTURE_OR_TASK_NAME": "sst2"}, "no use for MIXTURE_OR_TASK"),
    ):
        with pytest.raises(SystemExit) as stopped:
            look(demo_model, tmp_path, prompts, **more)
        assert stopped.value.code == 2
        assert words in capsys.readouterr().err
