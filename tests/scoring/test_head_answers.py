"""What heads say is understood as the text that a language model would write."""

import functools
import types

import numpy as np
import pytest

from spot_jax import config
from spot_jax.data.eval_tasks import EvalTask
from spot_jax.data.vocabularies import open_sentencepiece
from spot_jax.errors import InputError
from spot_jax.model import sharding, weights
from spot_jax.prompts import heads
from spot_jax.prompts.base import slots_of
from spot_jax.prompts.files import SavedPrompt
from spot_jax.prompts.heads import ENDS, Head
from spot_jax.scoring import batches, head_answers, saved_prompts
from spot_jax.scoring.answerer import Answerer, Question
from spot_jax.settings import Evaluation, Model
from spot_jax.text.pieces import open_pieces
from spot_jax.text.tagging import TAGS
from tests.bundles import soft

OPINION, TOPIC = ("bad", "good"), ("film", "food", "other")
WORDS = "Mila Brook lives in Ashford .".split()
TEXT = "question: Who lives here ? context: Mila lives in Ashford . "


@pytest.fixture(scope="module")
def pieces():
    return open_pieces("spot_tiny", 0, "")[0]


def bank_of(*kinds_and_names) -> Head:
    rng = np.random.default_rng(0)
    made = [heads.new(names, kind, 4, rng) for kind, names in kinds_and_names]
    return heads.stack(made)


def asked(pieces, head, prompt, text, example=None, **options):
    inputs = np.asarray([*pieces.encode(text), 1], np.int32)
    known = {"inputs_pretokenized": text} | (example or {})
    return head_answers.asked(head, prompt, inputs, known, pieces, 8, **options)


def test_a_class_is_the_likeliest_of_a_prompts_own(pieces):
    bank = bank_of(("cls", OPINION), ("cls", TOPIC))
    scores = np.log(np.asarray([[0.2, 0.3, 0.5]]))
    for prompt, answer in enumerate(["good", "other"]):
        inputs, understood = asked(pieces, bank, prompt, "so so")
        assert inputs.tolist() == [*pieces.encode("so so"), 1]
        text, score = understood(scores)
        assert text == answer and score == pytest.approx(
            scores.max() if prompt else scores[0, 1]
        )


def test_of_labels_that_are_ranked_the_likeliest_is_said(pieces):
    bank = bank_of(("cls", TOPIC))
    _, understood = asked(pieces, bank, 0, "so", labels=("food", "film"))
    assert understood(np.log([[0.2, 0.3, 0.5]]))[0] == "food"
    for labels in (("food", "fish"), ("bad",)):
        with pytest.raises(InputError, match="cls head of 3 .*asked about"):
            asked(pieces, bank, 0, "so", labels=labels)
    with pytest.raises(InputError, match="token head .*asked about 'film'"):
        asked(pieces, bank_of(("token", TAGS)), 0, "so", labels=("film",))


def sentence_scores(pieces, words, tags):
    """As confident as can be, at the first pieces of words."""
    ids = np.asarray([*pieces.encode(" ".join(words)), 1])
    scores = np.full((len(ids), len(TAGS)), -5.0)
    place = 0
    for number, (word, tag) in enumerate(zip(words, tags, strict=True)):
        scores[place, TAGS.index(tag)] = -0.25
        place += len(pieces.encode(f" {word}" if number else word))
    return scores


@pytest.mark.parametrize("prefix", [[], ["conll2003", "tokens:"]])
def test_tags_are_said_as_entities_of_the_sentence(prefix, pieces):
    tags = ["B-PER", "I-PER", "O", "O", "B-LOC", "O"]
    text, known = " ".join([*prefix, *WORDS]), {"words": WORDS}
    _, understood = asked(pieces, bank_of(("token", TAGS)), 0, text, known)
    # What a head says of words before the sentence is nobody's entity.
    scores = sentence_scores(pieces, [*prefix, *WORDS], ["B-LOC"] * len(prefix) + tags)
    answer, score = understood(scores)
    assert answer == "person: Mila Brook, location: Ashford"
    assert score == pytest.approx(-0.25 * len(WORDS))
    nothing = sentence_scores(pieces, [*prefix, *WORDS], ["O"] * (len(prefix) + 6))
    assert understood(nothing)[0] == "none"


def test_words_that_were_cut_off_are_no_entities(pieces):
    bank = bank_of(("token", TAGS))
    whole = [*pieces.encode(" ".join(WORDS)), 1]
    cut = np.asarray([*whole[:-4], 1], np.int32)
    known = {"inputs_pretokenized": " ".join(WORDS), "words": WORDS}
    inputs, understood = head_answers.asked(bank, 0, cut, known, pieces, 8)
    assert len(inputs) <= len(cut)
    scores = sentence_scores(pieces, WORDS, ["B-PER", "I-PER", "O", "O", "B-LOC", "O"])
    assert understood(scores[: len(inputs)])[0] == "person: Mila Brook"


def test_text_without_words_is_tagged_word_by_word(pieces):
    _, understood = asked(pieces, bank_of(("token", TAGS)), 0, "Mila  lives .")
    scores = sentence_scores(pieces, ["Mila", "lives", "."], ["B-PER", "O", "O"])
    assert understood(scores)[0] == "person: Mila"


def span_scores(count, first, last):
    scores = np.full((count, 2), -9.0)
    scores[first, 0] = scores[last, 1] = -0.5
    return scores


@pytest.fixture
def find(pieces):
    """(first, last, limit) -> what is said of scores that point there."""
    inputs = np.asarray([*pieces.encode(TEXT.strip()), 1], np.int32)

    def found(scores, limit=8):
        known = {"inputs_pretokenized": TEXT}
        bank = bank_of(("span", ENDS))
        own, understood = head_answers.asked(bank, 0, inputs, known, pieces, limit)
        assert own.tolist() == inputs.tolist()
        return understood(scores)

    return len(inputs), found


def test_an_answer_is_the_text_between_its_ends(find, pieces):
    count, found = find
    start = len(pieces.encode("question: Who lives here ? context:"))
    length = len(pieces.encode(" Mila lives"))
    scores = span_scores(count, start, start + length - 1)
    assert found(scores) == ("Mila lives", pytest.approx(-1.0))


def test_an_answer_never_ends_before_it_begins_nor_is_longer_than_allowed(find):
    count, found = find
    scores = span_scores(count, 9, 3)
    text, score = found(scores)
    # One of the two ends is as said, the other the best that fits.
    assert text and score == pytest.approx(-9.5)
    assert found(span_scores(count, 2, 9), limit=8)[1] == pytest.approx(-1.0)
    assert found(span_scores(count, 2, 9), limit=7)[1] == pytest.approx(-9.5)


def test_nothing_is_found_at_the_end_of_the_input_or_in_none(find, pieces):
    count, found = find
    text, score = found(span_scores(count, count - 1, count - 1))
    assert text and score == pytest.approx(-18)
    empty = np.asarray([1], np.int32)
    known = {"inputs_pretokenized": ""}
    bank = bank_of(("span", ENDS))
    _, understood = head_answers.asked(bank, 0, empty, known, pieces, 8)
    assert understood(np.zeros((1, 2))) == ("", 0.0)


def task(labels=(), examples=(), metrics=True, scores=()):
    """A stand-in for SeqIO's task, as `EvalTask` has it."""
    functions = [len] if metrics else []
    of = types.SimpleNamespace(
        metric_fns=functions + list(scores),
        predict_metric_fns=functions,
        predict_with_aux_metric_fns=[],
        score_metric_fns=list(scores),
    )
    return EvalTask("x", of, [*examples] or [{"inputs": 0}], labels, None)


def test_metrics_of_scores_or_none_at_all_cannot_score_a_head():
    for kind in heads.KINDS:
        with pytest.raises(InputError, match="metrics of the scores"):
            head_answers.check_task(kind, task(scores=[len]))
    for kind in heads.BESIDE:
        with pytest.raises(InputError, match="x has no metrics"):
            head_answers.check_task(kind, task(metrics=False))
        with pytest.raises(InputError, match="examples of x do not have"):
            head_answers.check_task(kind, task())
    # The loss of classes is measured.
    head_answers.check_task("cls", task(metrics=False))
    head_answers.check_task("cls", task(OPINION))
    head_answers.check_task(None, task(scores=[len]))


def test_a_head_of_other_classes_than_the_tasks_is_refused():
    head = heads.new(OPINION, "cls", 4, np.random.default_rng(0))
    head_answers.check_classes(head, "p", task(("good", "bad")))
    head_answers.check_classes(None, "p", task(TOPIC))
    with pytest.raises(InputError, match="p has a cls head of 2 .* film, food, other"):
        head_answers.check_classes(head, "p", task(TOPIC))
    with pytest.raises(InputError, match="x has none: its answers are free"):
        head_answers.check_classes(head, "p", task())
    tagged = task(examples=[{"words": [], "tags": []}])
    other = heads.new(("O", "B-X"), "token", 4, np.random.default_rng(0))
    with pytest.raises(InputError, match="a token head of 2 classes .O, B-X"):
        head_answers.check_classes(other, "p", tagged)


# With a T5: questions of several prompts share batches.

LENGTHS = {"inputs": 32, "targets": 8}


@pytest.fixture(scope="module")
def loaded(demo_model):
    bindings = [f"{name}={value}" for name, value in demo_model.items()]
    bindings += ["MIXTURE_OR_TASK_NAME=x"]
    config.parse(["tests/demo_model.gin", "gin/runs/shared.gin"], bindings)
    return weights.load(config.configured(Model)())


@pytest.fixture(scope="module")
def vocabulary(demo_model):
    return open_sentencepiece(demo_model["VOCABULARY"])


def saved_with(kind, *names):
    """Prompts of several lengths, with heads of these classes."""
    found = []
    for place, classes in enumerate(names):
        rng = np.random.default_rng(place)
        head = heads.new(classes, kind, 64, rng)
        head = head.replace(kernel=head.kernel * 20)
        vectors = rng.normal(size=(5 - place, 64)) * 3
        bundle = soft(vectors).replace(head=head)
        found.append(SavedPrompt(bundle, {}, "x"))
    return found


def answerer(loaded, saved, method="decode"):
    prompts, binding = saved_prompts.bank_of(saved, loaded)
    evaluation = Evaluation(method, rows=16)
    made = Answerer(loaded, binding, evaluation, LENGTHS, slots_of(prompts))
    return functools.partial(made.answer, prompts, loaded.params), functools.partial(
        made.scores, prompts, loaded.params
    )


NAMES = {
    "cls": [OPINION, TOPIC],
    "token": [TAGS, TAGS[:5]],
    "span": [ENDS, ENDS],
}


@pytest.mark.parametrize("kind", NAMES)
def test_each_question_is_answered_by_its_own_prompts_head(
    kind, loaded, vocabulary, monkeypatch
):
    shapes, real = [], batches.one_per_row

    def spied(examples, **options):
        for members, batch in real(examples, **options):
            shapes.append(set(batch["encoder_prompt_ids"].ravel()) - {0})
            yield members, batch

    monkeypatch.setattr(batches, "one_per_row", spied)
    texts = ["Ada ate the soup", "it was quite dull .", "so", "Ben saw the film Orion"]
    questions = [
        Question(
            np.asarray([*vocabulary.encode(text), 1], np.int32),
            number % 2,
            example={"inputs_pretokenized": text},
        )
        for number, text in enumerate(texts * 3)
    ]
    saved = saved_with(kind, *NAMES[kind])
    with sharding.on_mesh(loaded.mesh):
        answer, _ = answerer(loaded, saved)
        together = answer(questions, vocabulary, "x")
        assert shapes == [{1, 2}]
        for prompt in range(2):
            places = [i for i, q in enumerate(questions) if q.prompt == prompt]
            own = [questions[i]._replace(prompt=0) for i in places]
            answer, _ = answerer(loaded, [saved[prompt]])
            alone = answer(own, vocabulary, "x")
            assert [a.text for a in alone] == [together[i].text for i in places]
            np.testing.assert_allclose(
                [a.score for a in alone], [together[i].score for i in places], atol=1e-4
            )
    assert [a.example for a in together] == list(range(12))
    if kind == "cls":
        said = [a.text in NAMES[kind][i % 2] for i, a in enumerate(together)]
        assert all(said)


def test_labels_are_scored_as_classes_and_ranked_by_that(loaded, vocabulary):
    saved = saved_with("cls", TOPIC, TOPIC[::-1])
    questions = [
        Question(
            np.asarray([*vocabulary.encode(text), 1], np.int32), p, ("food", "film")
        )
        for text in ("Ada ate the soup", "so dull", "Ben saw the film")
        for p in (0, 1)
    ]
    with sharding.on_mesh(loaded.mesh):
        answer, scores = answerer(loaded, saved, "rank")
        found = answer(questions, vocabulary, "x")
        told = scores(questions, vocabulary, "x")
        every = scores([q._replace(labels=TOPIC) for q in questions], vocabulary, "x")
        with pytest.raises(InputError, match="cls head of 3 .*'fish'"):
            scores([questions[0]._replace(labels=("fish",))], vocabulary, "x")
    assert told.shape == (6, 2)
    np.testing.assert_allclose(np.exp(every).sum(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(told, every[:, [1, 0]], atol=1e-5)
    best = [("food", "film")[place] for place in told.argmax(axis=1)]
    assert [a.text for a in found] == best
    np.testing.assert_allclose([a.score for a in found], told.max(axis=1), atol=1e-5)


def test_a_head_that_diverged_is_one_message(loaded, vocabulary):
    (one,) = saved_with("cls", TOPIC)
    head = one.bundle.head.replace(bias=np.full(3, np.nan, np.float32))
    broken = SavedPrompt(one.bundle.replace(head=head), {}, "x")
    question = Question(np.asarray([5, 1], np.int32), 0, TOPIC)
    with sharding.on_mesh(loaded.mesh):
        answer, scores = answerer(loaded, [broken])
        with pytest.raises(InputError, match="A score of x is nan"):
            answer([question], vocabulary, "x")
        with pytest.raises(InputError, match="A score of x is nan"):
            scores([question], vocabulary, "x")
