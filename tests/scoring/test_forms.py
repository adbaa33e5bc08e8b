"""A prompt's header says how it is asked; what the run says counts before it."""

import pytest

from spot_jax.errors import InputError
from spot_jax.prompts.files import SavedPrompt
from spot_jax.rows.files import Row
from spot_jax.scoring.forms import check_labels, forms_of
from tests.bundles import soft

LENGTHS = {"inputs": 32, "targets": 8}
MOOD = {"input": "mood: {text}", "labels": ["bad", "good"], "lengths": LENGTHS}
PAIR = {"input": "{one} or {two}?", "labels": None, "lengths": LENGTHS}


def saved(*headers, **story) -> list[SavedPrompt]:
    return [
        SavedPrompt(soft([[1.0]]), story | {"rows": header}, f"{place}.safetensors")
        for place, header in enumerate(headers)
    ]


def form_of(header, told=None, lengths=None, labels=(), task=None, trained_on=None):
    prompts = saved(header, task=trained_on)
    return forms_of(prompts, told or {}, lengths, labels, task)[0]


def test_the_header_says_it_all():
    form = form_of(MOOD)
    assert form.text_of("so {so}") == "mood: so {so}"
    assert (form.labels, form.lengths) == (("bad", "good"), LENGTHS)
    row = Row("my.csv:2", {"two": 2, "one": "a", "more": None})
    assert form_of(PAIR).text_of(row) == "a or 2?"


def test_what_the_run_says_counts_before_the_header():
    told = {"input": "{body}", "labels": ["x", "y"]}
    form = form_of(MOOD, told, {"inputs": 9, "targets": 2})
    assert form.text_of(Row("", {"body": "b"})) == "b"
    assert (form.labels, form.lengths["inputs"]) == (("x", "y"), 9)
    # Labels of a task are for prompts that tell none; none to rank are none.
    assert form_of(MOOD, labels=("no", "yes")).labels == ("bad", "good")
    assert form_of(PAIR, labels=("no", "yes")).labels == ("no", "yes")
    assert form_of(MOOD, {"labels": []}).labels == ()


def test_without_a_template_text_is_asked_as_it_is():
    form = form_of(None, lengths=LENGTHS, labels=("a", "b"), task="sst2")
    assert form.text_of("{x}") == "{x}"
    assert form.columns == ()
    (alone,) = forms_of([], {}, LENGTHS, (), "sst2")
    assert alone.template is None


@pytest.mark.parametrize(
    ("header", "task", "words"),
    [
        (None, None, "0.safetensors tells no template .*MIXTURE_OR_TASK_NAME=sst2 "),
        (None, "rte", "MIXTURE_OR_TASK_NAME=rte "),
        ({"lengths": LENGTHS}, None, "tells no template"),
        ({"input": "{x}"}, None, "tells no lengths, .*TASK_FEATURE_LENGTHS="),
        (MOOD | {"lengths": {"inputs": 9}}, None, "tells no lengths"),
        (MOOD | {"lengths": {"inputs": 0, "targets": 1}}, None, "no lengths"),
        (MOOD | {"input": "{x"}, None, "The template of 0.safetensors, '{x'"),
        (MOOD | {"input": "x"}, None, "has no column in braces"),
    ],
)
def test_what_nobody_tells_is_asked_for(header, task, words):
    with pytest.raises(InputError, match=words):
        form_of(header, trained_on=task)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"txt": "a"}, "names the column 'text', and my.csv:3 has 'txt'"),
        ({"text": None}, "my.csv:3: 'text' is None"),
        ({"text": ["a"]}, "a text or a number is expected"),
    ],
)
def test_a_row_without_its_column_is_named(cells, words):
    with pytest.raises(InputError, match=words):
        form_of(MOOD).text_of(Row("my.csv:3", cells))


def test_labels_that_no_prompt_would_rank_are_refused():
    with pytest.raises(InputError, match=r"CLASS_LABELS has the labels 'x', .*'bad', "):
        check_labels(saved(MOOD), ["x", "y"], "CLASS_LABELS")
    # The same in another order, none, or a prompt that tells none and ranks them.
    check_labels(saved(MOOD), ["good", "bad"], "CLASS_LABELS")
    check_labels(saved(MOOD), (), "CLASS_LABELS")
    check_labels(saved(MOOD, PAIR), ["x", "y"], "CLASS_LABELS")
    check_labels([], ["x", "y"], "CLASS_LABELS")
