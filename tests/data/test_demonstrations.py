"""Solved examples stand in front of an input, whole, balanced, and always the same."""

import collections
import json
import logging

import numpy as np
import pytest

from spot_jax.__main__ import main
from spot_jax.data import eval_tasks, set_up
from spot_jax.data.demonstrations import (
    Demonstration,
    costs_of,
    draw,
    in_front,
    shown,
)
from spot_jax.data.prompt_design import with_demonstrations
from spot_jax.data.vocabularies import open_and_identify
from spot_jax.errors import InputError
from spot_jax.settings import Data, Evaluation
from spot_jax.spot_tiny import BYTES
from spot_jax.text import vocabulary
from spot_jax.text.pieces import open_pieces
from tests import demo_world

ROWS = [Demonstration(f"text {n}", "bad" if n % 5 else "good") for n in range(50)]
LABELS = ("bad", "good")


def test_the_same_seed_draws_the_same_and_more_begin_with_fewer():
    first, again, other = (draw(ROWS, LABELS, 8, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert draw(ROWS, LABELS, 3, 1) == first[:3]


@pytest.mark.parametrize("count", [2, 4, 7, 16])
def test_each_label_is_shown_as_often_as_the_others(count):
    shown_labels = collections.Counter(
        row.target for row in draw(ROWS, LABELS, count, 0)
    )
    assert shown_labels.total() == count
    assert max(shown_labels.values()) - min(shown_labels.values()) <= 1


def test_where_a_label_has_too_few_rows_the_others_fill_up():
    few = [*ROWS[1:5], ROWS[0], ROWS[0]]
    drawn = draw(few, LABELS, 9, 0)
    assert sorted(drawn) == sorted(set(few))


def test_without_labels_any_rows_are_drawn_and_hidden_ones_never():
    hidden = [Demonstration("x", "<unk>"), Demonstration("y", "")]
    assert set(draw([*ROWS, *hidden], (), 52, 0)) == set(ROWS)
    assert draw(hidden, (), 2, 0) == [] == draw(ROWS, ("other",), 2, 0)


@pytest.fixture(params=["spot_tiny", BYTES])
def pieces(request):
    return open_pieces(request.param, 0, "")[0]


def test_demonstrations_stand_whole_in_front_of_the_whole_input(pieces):
    drawn = draw(ROWS, LABELS, 4, 0)
    costs = costs_of(drawn, pieces)
    text, count = in_front(drawn, costs, "a film", pieces, 1000)
    assert count == 4
    assert text == " ".join([*map(str, drawn), "a film answer:"])
    for limit in range(1, 200):
        text, count = in_front(drawn, costs, "a film", pieces, limit)
        assert text.endswith("a film answer:") and text.count("answer:") == count + 1
        assert not count or len(pieces.encode(text)) + 1 <= limit
        # None of the others would have had room as well.
        for other in map(str, drawn):
            if other not in text:
                assert len(pieces.encode(f"{other} {text}")) + 1 > limit


def test_what_is_asked_is_no_demonstration(pieces):
    same = [Demonstration("a film", "good")]
    costs = costs_of(same, pieces)
    text, count = in_front(same, costs, "a film", pieces, 99)
    assert (text, count) == ("a film answer:", 0)


def test_a_demonstration_is_tokenized_once_for_all_inputs(monkeypatch):
    pieces, seen = open_pieces("spot_tiny", 0, "")[0], []
    drawn, texts = draw(ROWS, LABELS, 3, 0), [f"film {n}" for n in range(5)]
    examples = [{"inputs": np.int32([*pieces.encode(text), 1])} for text in texts]

    class Counted:
        def encode(self, text):
            seen.append(text)
            return pieces.encode(text)

    shown("mood", examples, texts, drawn, Counted(), 1000)
    assert len(seen) == len(set(seen)) == len(drawn) + 2 * len(texts)


def test_inputs_without_room_are_counted(pieces, caplog):
    short, long = "a", "a " * 60
    examples = [
        {"inputs": np.int32([*pieces.encode(text), 1])} for text in (short, long)
    ]
    drawn = draw(ROWS, LABELS, 2, 0)
    limit = len(pieces.encode(long)) + 1
    with caplog.at_level(logging.WARNING):
        told = shown("mood", examples, [short, long], drawn, pieces, limit)
    assert f"1 of 2 inputs have no room in {limit} tokens for all 2" in caplog.text
    np.testing.assert_array_equal(told[1]["inputs"], examples[1]["inputs"])
    assert len(told[0]["inputs"]) <= limit
    with pytest.raises(InputError, match="no demonstration has room before any input"):
        shown("mood", examples[1:], [long], drawn, pieces, limit)
    with pytest.raises(InputError, match="no training row can be shown"):
        shown("mood", examples, [short, long], [], pieces, limit)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder, counts = tmp_path_factory.mktemp("rows"), {"train": 40, "validation": 8}
    return demo_world.write_rows(folder, counts, LABELS)


def data_of(rows, *more, **settings):
    files = {s: f"{rows}/{s}.csv" for s in ("train", "validation")}
    told = {"files": files, "input": "mood: {text}", "target": "{label}"}
    lengths = {"inputs": 400, "targets": 8}
    names = ("mood_shown", *more)
    return Data(names, lengths, "spot_tiny", rows={"mood_shown": told}, **settings)


def test_rows_are_shown_the_same_with_and_without_seqio(rows):
    how = Evaluation("rank", demonstrations=4)
    found = []
    for others in ((), ("miniature_prefix_lm",)):
        data = data_of(rows, *others)
        set_up.set_up_tasks(data)
        try:
            task = eval_tasks.load_task("mood_shown", how, data)
            found.append((task, with_demonstrations(task, how, data)))
        finally:
            if others:
                vocabulary.use_vocabulary(vocabulary.PUBLISHED_VOCABULARY)
    for task, told in found:
        for plain, example in zip(task.examples, told.examples, strict=True):
            text = example["inputs_pretokenized"].decode()
            asked = plain["inputs_pretokenized"].decode()
            assert text.endswith(f" {asked} answer:")
            assert text.count("answer: bad") == text.count("answer: good") == 2
            np.testing.assert_array_equal(example["targets"], plain["targets"])
        none = Evaluation("rank")
        assert with_demonstrations(task, none, data_of(rows)) is task


def test_with_the_sentinel_demonstrations_are_texts_without_it(rows):
    data = data_of(rows, sentinel=True)
    how = Evaluation("rank", demonstrations=2)
    pieces, _ = open_and_identify("spot_tiny")
    told = with_demonstrations(eval_tasks.load_task("mood_shown", how, data), how, data)
    (first, *_) = told.examples
    decoded = pieces.decode(first["inputs"].tolist())
    assert "extra_id" not in decoded and first["targets"][0] == told.vocabulary.sentinel


def test_tokenized_data_have_no_texts_to_show(rows):
    task = eval_tasks.EvalTask("x", None, [], (), None)
    data = Data("x", {"inputs": 8, "targets": 8}, "spot_tiny", tokenized="folder")
    with pytest.raises(InputError, match="DEMONSTRATIONS are texts"):
        with_demonstrations(task, Evaluation(demonstrations=1), data)


@pytest.mark.parametrize("name", ["demonstrations", "demonstrations_seed"])
def test_numbers_below_zero_are_refused(name):
    with pytest.raises(InputError, match="at least 0"):
        Evaluation(**{name: -1})


def test_a_frozen_model_ranks_with_demonstrations_and_no_prompt(rows, tmp_path):
    for number in (0, 4):
        main(
            [
                "evaluate",
                "--gin_file=gin/runs/evaluate.gin",
                *("--gin.INITIAL_CHECKPOINT_PATH=spot_tiny", "--gin.PROMPT_FILES=[]"),
                *(f"--rows=train={rows}/train.csv", "--gin.EVALUATION=rank"),
                f"--rows=validation={rows}/validation.csv",
                *("--input", "mood: {text}", "--target", "{label}", "--name", "mood"),
                "--gin.TASK_FEATURE_LENGTHS={'inputs': 256, 'targets': 8}",
                f"--gin.EVAL_OUTPUT_DIR={tmp_path}/{number}",
                f"--gin.DEMONSTRATIONS={number}",
            ]
        )
    written = [
        [json.loads(line) for line in open(tmp_path / f"{n}/model.mood.jsonl")]
        for n in (0, 4)
    ]
    for plain, told in zip(*written, strict=True):
        assert told["input"].endswith(f"{plain['input']} answer:")
        assert told["input"].count("answer:") == 5
        assert told["target"] == plain["target"] and told["output"] in LABELS
