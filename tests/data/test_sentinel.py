"""A sentinel stands before every target, is ranked with labels, and is not scored."""

import dataclasses

import numpy as np
import pytest

from spot_jax.__main__ import main
from spot_jax.data import eval_tasks, loading, own_rows, sentinel
from spot_jax.data.orders import Position
from spot_jax.data.tokenized_runs import open_tokenized
from spot_jax.data.tokenized_writer import write_tokenized
from spot_jax.data.vocabularies import open_and_identify
from spot_jax.errors import InputError
from spot_jax.prompts import files
from spot_jax.scoring import saved_prompts
from spot_jax.scoring.answerer import _encoded
from spot_jax.settings import Data, Evaluation
from spot_jax.spot_tiny import BYTES
from spot_jax.text.pieces import open_pieces
from tests import demo_world

LENGTHS = {"inputs": 64, "targets": 8}
WORDS = ("bad", "good")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Two files of the demo's world."""
    folder, counts = tmp_path_factory.mktemp("rows"), {"train": 16, "validation": 8}
    return demo_world.write_rows(folder, counts, WORDS)


def data_of(rows, **more):
    files_of = {s: f"{rows}/{s}.csv" for s in ("train", "validation")}
    told = {"files": files_of, "input": "mood: {text}", "target": "{label}"}
    return Data("mood", rows={"mood": told}, vocabulary="spot_tiny", **more)


@pytest.mark.parametrize("name, extra_ids", [("spot_tiny", 0), (BYTES, 125)])
def test_the_sentinel_is_the_first_one(name, extra_ids):
    pieces = open_pieces(name, extra_ids, "")[0]
    found = sentinel.sentinel_of(pieces)
    assert pieces.id_to_piece(found).endswith("<extra_id_0>")


def test_a_vocabulary_without_sentinels_is_refused():
    with pytest.raises(InputError, match="has no sentinels.*EXTRA_IDS=100"):
        sentinel.sentinel_of(open_pieces(BYTES, 0, "")[0])


def test_texts_begin_with_it_and_are_read_without_it():
    pieces = open_pieces("spot_tiny", 0, "")[0]
    begun = sentinel.Begun(pieces)
    first = sentinel.sentinel_of(pieces)
    assert begun.encode("good") == [first, *pieces.encode("good")]
    assert begun.decode(np.asarray(begun.encode("good"))) == "good"
    # An answer that lacks it stands as it is; another sentinel is no text of ours.
    assert begun.decode(pieces.encode("good")) == "good" and begun.decode([]) == ""
    assert begun.decode([first, first, *pieces.encode("a")]) != "a"
    assert begun.unk_id() == pieces.unk_id()


def test_labels_are_ranked_with_it():
    pieces = open_pieces("spot_tiny", 0, "")[0]
    first = sentinel.sentinel_of(pieces)
    plain, begun = (_encoded(WORDS, v) for v in (pieces, sentinel.Begun(pieces)))
    np.testing.assert_array_equal(begun[:, 1:], plain)
    assert (begun[:, 0] == first).all()


def test_rows_are_learned_and_evaluated_with_it(rows):
    plain, begun = data_of(rows), data_of(rows, sentinel=True)
    pieces, _ = open_and_identify("spot_tiny")
    first = sentinel.sentinel_of(pieces)
    plain, begun = (own_rows.with_lengths(data, pieces) for data in (plain, begun))
    pairs = [
        loading.training_loader(data)("mood")(0, Position()).take(16)
        for data in (plain, begun)
    ]
    for (inputs, targets), (same, after) in zip(*pairs, strict=True):
        np.testing.assert_array_equal(inputs, same)
        np.testing.assert_array_equal([first, *targets], after)
    task = eval_tasks.load_task("mood", Evaluation("rank"), begun)
    assert all(example["targets"][0] == first for example in task.examples)
    told = [eval_tasks.right_answer(task, example) for example in task.examples]
    assert set(told) == {0, 1}
    assert eval_tasks.target_text(task, {"targets": task.examples[0]["targets"]}) == (
        task.examples[0]["targets_pretokenized"].decode()
    )


def test_it_counts_in_the_length_of_targets(rows):
    pieces, _ = open_and_identify("spot_tiny")
    longest = max(len(pieces.encode(word)) + 1 for word in WORDS)
    lengths = {"inputs": 64, "targets": longest}
    data = data_of(rows, lengths=lengths)
    task = own_rows.task_of("mood", data)
    assert own_rows.examples_of(task, "train", data, pieces)
    data = dataclasses.replace(data, sentinel=True)
    with pytest.raises(InputError, match=f"longer than {longest} tokens"):
        own_rows.examples_of(task, "train", data, pieces)


def test_tokenized_targets_begin_with_it(tmp_path):
    pieces, identity = open_and_identify("spot_tiny")
    examples = [
        {"inputs": np.int32([5, 1]), "targets": np.int32([7, 8, 1])} for _ in range(3)
    ]
    about = {"task": "mood", "split": "train", "lengths": LENGTHS}
    header = about | {"vocabulary": dataclasses.asdict(identity)}
    write_tokenized(
        *(tmp_path / "mood/train", iter(examples), header),
        vocabulary_size=identity.size,
    )
    data = Data("mood", LENGTHS, "spot_tiny", tokenized=str(tmp_path), sentinel=True)
    first = sentinel.sentinel_of(pieces)
    inputs, targets = open_tokenized("mood", "train", data)[1]
    assert inputs.tolist() == [5, 1] and targets.tolist() == [first, 7, 8, 1]
    short = dataclasses.replace(data, lengths=LENGTHS | {"targets": 3})
    with pytest.raises(InputError, match="targets of 3 tokens"):
        open_tokenized("mood", "train", short)


def test_hidden_and_empty_targets_are_still_found(rows):
    data = own_rows.with_lengths(
        data_of(rows, sentinel=True), open_and_identify("spot_tiny")[0]
    )
    task = eval_tasks.load_task("mood", Evaluation("rank"), data)
    plain = dataclasses.replace(task, task=None, labels=())
    hidden = [{"targets": np.int32([*task.vocabulary.encode("<unk>"), 1])}] * 2
    empty = [{"targets": np.int32([task.vocabulary.sentinel, 1])}] * 2
    for examples in (hidden, empty):
        with pytest.raises(InputError, match="2 of 2 targets"):
            eval_tasks.check_targets(
                dataclasses.replace(plain, examples=examples), "test"
            )


def test_a_set_of_tensorflow_begins_with_it():
    tf = pytest.importorskip("tensorflow")
    pieces, _ = open_and_identify("spot_tiny")
    data = Data("x", LENGTHS, sentinel=True)
    targets = tf.ragged.constant([[4, 1], []], tf.int32)
    dataset = tf.data.Dataset.from_tensor_slices({"targets": targets}).map(
        lambda e: {"targets": tf.convert_to_tensor(e["targets"])}
    )
    made = sentinel.begin_each(dataset, pieces, data).as_numpy_iterator()
    first = sentinel.sentinel_of(pieces)
    assert [e["targets"].tolist() for e in made] == [[first, 4, 1], []]
    off = Data("x", LENGTHS)
    assert sentinel.begin_each(dataset, pieces, off) is dataset
    assert sentinel.lengths_before(LENGTHS, data)["targets"] == 7
    assert sentinel.lengths_before(LENGTHS, off) == LENGTHS


@pytest.mark.parametrize("learned, asked", [(True, False), (False, True)])
def test_a_prompt_is_refused_where_the_other_is_asked(learned, asked):
    told, ours = (
        {"fingerprint": "f" * 64, "path": "p"} | ({"sentinel": True} if has else {})
        for has in (learned, asked)
    )
    prompt = files.SavedPrompt(None, {"vocabulary": told}, "a.safetensors")
    with pytest.raises(InputError, match=f"a.safetensors .*SENTINEL={learned}"):
        saved_prompts.check_vocabulary([prompt], ours)
    saved_prompts.check_vocabulary([prompt], told)
    # One that says nothing of a vocabulary may be of either.
    saved_prompts.check_vocabulary([dataclasses.replace(prompt, story={})], ours)


TRAINED = [
    "--gin_file=gin/prompts/class_labels.gin",
    "--gin_file=gin/runs/prompt_tune.gin",
    *("--gin.TRAIN_STEPS=2", "--gin.EMBEDDING_STEP=1", "--gin.PROMPT_LENGTH=2"),
    *("--gin.BATCH_SIZE=2", "--gin.EVAL_PERIOD=2", "--gin.DROPOUT_RATE=0.0"),
]
MODEL = "--gin.INITIAL_CHECKPOINT_PATH=spot_tiny"


@pytest.mark.slow
def test_a_prompt_remembers_it_and_is_used_with_it_alone(rows, tmp_path, capsys):
    files_of = [f"--rows={s}={rows}/{s}.csv" for s in ("train", "validation")]
    asked = ["--input", "mood: {text}", "--target", "{label}", "--name", "mood"]
    begun = ["--gin.SENTINEL=True", "--gin.EVALUATION=rank"]
    given = [MODEL, *files_of, *asked, *begun, f"--gin.MODEL_DIR={tmp_path}/run"]
    main(["train", *TRAINED, *given])
    prompt = str(tmp_path / "run/prompts/mood-seed0/best.safetensors")
    assert files.read(prompt).story["vocabulary"]["sentinel"] is True
    evaluated = [
        "evaluate",
        "--gin_file=gin/runs/evaluate.gin",
        *(MODEL, f"--gin.PROMPT_FILES='{prompt}'"),
        *(files_of[1], f"--gin.EVAL_OUTPUT_DIR={tmp_path}/scores"),
    ]
    with pytest.raises(SystemExit):
        main(evaluated)
    told = capsys.readouterr().err
    assert "was trained with a sentinel before its targets" in told
    assert "--gin.SENTINEL=True" in told
    main([*evaluated, *begun])
    (tmp_path / "texts.txt").write_text("a fine meal\n")
    main(
        [
            "infer",
            "--gin_file=gin/runs/infer.gin",
            *(MODEL, f"--gin.PROMPT_FILE='{prompt}'", *begun),
            f"--gin.INFER_INPUT={tmp_path}/texts.txt",
            f"--gin.INFER_OUTPUT={tmp_path}/out.jsonl",
        ]
    )
    assert (tmp_path / "out.jsonl").read_text().count("\n") == 1
