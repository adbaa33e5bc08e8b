"""Prompts with heads go through every program."""

import json
import logging
import shutil

import numpy as np
import pytest

from spot_jax import config, evaluate, infer, library_program, transfer
from spot_jax.__main__ import main
from spot_jax.data import loading
from spot_jax.data.orders import Position
from spot_jax.errors import InputError
from spot_jax.model import weights
from spot_jax.prompts import algebra, files
from spot_jax.prompts.library import Library
from spot_jax.settings import Data
from spot_jax.text.tagging import TAGS
from tests import demo_world, head_tasks, runs

GIN = [*runs.FILES, "gin/prompts/p_tuning_v2.gin"]
SOFT = runs.FILES
SHARED = {
    "MIXTURE_OR_TASK_NAME": ["demo_food", "demo_topic"],
    "HEAD": "'cls'",
    "SHARED_PROMPT": True,
    "LEARNING_RATE": 0.01,
}
BESIDE = {
    "token": {"MIXTURE_OR_TASK_NAME": "head_names", "EVALUATION": "decode"},
    "span": {"MIXTURE_OR_TASK_NAME": "head_spans", "EVALUATION": "decode"},
}
LONGER = {"TASK_FEATURE_LENGTHS": "{'inputs': 128, 'targets': 64}"}
# The demo's vocabulary has none of the words in which entities are told.
IN_BYTES = LONGER | {"VOCABULARY": "bytes"}


def read(folder, task, which, seed=0):
    return files.read(folder / f"prompts/{task}-seed{seed}/{which}.safetensors")


def matrices(prompt):
    return np.concatenate([m.ravel() for m in algebra.token_matrices(prompt.bundle)])


@pytest.fixture(scope="module")
def shared(demo_model, tmp_path_factory):
    """A finished bank of two tasks, which share their prompt."""
    folder = tmp_path_factory.mktemp("shared") / "bank"
    runs.train(folder, demo_model, SHARED, files=GIN)
    return folder


def test_tasks_share_a_prompt_and_have_heads_of_their_own(shared):
    food, topic = (
        read(shared, task, "last") for task in SHARED["MIXTURE_OR_TASK_NAME"]
    )
    np.testing.assert_array_equal(matrices(food), matrices(topic))
    early = read(shared, "demo_food", "embedding")
    assert np.abs(matrices(food) - matrices(early)).max() > 1e-4
    assert food.bundle.head.names == (("bad", "good"),)
    assert topic.bundle.head.names == (("film", "food"),)
    moved = food.bundle.head.kernel - early.bundle.head.kernel
    assert np.abs(moved).max() > 1e-4
    assert np.abs(food.bundle.head.kernel - topic.bundle.head.kernel).max() > 1e-3


def test_a_run_that_goes_on_ends_as_one_that_was_not_stopped(
    shared, demo_model, tmp_path
):
    stopped = tmp_path / "stopped"
    shutil.copytree(shared, stopped)
    shutil.rmtree(stopped / "checkpoints/step_12")
    for task in SHARED["MIXTURE_OR_TASK_NAME"]:
        (stopped / f"prompts/{task}-seed0/last.safetensors").unlink()
    runs.train(stopped, demo_model, SHARED, files=GIN)
    assert json.loads((stopped / "run.json").read_text())["resumed_at"] == 9
    for task in SHARED["MIXTURE_OR_TASK_NAME"]:
        one, two = (read(folder, task, "last") for folder in (shared, stopped))
        np.testing.assert_array_equal(matrices(one), matrices(two))
        for name in ("kernel", "bias"):
            arrays = [getattr(each.bundle.head, name) for each in (one, two)]
            np.testing.assert_array_equal(*arrays)


def parsed(program, demo_model, *given):
    values = demo_model | {"EVALUATOR_NUM_EXAMPLES": 20}
    for more in given:
        values |= more
    config.parse(
        ["tests/demo.gin", f"gin/runs/{program}.gin"],
        [f"{name}={value}" for name, value in values.items()],
    )
    module = infer if program == "infer" else evaluate
    name = "infer" if program == "infer" else "evaluate"
    return config.configured(getattr(module, name))


def test_it_is_evaluated_and_answers_as_it_was_chosen(shared, demo_model, tmp_path):
    best = read(shared, "demo_topic", "best")
    asked = {"MIXTURE_OR_TASK_NAME": "demo_topic", "PROMPT_FILES": [best.path]}
    where = {"EVAL_OUTPUT_DIR": str(tmp_path / "scores")}
    (scores,) = parsed("evaluate", demo_model, asked, where)().values()
    assert scores == best.story["results"]
    lines = (tmp_path / "scores/demo_topic-seed0.demo_topic.jsonl").read_text()
    said = {json.loads(line)["output"] for line in lines.splitlines()}
    assert said <= {"film", "food"}
    told = {"PROMPT_FILE": best.path, "MIXTURE_OR_TASK_NAME": "demo_topic"}
    told |= {"INFER_OUTPUT": str(tmp_path / "out.jsonl")}
    answers = parsed("infer", demo_model, told)()
    same = [json.loads(line)["prediction"] for line in lines.splitlines()]
    assert [line["prediction"] for line in answers] == same


def test_it_goes_into_a_library_and_an_average_leaves_heads_out(
    shared, demo_model, tmp_path, capsys
):
    kept = str(tmp_path / "library")
    library_program.main(["add", kept, str(shared)])
    library_program.main(["verify", kept])
    assert "nothing wrong" in capsys.readouterr().out
    entry = Library(kept).read("demo_food-seed0")
    wanted = read(shared, "demo_food", "best").bundle.head
    assert entry.prompt.head.names == wanted.names
    np.testing.assert_array_equal(entry.prompt.head.kernel, wanted.kernel)
    target = str(shared / "prompts/demo_film-seed0")
    shutil.copytree(shared / "prompts/demo_topic-seed0", target)
    asked = [kept, "--target", target, "--target_task", "head_film", "--k", "2"]
    transfer.main([*asked, "--method", "average", "--out", str(tmp_path / "average")])
    assert files.read(tmp_path / "average/start.safetensors").bundle.head is None
    transfer.main([*asked, "--method", "best", "--out", str(tmp_path / "best")])
    assert files.read(tmp_path / "best/start-1.safetensors").bundle.head is not None


@pytest.mark.parametrize(
    ("task", "head", "told"),
    [
        ("demo_food", "'cls'", "a cls head of 2 classes (bad, good) is drawn anew"),
        # Of the same classes as the source's task, in another order.
        ("head_film", "'cls'", None),
        ("head_film", "None", "which is left out: without HEAD"),
    ],
)
def test_a_prompt_starts_at_anothers_and_says_what_becomes_of_its_head(
    task, head, told, shared, demo_model, tmp_path, caplog
):
    """SPoT: the sites are the source's, bit for bit."""
    source = read(shared, "demo_food" if task == "head_film" else "demo_topic", "best")
    start = {"PROMPT_FILE": source.path, "LEARNING_RATE": 0.0, "TRAIN_STEPS": 1}
    start |= {"MIXTURE_OR_TASK_NAME": task, "HEAD": head, "PREFIX_BIAS": "'zero'"}
    start |= {"EVAL_PERIOD": 1, "EMBEDDING_STEP": 1, "CHECKPOINT_PERIOD": 1}
    gin = [*GIN, "gin/prompts/from_file.gin"]
    with caplog.at_level(logging.INFO):
        runs.train(tmp_path / "run", demo_model, start, files=gin)
    found = read(tmp_path / "run", task, "last")
    np.testing.assert_array_equal(matrices(found), matrices(source))
    said = [r.getMessage() for r in caplog.records if "The start has" in r.getMessage()]
    assert len(said) == bool(told) and all(told in line for line in said)
    if head == "None":
        assert found.bundle.head is None
    elif told is None:
        assert found.bundle.head.names == (("good", "bad"),)
        kernels = found.bundle.head.kernel, source.bundle.head.kernel[:, ::-1]
        np.testing.assert_array_equal(*kernels)
    else:
        assert found.bundle.head.names == (("bad", "good"),)


@pytest.fixture(
    scope="module", params=["token", pytest.param("span", marks=pytest.mark.slow)]
)
def beside(request, demo_model, tmp_path_factory):
    """A finished run of a head that stands beside the input, with its kind."""
    kind = request.param
    folder = tmp_path_factory.mktemp(kind) / "run"
    given = BESIDE[kind] | IN_BYTES | {"HEAD": f"'{kind}'", "RANDOM_SEED": "[0, 1]"}
    runs.train(folder, demo_model, given | {"LEARNING_RATE": 0.03}, files=GIN)
    return kind, folder


def test_a_head_beside_the_input_is_evaluated_votes_and_answers(
    beside, demo_model, tmp_path
):
    kind, folder = beside
    task = BESIDE[kind]["MIXTURE_OR_TASK_NAME"]
    prompts = [read(folder, task, "best", seed) for seed in (0, 1)]
    for prompt in prompts:
        assert prompt.bundle.head.kind == kind
    asked = BESIDE[kind] | IN_BYTES | {"PROMPT_FILES": [p.path for p in prompts]}
    where = {"EVAL_OUTPUT_DIR": str(tmp_path / "votes")}
    scores = parsed("ensemble", demo_model, asked, where)()
    assert list(scores.values()) == [prompt.story["results"] for prompt in prompts]
    votes = json.loads((tmp_path / "votes/ensemble.json").read_text())
    assert votes.keys() == {task}

    told = {"PROMPT_FILE": prompts[0].path, "MIXTURE_OR_TASK_NAME": task} | IN_BYTES
    told |= {"INFER_OUTPUT": str(tmp_path / "out.jsonl")}
    answers = parsed("infer", demo_model, told)()
    lines = (tmp_path / f"votes/{task}-seed0.{task}.jsonl").read_text().splitlines()
    same = [json.loads(line)["prediction"] for line in lines]
    if kind == "span":
        assert [line["prediction"] for line in answers] == same
    # Text of one's own, of which nobody tells the words.
    text = tmp_path / "text.txt"
    text.write_text("Ada saw the film Orion on Monday .\nAda  saw the film Delta .\n")
    told |= {"INFER_INPUT": str(text), "INFER_OUTPUT": str(tmp_path / "two.jsonl")}
    answers = parsed("infer", demo_model, told)()
    assert len(answers) == 2
    assert all(isinstance(line["prediction"], str) for line in answers)


@pytest.mark.slow
def test_prompts_of_one_task_vote_by_their_heads(demo_model, tmp_path):
    given = {"HEAD": "'cls'", "RANDOM_SEED": "[0, 1]", "LEARNING_RATE": 0.3}
    runs.train(tmp_path / "run", demo_model, given, files=SOFT)
    paths = [read(tmp_path / "run", "demo_food", "best", s).path for s in (0, 1)]
    asked = {"MIXTURE_OR_TASK_NAME": "demo_food", "PROMPT_FILES": [*paths, paths[0]]}
    where = {"EVAL_OUTPUT_DIR": str(tmp_path / "votes")}
    parsed("ensemble", demo_model, asked, where)()
    votes = json.loads((tmp_path / "votes/ensemble.json").read_text())
    alone = read(tmp_path / "run", "demo_food", "best").story["results"]["demo_food"]
    # Two of three votes are one prompt's.
    assert votes["demo_food"]["ensemble"] == alone


@pytest.fixture
def no_model(monkeypatch):
    """Fails where the model is loaded: what is wrong is said before."""

    def load(*_, **__):
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(weights, "load", load)


BANK = "[('demo_food', 0, None), ('demo_topic', 0, None)]"
TWO = ["demo_food", "demo_topic"]
REFUSED = {
    "no such head": ({"HEAD": "'words'"}, "HEAD is 'words'; it is cls, token, span"),
    "free answers": (
        {"MIXTURE_OR_TASK_NAME": "head_free", "HEAD": "'cls'"},
        "head_free has none: its answers are free",
    ),
    "labels that are not all": (
        {
            "MIXTURE_OR_TASK_NAME": "head_free",
            "HEAD": "'cls'",
            "CLASS_LABELS": "['bad', 'good']",
            "EVALUATION": "decode",
        }
        | LONGER,
        "A target of head_free is .* none of its 2 classes",
    ),
    "no words": ({"HEAD": "'token'"}, "demo_food do not have words and tags"),
    "no answers": (
        {"MIXTURE_OR_TASK_NAME": "head_names", "HEAD": "'span'"} | LONGER,
        "head_names do not have answer_start and answer_end",
    ),
    "several sets of classes": (
        {"MIXTURE_OR_TASK_NAME": "head_mixture", "HEAD": "'cls'"},
        "head_mixture is a mixture of tasks with other classes.*SHARED_PROMPT",
    ),
    "smoothing": ({"HEAD": "'cls'", "LABEL_SMOOTHING": 0.1}, "LABEL_SMOOTHING is 0.1"),
    "one task to share": ({"SHARED_PROMPT": True}, "for several tasks"),
    "a bank to share": (
        {"SHARED_PROMPT": True, "BANK": BANK, "MIXTURE_OR_TASK_NAME": TWO},
        "for several tasks.* without a BANK",
    ),
    "dropout of no prefix": (
        {"PREFIX_DROPOUT": 0.1},
        "PREFIX_DROPOUT is 0.1, .*this kind of prompt is enc_input",
    ),
    "nothing that is read": (
        {
            "MIXTURE_OR_TASK_NAME": "head_names",
            "HEAD": "'token'",
            "EVALUATION": "decode",
        }
        | {"PROMPT": "@deep_kv.DeepKV", "PROMPT_SITES": "['dec_self']"}
        | {"PROMPT_START": "@init.drawn"}
        | IN_BYTES,
        "dec_self .*which the decoder alone reads.*PROMPT_SITES",
    ),
    "dropout of all": ({"PREFIX_DROPOUT": 1.0}, "PREFIX_DROPOUT is 1.0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_learned_is_one_message_before_the_model_is_loaded(
    case, demo_model, tmp_path, no_model
):
    given, told = REFUSED[case]
    gin = GIN if "PROMPT" in given else SOFT
    with pytest.raises(InputError, match=told):
        runs.train(tmp_path / "run", demo_model, given, files=gin)


@pytest.mark.parametrize("kind", BESIDE)
def test_rows_of_ones_own_have_no_words_and_no_places(
    kind, demo_model, tmp_path, capsys
):
    folder = demo_world.write_rows(tmp_path, {"train": 20, "dev": 8}, ("bad", "good"))
    given = runs.bindings(tmp_path / "run", demo_model, {"HEAD": f"'{kind}'"})
    given = [one for one in given if not one.startswith("MIXTURE")]
    gin = ["tests/demo_model.gin", *runs.FILES[1:]]
    command = runs.command("train", given, gin)[3:]
    told = ["--rows", f"train={folder}/train.csv", "--input", "mood: {text}"]
    with pytest.raises(SystemExit) as stopped:
        main([*command, *told, "--target", "{label}", "--name", "mood"])
    assert stopped.value.code == 2
    assert "the examples of mood do not have" in capsys.readouterr().err


@pytest.fixture(scope="module")
def strangers(shared, tmp_path_factory):
    """Files of prompts that do not belong to demo_food, by what they are."""
    folder = tmp_path_factory.mktemp("strangers")
    food = read(shared, "demo_food", "best")
    tagger = food.bundle.head.replace(
        kernel=np.zeros((64, len(TAGS)), np.float32),
        bias=np.zeros(len(TAGS), np.float32),
        kind="token",
        names=(TAGS,),
    )
    of = {
        "of another task": read(shared, "demo_topic", "best").bundle,
        "a tagger": food.bundle.replace(head=tagger),
        "without a head": food.bundle.replace(head=None),
        "its own": food.bundle,
    }
    for name, bundle in of.items():
        files.write(folder / f"{name}.safetensors", bundle, {"name": "p"})
    return folder


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["of another task"], "cls head of 2 classes .film, food.*bad, good"),
        (["a tagger"], "demo_food do not have words and tags"),
        (["without a head", "its own"], "no head.*answer in different ways"),
        (["a tagger", "its own"], "token head.*answer in different ways"),
    ],
)
def test_a_prompt_that_cannot_answer_a_task_is_refused_before_the_model_is_loaded(
    names, told, strangers, demo_model, tmp_path, no_model
):
    paths = [str(strangers / f"{name}.safetensors") for name in names]
    asked = {"MIXTURE_OR_TASK_NAME": "demo_food", "PROMPT_FILES": paths}
    where = {"EVAL_OUTPUT_DIR": str(tmp_path)}
    with pytest.raises(InputError, match=told):
        parsed("evaluate", demo_model, asked, where)()


def test_labels_that_are_no_classes_are_not_ranked(
    strangers, demo_model, tmp_path, no_model
):
    told = {"PROMPT_FILE": str(strangers / "of another task.safetensors")}
    told |= {"MIXTURE_OR_TASK_NAME": "demo_food", "EVALUATION": "rank"}
    told |= {"INFER_OUTPUT": str(tmp_path / "out.jsonl")}
    with pytest.raises(InputError, match="film, food.*asked about 'bad', 'good'"):
        parsed("infer", demo_model, told)()


def test_targets_as_text_do_not_matter_where_words_are_tagged(demo_model, caplog):
    """Longer than TASK_FEATURE_LENGTHS, they are neither cut nor refused."""
    from spot_jax.data import set_up

    lengths = {"inputs": 32, "targets": 2}
    vocabulary = demo_model["VOCABULARY"]
    data = Data("head_names", lengths, vocabulary, modules="tests.head_tasks")
    set_up.set_up_tasks(data)
    with caplog.at_level(logging.INFO):
        reader = loading.training_loader(data, head="token")("head_names")
        with pytest.raises(InputError, match="targets are longer than 2"):
            loading.training_loader(data)("head_names")
    taken = reader(0, Position()).take(head_tasks.SIZES["train"])
    assert all(len(inputs) == len(marks) for inputs, marks in taken)
    assert not [r for r in caplog.records if "targets" in r.getMessage()]
    short = Data("head_names", lengths | {"inputs": 6}, vocabulary)
    with pytest.raises(InputError, match="inputs are longer than 6"):
        loading.training_loader(short, head="token")("head_names")
