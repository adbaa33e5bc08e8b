"""T5X's programs, as a user calls them: what they leave, and what reads it."""

import json

import jax
import numpy as np
import pytest
from flax import serialization, traverse_util

from spot_jax import config, infer, library_program, pretrained
from spot_jax.pretrained.save import save_t5x
from spot_jax.prompts import files
from spot_jax.prompts.library import Library
from spot_jax.retrieval import candidates, recipes
from spot_jax.t5 import T5Config, initial_parameters, parameter_shapes
from tests import runs

pytest.importorskip("t5x", reason="T5X is not installed: make t5x T5X=FOLDER")
pytestmark = pytest.mark.t5x

# The step of the checkpoint that the runs begin from.
BASE = 7
NAME = "demo_food-seed0"
ANYTHING = [
    "DROPOUT_RATE=0.0",
    "INITIAL_CHECKPOINT_PATH=x",
    "MIXTURE_OR_TASK_NAME=x",
    "TASK_FEATURE_LENGTHS={'inputs': 8, 'targets': 8}",
]
WITH_DROPOUT = {"DROPOUT_RATE": 0.1, "EMBEDDING_STEP": 3}


@pytest.fixture(scope="module")
def trained(train, tmp_path_factory):
    """MODEL_DIR of eight steps, packed, from class labels."""
    folder = tmp_path_factory.mktemp("t5x") / "run"
    log = train(folder, BASE + 8, WITH_DROPOUT, "gin/t5x/class_labels.gin")
    assert "from scratch" not in log
    return folder


def prompt_of(folder, kind="last"):
    return files.read(folder / f"prompts/{NAME}/{kind}.safetensors")


def test_a_checkpoint_holds_the_prompt_its_optimizer_and_the_step(trained):
    folder = trained / f"checkpoint_{BASE + 8}"
    written = serialization.msgpack_restore((folder / "checkpoint").read_bytes())
    kept = written["optimizer"]
    assert set(kept["target"]) == {"prompt"}
    assert int(kept["state"]["step"]) == BASE + 8
    every = [path for path in folder.rglob("*") if "train_ds" not in path.name]
    assert sum(path.stat().st_size for path in every if path.is_file()) < 20_000


def test_the_prompt_is_a_file_of_this_project(trained, demo_model):
    last, early = prompt_of(trained), prompt_of(trained, "embedding")
    assert (last.story["step"], early.story["step"]) == (8, 3)
    assert last.story["task"] == "demo_food"
    assert last.story["model"]["source"] == demo_model["INITIAL_CHECKPOINT_PATH"]
    assert last.bundle.enc_input.shape == (5, 64)
    assert np.abs(last.bundle.enc_input - early.bundle.enc_input).max() > 0.1


def test_its_best_prompt_is_that_of_an_evaluation(trained):
    best = prompt_of(trained, "best").story
    file = trained / "inference_eval/demo_food-metrics.jsonl"
    scores = [json.loads(line) for line in file.read_text().splitlines()]
    wanted = max(scores, key=lambda line: (line["accuracy"], -line["step"]))
    assert best["step"] == wanted["step"] - BASE
    assert best["results"] == {"demo_food": {"accuracy": wanted["accuracy"]}}
    assert best["score"] == wanted["accuracy"]


def test_a_library_takes_the_run_and_transfer_goes_on_from_it(trained, tmp_path):
    library_program.main(["add", str(tmp_path / "library"), str(trained)])
    (entry,) = Library(tmp_path / "library").entries()
    assert (entry.name, entry.task, entry.embedding_step) == (NAME, "demo_food", 3)
    assert entry.score == prompt_of(trained, "best").story["score"]
    # What `spot_jax train` is told to go on: no step of the checkpoint's is counted.
    recipe = recipes.read(entry.configuration)
    assert recipe.values["TRAIN_STEPS"] == 8
    assert recipe.left_out == ("from tests import demo_tasks",)
    (target,) = candidates.read_targets([str(trained)], None)
    assert (target.name, target.step) == (NAME, 3)


def test_resumed_it_is_the_run_that_was_not_stopped(train, trained, tmp_path):
    for steps in (4, 8):
        log = train(tmp_path, BASE + steps, WITH_DROPOUT, "gin/t5x/class_labels.gin")
    assert f"Restoring from checkpoint: {tmp_path}/checkpoint_{BASE + 4}" in log
    np.testing.assert_array_equal(
        prompt_of(tmp_path).bundle.enc_input, prompt_of(trained).bundle.enc_input
    )


def test_evaluation_reads_checkpoints_and_prompts(call_t5x, trained, tmp_path):
    scores = []
    for place in (
        trained / f"checkpoint_{BASE + 8}",
        trained / f"prompts/{NAME}/last.safetensors",
    ):
        out = tmp_path / str(len(scores))
        given = {"CHECKPOINT_PATH": str(place), "EVAL_OUTPUT_DIR": str(out)}
        call_t5x("eval", given, "gin/t5x/eval.gin")
        file = out / "inference_eval/demo_food-metrics.jsonl"
        scores.append(json.loads(file.read_text().splitlines()[-1]))
    assert scores[0] == scores[1]
    assert scores[0]["step"] == BASE + 8


def test_a_prompt_is_used_with_its_own_model_alone(call_t5x, trained, tmp_path):
    given = {
        "CHECKPOINT_PATH": str(trained / f"checkpoint_{BASE + 8}"),
        "EVAL_OUTPUT_DIR": str(tmp_path / "out"),
        "INITIAL_CHECKPOINT_PATH": str(tmp_path / "checkpoint_7"),
    }
    config.parse(["tests/demo.gin", "gin/runs/shared.gin"], ANYTHING)
    other = initial_parameters(config.configured(T5Config)(), jax.random.key(1))
    save_t5x(given["INITIAL_CHECKPOINT_PATH"], dict(other), 7)
    told = call_t5x("eval", given, "gin/t5x/eval.gin", fails=True)
    assert "Traceback" not in told
    last = told.splitlines()[-1]
    assert last.startswith("spot_jax: ") and "was trained for the frozen model" in last


@pytest.mark.parametrize(
    ("more", "search"),
    [((), "@decode.greedy"), (("gin/t5x/beam_search.gin",), "@beam.beam_search")],
)
def test_answers_are_those_of_spot_jax_infer(
    call_t5x, trained, demo_model, tmp_path, more, search
):
    prompt, out = trained / f"prompts/{NAME}/last.safetensors", tmp_path / "ours.jsonl"
    given = {"CHECKPOINT_PATH": str(prompt), "INFER_OUTPUT_DIR": str(tmp_path)}
    call_t5x("infer", given, "gin/t5x/infer.gin", *more)
    (file,) = tmp_path.glob("demo_food-predict.jsonl-*-of-00001")
    theirs = [json.loads(line) for line in file.read_text().splitlines()]
    config.parse(
        ["tests/demo.gin", "gin/runs/infer.gin"],
        [
            *(f"{name}={value}" for name, value in demo_model.items()),
            "MIXTURE_OR_TASK_NAME=demo_food",
            f"PROMPT_FILE={prompt}",
            f"INFER_OUTPUT={out}",
            f"DECODING={search}",
        ],
    )
    config.configured(infer.infer)()
    ours = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(ours) == len(theirs) == 400
    assert [o["prediction"] for o in ours] == [t["prediction"] for t in theirs]


def test_a_prompt_that_a_library_has_starts_a_run(train, trained, demo_model, tmp_path):
    """What it begins with is the prompt that is most similar to the target's."""
    sources, target = tmp_path / "sources", tmp_path / "target"
    values = {"TRAIN_STEPS": 6, "PROMPT_LENGTH": 5}
    bank = {"MIXTURE_OR_TASK_NAME": ["demo_topic", "demo_film"]}
    runs.train(sources, demo_model, values, bank)
    embedding = trained / f"prompts/{NAME}/embedding.safetensors"
    given = {"LIBRARY": str(sources), "TARGET": str(embedding), "LEARNING_RATE": 0.0}
    files_of_run = ("gin/t5x/retrieved.gin",)
    train(target, BASE + 4, given, *files_of_run)
    ranking = candidates.rank_entries(
        candidates.read_entries(str(sources)),
        *candidates.read_targets([str(embedding)], None),
        "per_token",
        task="demo_food",
        include_own=False,
    )
    wanted = ranking.sources[0].entry.prompt.enc_input
    # What weight decay took away in four steps.
    wanted = wanted * np.float32(1 - 1e-5) ** 4
    np.testing.assert_allclose(prompt_of(target).bundle.enc_input, wanted, rtol=1e-5)


def test_the_model_is_tuned_and_tuned_again(train, demo_model, tmp_path):
    """As multi-task model tuning does: first on a mixture, then on the target."""
    first, second = tmp_path / "mixture", tmp_path / "target"
    model = "gin/t5x/model_tune.gin"
    train(first, BASE + 4, {"MIXTURE_OR_TASK_NAME": "demo_topic"}, model)
    tuned = first / f"checkpoint_{BASE + 4}"
    # Its vocabulary lies beside it.
    again = {"INITIAL_CHECKPOINT_PATH": str(tuned), "VOCABULARY": None}
    log = train(second, BASE + 8, again, model)
    assert "from scratch" not in log
    before, after = _weights(tuned), _weights(second / f"checkpoint_{BASE + 8}")
    assert before.keys() == after.keys()
    assert all(np.abs(after[name] - before[name]).max() > 0 for name in before)
    assert not (second / "prompts").exists()


def _weights(folder) -> dict[str, np.ndarray]:
    """Reads a checkpoint of T5X as `spot_jax train` would."""
    config.parse(["tests/demo.gin", "gin/runs/shared.gin"], ANYTHING)
    shapes, _ = parameter_shapes(config.configured(T5Config)())
    return traverse_util.flatten_dict(pretrained.load(str(folder), shapes).params)


def test_rows_of_ones_own_are_learned_and_answered(train, call_t5x, tmp_path):
    """Of the form that the prompt tells, where its user does not."""
    texts = [(f"the {name} was", name) for name in ("good", "bad") for _ in range(20)]
    file = tmp_path / "mood.csv"
    lines = [
        f"{text} {number} {label},{label}"
        for number, (text, label) in [*enumerate(texts)]
    ]
    file.write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    told = {"files": {"train": str(file)}, "input": "mood: {text}", "target": "{label}"}
    values = {"MIXTURE_OR_TASK_NAME": "mood", "ROWS": {"mood": told}}
    train(tmp_path / "run", BASE + 4, values, "gin/t5x/class_labels.gin")
    best = files.read(tmp_path / "run/prompts/mood-seed0/best.safetensors")
    assert best.story["rows"]["labels"] == ["bad", "good"]
    assert best.story["results"]["mood"].keys() >= {"accuracy"}
    asked = {"MIXTURE_OR_TASK_NAME": "mood", "INFER_OUTPUT_DIR": str(tmp_path)}
    asked["ROWS"] = {"mood": {"files": {"validation": str(file)}}}
    call_t5x("infer", asked | {"CHECKPOINT_PATH": best.path}, "gin/t5x/infer.gin")
    (out,) = tmp_path.glob("mood-predict.jsonl-*-of-00001")
    answers = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(answers) == 40
    assert answers[0]["inputs"]["inputs_pretokenized"] == "mood: the good was 0 good"
