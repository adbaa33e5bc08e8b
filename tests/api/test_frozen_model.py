"""Sentences in, sentences out, as the programs answer them."""

import functools

import jax
import numpy as np
import pytest

import spot_jax
from spot_jax.__main__ import main
from spot_jax.errors import InputError
from spot_jax.reading import parse_json
from spot_jax.t5 import beam, decode
from tests.api.conftest import CONFIG

TEXTS = [
    "Ada ate the soup on Monday .",
    "It was very dull .",
    "Some said awful , but it was quite fine .",
    "so " * 40,
    "",
]


def test_each_text_is_answered_by_its_own_prompt_in_one_batch(model, prompts):
    p, q = prompts
    alone = {one: model.answer(TEXTS, one) for one in prompts}
    mixed = [p, q, q, p, q]
    found = model.answer(TEXTS, prompts=mixed)
    assert found == [alone[one][place] for place, one in enumerate(mixed)]
    assert alone[p] != alone[q]


def test_answers_are_those_of_infer(model, prompts, demo_model, tmp_path):
    paths = []
    for number, prompt in enumerate(prompts):
        paths.append(str(tmp_path / f"{number}.safetensors"))
        prompt.save(paths[-1])
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS[:4]) + "\n")
    given = {key: demo_model[key] for key in ("INITIAL_CHECKPOINT_PATH", "VOCABULARY")}
    given |= {"PROMPT_FILES": paths, "INFER_INPUT": tmp_path / "texts.txt"}
    for method in ("decode", "rank"):
        out = tmp_path / f"{method}.jsonl"
        more = given | {"EVALUATION": method, "INFER_OUTPUT": out}
        flags = [f"--gin.{key}={value}" for key, value in more.items()]
        files = ["--gin_file=tests/demo_model.gin", "--gin_file=gin/runs/infer.gin"]
        main(["infer", *files, *flags])
        lines = [
            parse_json(line, dict, "", "") for line in out.read_text().splitlines()
        ]
        ask = model.answer if method == "decode" else model.rank
        for number, prompt in enumerate(prompts):
            theirs = [line["prediction"] for line in lines[number::2]]
            assert ask(TEXTS[:4], prompt=prompt) == theirs


def test_a_prompt_may_be_a_path_and_a_text_a_row(model, prompts, tmp_path):
    path = tmp_path / "p.safetensors"
    prompts[0].save(path)
    found = model.answer([{"text": TEXTS[0]}], prompts=[path])
    assert found == model.answer([TEXTS[0]], str(path))
    assert found == model.answer([TEXTS[0]], prompts[0])


def test_the_model_alone_is_asked_the_text_as_it_is(model):
    assert len(model.answer(TEXTS, max_length=3)) == len(TEXTS)
    assert model.answer([]) == []
    assert model.rank(["so"], ["bad", "good"]) in (["bad"], ["good"])


def test_ranking_is_by_the_scores_of_labels(model, prompts):
    labels = ["good", "bad", "it was very dull"]
    for prompt in (None, prompts[0]):
        scores = model.score(TEXTS, labels, prompt=prompt)
        assert scores.shape == (len(TEXTS), 3) and (scores < 0).all()
        best = [labels[i] for i in scores.argmax(axis=1)]
        assert model.rank(TEXTS, labels, prompt=prompt) == best
    assert model.rank(TEXTS, np.array(labels), prompt=None) == model.rank(TEXTS, labels)
    own = model.score(TEXTS, ["bad", "good"], prompt=prompts[0])
    best = [("bad", "good")[i] for i in own.argmax(axis=1)]
    assert model.rank(TEXTS, prompt=prompts[0]) == best


def test_calls_share_what_was_compiled(model, prompts, caplog):
    p, q = prompts
    calls = [
        lambda: model.answer(TEXTS[:2], p),
        lambda: model.answer(TEXTS[:3], prompts=[p, q, p]),
        lambda: model.rank(TEXTS[:2], prompt=p),
        lambda: model.answer(TEXTS[:1], p, seed=3),
        lambda: model.answer(
            TEXTS[:2], p, search=functools.partial(beam.beam_search, beams=2)
        ),
    ]
    for call in calls:
        call()
    # The same again; then other texts, prompts and numbers of them, of like sizes.
    calls += [
        lambda: model.answer(["another text", "and one more"], q),
        lambda: model.answer(["one", "two", "three", "four"], prompts=[q, p, q, q]),
    ]
    with jax.log_compiles():
        for call in calls:
            call()
    assert not [line for line in caplog.messages if "Compiling" in line]


def test_sampling_draws_by_its_seed(model, prompts):
    search = functools.partial(decode.sample, temperature=2.0)
    draw = functools.partial(model.answer, TEXTS, prompts[0], search=search)
    assert draw(seed=1) == draw(seed=1)
    assert draw(seed=1) != draw(seed=2)


def test_long_texts_are_read_to_their_end(model, prompts):
    long = "so " * 700
    scores = model.score([long + "dull", long + "fine"], ["bad"], prompt=prompts[0])
    assert np.unique(scores).size == 2


@pytest.mark.parametrize(
    "ask, told",
    [
        (lambda m, p: m.answer("a text"), "give a list"),
        (lambda m, p: m.answer([3], p), r"texts\[0\] is 3"),
        (lambda m, p: m.answer([{"text": "a"}]), "it has no template"),
        (lambda m, p: m.answer([{"words": "a"}], p), "text"),
        (lambda m, p: m.answer(["a"], p, prompts=[p]), "one prompt for all"),
        (lambda m, p: m.answer(["a"], prompts=p), "one prompt for all"),
        (lambda m, p: m.answer(["a"], prompts=[p, p]), "1 texts and 2 prompts"),
        (lambda m, p: m.answer(["a"], prompts=[None]), "None is no prompt"),
        (lambda m, p: m.answer(["a"], "nowhere.safetensors"), "no prompt file"),
        (lambda m, p: m.answer(["a"], p, max_length=0), "max_length is 0"),
        (lambda m, p: m.rank(["a"]), "labels to choose among"),
        (lambda m, p: m.rank(["a"], "good"), "labels to choose among"),
        (lambda m, p: m.rank(["a"], p), "labels to choose among"),
        (lambda m, p: m.answer((t for t in "ab"), p), "only once"),
        (lambda m, p: m.score(["a"], [], prompt=p), "labels to choose among"),
    ],
)
def test_what_cannot_be_asked_is_one_message(model, prompts, ask, told):
    with pytest.raises(InputError, match=told):
        ask(model, prompts[0])


def test_a_prompt_of_another_model_is_refused(prompts, demo_model):
    tiny = spot_jax.load("spot_tiny", devices=jax.devices()[:1])
    assert "d_model 128" in repr(tiny)
    with pytest.raises(InputError, match="another size"):
        tiny.answer(["a"], prompts[0])


def test_the_vocabulary_has_to_be_named_where_nothing_tells_it(demo_model):
    with pytest.raises(InputError, match="VOCABULARY|vocabulary"):
        spot_jax.load(demo_model["INITIAL_CHECKPOINT_PATH"], config=CONFIG)
