"""Evaluation: the same figures as seqio.Evaluator, for several prompts at once."""

import json

import jax
import numpy as np
import pytest

from spot_jax import config
from spot_jax.data import eval_tasks, set_up
from spot_jax.evaluate import evaluate
from spot_jax.model import sharding, weights
from spot_jax.prompts import files
from spot_jax.prompts.base import slots_of
from spot_jax.scoring import batches, grading, saved_prompts
from spot_jax.scoring.evaluator import Evaluator
from spot_jax.settings import Data, Evaluation, Model
from spot_jax.t5 import T5
from spot_jax.t5.decode import sample
from spot_jax.text.metrics import accuracy
from tests import runs
from tests.bundles import soft

LENGTHS = {"inputs": 32, "targets": 8}


@pytest.fixture(scope="module")
def loaded(demo_model):
    """A random T5, and the demo's vocabulary in use."""
    config.parse(
        ["tests/demo.gin", "gin/runs/evaluate.gin"],
        [
            *(f"{name}={value}" for name, value in demo_model.items()),
            *("MIXTURE_OR_TASK_NAME=demo_food", "EVAL_OUTPUT_DIR=x", "PROMPT_FILES=[]"),
        ],
    )
    set_up.set_up_tasks(config.configured(Data)())
    return weights.load(config.configured(Model)())


@pytest.fixture
def ready(loaded):
    """The T5 on its mesh, where programs compute."""
    with sharding.on_mesh(loaded.mesh):
        yield loaded


@pytest.fixture(scope="module")
def prompt_files(tmp_path_factory):
    """Three prompts of different lengths."""
    folder = tmp_path_factory.mktemp("prompts")
    paths = []
    for index, length in enumerate((5, 3, 5)):
        values = np.random.default_rng(index).normal(size=(length, 64)) * 3
        paths.append(str(folder / f"prompt{index}.safetensors"))
        files.write(paths[-1], soft(values), {"name": f"prompt{index}"})
    return paths


def task_of(evaluation, name="demo_food", **options):
    data = Data(name, LENGTHS, "unused", **options)
    return eval_tasks.load_task(name, evaluation, data)


def evaluator_of(ready, paths, evaluation):
    saved = saved_prompts.read(paths, ready.config)
    prompts, binding = saved_prompts.bank_of(saved, ready)
    made = Evaluator(ready, binding, evaluation, LENGTHS, slots_of(prompts))
    return made, prompts


@pytest.mark.parametrize("method", ["decode", "rank"])
def test_several_prompts_at_once_answer_as_each_alone(ready, prompt_files, method):
    evaluation = Evaluation(method=method, examples=30, rows=16)
    task = task_of(evaluation)
    together, prompts = evaluator_of(ready, prompt_files, evaluation)
    answers = together.predict(prompts, ready.params, task, [0, 1, 2])
    assert {a.score for a in answers[0]} != {a.score for a in answers[2]}
    for index, path in enumerate(prompt_files):
        alone, prompt = evaluator_of(ready, [path], evaluation)
        own = alone.predict(prompt, ready.params, task, [0])[0]
        assert [a.text for a in own] == [a.text for a in answers[index]]
        np.testing.assert_allclose(
            [a.score for a in own], [a.score for a in answers[index]], atol=1e-4
        )


def test_every_example_is_answered_once_whatever_the_batch(ready, prompt_files):
    for rows in (7, 16):
        evaluation = Evaluation(method="rank", examples=30, rows=rows)
        made, prompts = evaluator_of(ready, prompt_files[:1], evaluation)
        answers = made.predict(prompts, ready.params, task_of(evaluation), [0])[0]
        assert [a.example for a in answers] == list(range(30))


def test_metrics_equal_those_of_seqio_evaluator(ready, prompt_files):
    import seqio

    evaluation = Evaluation(method="rank", examples=None)
    task = task_of(evaluation)
    made, prompts = evaluator_of(ready, prompt_files[:1], evaluation)
    results, predictions = made.evaluate(prompts, ready.params, {0: [task]})
    tokens = [
        (index, [*task.vocabulary.encode(answer.text), 1])
        for index, answer in enumerate(predictions[0, "demo_food"])
    ]
    theirs = seqio.Evaluator(
        "demo_food",
        feature_converter=seqio.EncDecFeatureConverter(pack=False),
        sequence_length=LENGTHS,
    )
    metrics, _ = theirs.evaluate(compute_metrics=True, predict_fn=lambda ds: tokens)
    assert results[0]["demo_food"] == pytest.approx(metrics.result()["demo_food"])


def scores_squared(targets, scores):
    return {"mean": np.mean(scores), "first": scores[0] ** 2}


def highest(targets, predictions, aux_values):
    return {"highest": np.max(aux_values["scores"]), "count": len(predictions)}


def test_metrics_of_scores_equal_those_of_seqio_evaluator(ready, prompt_files):
    import seqio

    from tests import own_tasks

    metric_fns = [accuracy, scores_squared, highest]
    own_tasks.add(
        "own_kinds", ["good", "bad ."], ("bad", "good"), metric_fns=metric_fns
    )
    evaluation = Evaluation(method="rank")
    task = task_of(evaluation, "own_kinds")
    made, prompts = evaluator_of(ready, prompt_files[:1], evaluation)
    results, predictions = made.evaluate(prompts, ready.params, {0: [task]})
    answers = predictions[0, "own_kinds"]
    tokens = [
        (index, [*task.vocabulary.encode(answer.text), 1])
        for index, answer in enumerate(answers)
    ]
    columns = [[e[feature] for e in task.examples] for feature in LENGTHS]
    prompt = files.read(prompt_files[0]).bundle
    scores = token_scores(ready, prompt, *columns).sum(axis=1)
    theirs = seqio.Evaluator(
        "own_kinds",
        feature_converter=seqio.EncDecFeatureConverter(pack=False),
        sequence_length=LENGTHS,
    )
    auxiliary = {"scores": [answer.score for answer in answers]}
    metrics, _ = theirs.evaluate(
        compute_metrics=True,
        predict_fn=lambda _: tokens,
        score_fn=lambda _: list(enumerate(scores)),
        predict_with_aux_fn=lambda _: (tokens, auxiliary),
    )
    wanted = metrics.result()["own_kinds"]
    assert results[0]["own_kinds"] == pytest.approx(wanted, rel=1e-5)


def test_right_and_wrong_answers_are_scored_so(ready):
    task = task_of(Evaluation(examples=10))
    right = [
        grading.Prediction(i, eval_tasks.target_text(task, example), 0.0)
        for i, example in enumerate(task.examples)
    ]
    assert grading.score(task, right) == {"accuracy": 100.0}
    wrong = [grading.Prediction(p.example, "?", 0.0) for p in right[:4]] + right[4:]
    assert grading.score(task, wrong) == {"accuracy": 60.0}


def token_scores(ready, prompt, inputs, targets):
    """[rows, length] log-probabilities of targets, 0 for padding; one example a row."""
    inputs, targets = (
        np.stack([np.pad(row, (0, limit - len(row))) for row in rows])
        for rows, limit in zip((inputs, targets), LENGTHS.values(), strict=True)
    )
    logits = jax.jit(T5(ready.config).apply)(
        {"params": ready.params},
        inputs,
        np.pad(targets[:, :-1], ((0, 0), (1, 0))),
        prompt=prompt,
    )
    scores = np.asarray(jax.nn.log_softmax(logits), np.float64)
    scores = np.take_along_axis(scores, targets[..., None], axis=-1)[..., 0]
    return np.where(targets > 0, scores, 0.0)


def test_ranking_takes_the_label_with_the_larger_probability(ready, prompt_files):
    """Compared with whole forward passes, label by label."""
    evaluation = Evaluation(method="rank", examples=11, rows=8)
    task = task_of(evaluation)
    made, prompts = evaluator_of(ready, prompt_files[:1], evaluation)
    answers = made.predict(prompts, ready.params, task, [0])[0]
    prompt = files.read(prompt_files[0]).bundle
    inputs, scores = [example["inputs"] for example in task.examples], []
    for label in task.labels:
        targets = [[*task.vocabulary.encode(label), 1]] * 11
        scores.append(token_scores(ready, prompt, inputs, targets).sum(axis=1))
    best = [task.labels[index] for index in np.argmax(scores, axis=0)]
    assert [a.text for a in answers] == best
    best = np.max(scores, axis=0)
    np.testing.assert_allclose([a.score for a in answers], best, atol=1e-5)


@pytest.mark.parametrize("longest", [12, 32], ids=["packed", "one a row"])
def test_the_loss_is_the_mean_over_all_target_tokens(ready, prompt_files, longest):
    """Compared with one example a row, each prompt by itself, without our batches."""
    random = np.random.default_rng(0)
    inputs = [random.integers(2, 90, n) for n in random.integers(1, longest + 1, 43)]
    targets = [random.integers(2, 90, n) for n in random.integers(1, 9, 43)]
    pairs = zip(inputs, targets, strict=True)
    examples = [dict(zip(LENGTHS, pair, strict=True)) for pair in pairs]
    task = eval_tasks.EvalTask("text", None, examples, (), None)
    made, prompts = evaluator_of(ready, prompt_files, Evaluation(rows=8))
    tasks = dict.fromkeys((0, 2, 1), [task])
    results, _ = made.evaluate(prompts, ready.params, tasks)
    for index, path in enumerate(prompt_files):
        scores = token_scores(ready, files.read(path).bundle, inputs, targets)
        loss = -scores[scores < 0].mean()
        assert results[index]["text"]["loss"] == pytest.approx(loss, abs=1e-5)


@pytest.mark.parametrize("method", ["decode", "rank"])
def test_answers_do_not_depend_on_the_lengths_of_rows(
    ready, prompt_files, monkeypatch, method
):
    evaluation = Evaluation(method=method, examples=30, rows=8)
    task = task_of(evaluation)
    found = []
    for lengths in (1, 5):
        monkeypatch.setattr(batches, "_ROW_LENGTHS", lengths)
        made, prompts = evaluator_of(ready, prompt_files[:2], evaluation)
        answers = made.predict(prompts, ready.params, task, [0, 1])
        found.append([(a.text, a.score) for i in (0, 1) for a in answers[i]])
    (texts, scores), (same_texts, same_scores) = (zip(*f, strict=True) for f in found)
    assert texts == same_texts
    np.testing.assert_allclose(scores, same_scores, atol=1e-5)


def settings(demo_model, task="demo_food", **evaluation_options):
    given = demo_model | {"MIXTURE_OR_TASK_NAME": "x", "DROPOUT_RATE": 0.0}
    bindings = [f"{name}={value}" for name, value in given.items()]
    config.parse(["tests/demo.gin", "gin/runs/shared.gin"], bindings)
    return {
        "model": config.configured(Model)(),
        "data": Data(task, LENGTHS, demo_model["VOCABULARY"]),
        "evaluation": Evaluation(**evaluation_options),
    }


def test_evaluate_writes_metrics_and_predictions(demo_model, prompt_files, tmp_path):
    table = evaluate(
        output_dir=str(tmp_path),
        prompt_files=prompt_files,
        **settings(demo_model, ["demo_food", "demo_topic"], method="rank", examples=20),
    )
    assert list(table) == ["prompt0", "prompt1", "prompt2"]
    assert json.loads((tmp_path / "metrics.json").read_text()) == table
    for prompt in table:
        for task in ("demo_food", "demo_topic"):
            text = (tmp_path / f"{prompt}.{task}.jsonl").read_text()
            lines = [json.loads(line) for line in text.splitlines()]
            assert len(lines) == 20
            right = sum(line["output"] == line["target"] for line in lines)
            assert table[prompt][task]["accuracy"] == pytest.approx(100 * right / 20)


def test_evaluate_without_a_prompt_scores_the_model_alone(demo_model, tmp_path):
    table = evaluate(
        output_dir=str(tmp_path), prompt_files=[], **settings(demo_model, examples=5)
    )
    assert set(table) == {"model"}


def test_a_prompt_of_another_model_is_refused(ready, tmp_path):
    path = tmp_path / "other.safetensors"
    story = {"model": {"fingerprint": "0" * 16, "source": "elsewhere"}}
    files.write(path, soft(np.zeros((2, 64))), story)
    saved = saved_prompts.read([str(path)], ready.config)
    with pytest.raises(ValueError, match="trained for the frozen model 0000"):
        saved_prompts.bank_of(saved, ready)
    files.write(path, soft(np.zeros((2, 32))), {})
    with pytest.raises(ValueError, match=r"\[2, 32\], the model takes \[prompt, 64\]"):
        saved_prompts.read([str(path)], ready.config)


def test_the_programs_run_from_the_command_line(demo_model, prompt_files, tmp_path):
    given = [
        *(f"{name}={value}" for name, value in demo_model.items()),
        *("MIXTURE_OR_TASK_NAME=demo_food", "EVALUATOR_NUM_EXAMPLES=5"),
        *(f"PROMPT_FILES={prompt_files}", f"EVAL_OUTPUT_DIR={tmp_path}"),
        *("DECODING=@beam.beam_search", "beam_search.beams=2"),
    ]
    gin_files = ["tests/demo.gin", "gin/runs/evaluate.gin"]
    from spot_jax.__main__ import main

    main(runs.command("evaluate", given, gin_files)[3:])
    assert len(list(tmp_path.glob("*.jsonl"))) == 3
    prompts = json.loads((tmp_path / "prompts.json").read_text())
    assert list(prompts.values()) == prompt_files


def test_sampling_depends_on_its_seed(ready, prompt_files):
    texts = []
    for seed in (0, 0, 1):
        evaluation = Evaluation(examples=30, rows=16, search=sample, seed=seed)
        task = task_of(evaluation)
        made, prompts = evaluator_of(ready, prompt_files[:1], evaluation)
        answers = made.predict(prompts, ready.params, task, [0])[0]
        texts.append([answer.text for answer in answers])
    assert texts[0] == texts[1] != texts[2]
