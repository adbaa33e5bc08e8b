"""Starting values land where they should, and errors name the cure."""

import dataclasses
import types

import numpy as np
import pytest

from spot_jax.errors import InputError
from spot_jax.prompts import algebra, files, init
from tests.bundles import MODEL, assert_same, everywhere, soft

TABLE = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
PIECES = {"positive": [10], "negative": [11, 12], "a long text": [13, 14, 13]}


@pytest.fixture
def around():
    """Six vectors for a model of TABLE, whose task has two labels."""
    return init.Surroundings(
        length=6,
        model=MODEL,
        vocab_size=60,
        rng=np.random.default_rng(1),
        embed=lambda ids: TABLE[np.asarray(ids, int)],
        encode=lambda text: PIECES[text],
        labels=("positive", "negative"),
        identity={"fingerprint": "this model"},
    )


def ids_of(vectors):
    """The rows of TABLE that these vectors are."""
    return [int(np.flatnonzero((TABLE == v).all(1)).item()) for v in vectors]


def test_uniform_is_symmetric(around):
    many = dataclasses.replace(around, length=4000)
    found = init.random_uniform(many).enc_input
    assert found.shape == (4000, 4)
    assert found.min() >= -0.5 and found.max() < 0.5
    assert abs(found.mean()) < 0.01 and abs(found.std() - 12**-0.5) < 0.01
    googles = init.random_uniform(many, low=0.0).enc_input
    assert googles.min() >= 0 and abs(googles.mean() - 0.25) < 0.01


def test_sampled_tokens_are_distinct_and_common(around):
    found = ids_of(init.sampled_vocabulary(around, population=6).enc_input)
    assert sorted(found) == [0, 1, 2, 3, 4, 5]
    assert found != sorted(found)


def test_sampling_reaches_the_whole_population(around):
    many = dataclasses.replace(around, length=50)
    assert max(ids_of(init.sampled_vocabulary(many, population=50).enc_input)) == 49
    # The vocabulary may be smaller than the usual 5,000.
    assert len(set(ids_of(init.sampled_vocabulary(many).enc_input))) == 50


def test_a_population_smaller_than_the_prompt_is_refused(around):
    with pytest.raises(ValueError, match=r"6 different.*from 5.*--gin\.PROMPT_LENGTH"):
        init.sampled_vocabulary(around, population=5)
    with pytest.raises(ValueError, match="61 different tokens .* from 60"):
        init.sampled_vocabulary(dataclasses.replace(around, length=61))


def test_labels_come_first_averaged_over_their_pieces(around):
    found = init.class_labels(around).enc_input
    assert found.shape == (6, 4)
    np.testing.assert_array_equal(found[0], TABLE[10])
    np.testing.assert_allclose(found[1], (TABLE[11] + TABLE[12]) / 2)
    assert len(set(ids_of(found[2:]))) == 4


def test_labels_may_be_named(around):
    found = init.class_labels(around, labels=["a long text"]).enc_input
    np.testing.assert_allclose(found[0], TABLE[[13, 14, 13]].mean(0))
    assert len(set(ids_of(found[1:]))) == 5


def test_one_string_is_one_label(around):
    found = init.class_labels(around, labels="a long text").enc_input
    np.testing.assert_allclose(found[0], TABLE[[13, 14, 13]].mean(0))
    assert len(set(ids_of(found[1:]))) == 5


@pytest.mark.parametrize("labels", [("{", "}"), ("positive", "positive")])
def test_labels_that_begin_alike_are_refused(labels, around):
    unknown = dataclasses.replace(around, encode=lambda text: PIECES.get(text, [3, 2]))
    with pytest.raises(
        InputError, match=f"'{labels[0]}' and '{labels[1]}' .* same pieces.*CLASS_LABEL"
    ):
        init.class_labels(unknown, labels=labels)


def test_a_text_that_cannot_be_written_is_counted(around, caplog):
    unknown = dataclasses.replace(around, encode=lambda text: [13, 2, 2])
    for _ in range(3):
        init.text(unknown, text="a ~ {")
    assert caplog.messages == [
        "2 of 3 pieces of PROMPT_TEXT are <unk>: the vocabulary cannot write all of it."
    ]


def test_a_task_without_labels_samples_everything_and_says_so(around, caplog):
    caplog.set_level("INFO")
    found = init.class_labels(dataclasses.replace(around, labels=()), population=6)
    assert sorted(ids_of(found.enc_input)) == [0, 1, 2, 3, 4, 5]
    assert "no class labels" in caplog.text


def test_more_labels_than_vectors_are_refused(around):
    short = dataclasses.replace(around, length=1)
    with pytest.raises(ValueError, match=r"2 labels .* of 1.*--gin\.PROMPT_LENGTH"):
        init.class_labels(short)


def test_labels_beyond_the_last_vector_may_be_left_out(around):
    for length in (1, 2, 3):
        short = dataclasses.replace(around, length=length)
        found = init.class_labels(short, surplus=True).enc_input
        assert found.shape == (length, 4)
        np.testing.assert_array_equal(found[0], TABLE[10])


def test_a_label_without_pieces_is_refused(around):
    silent = dataclasses.replace(around, encode=lambda text: [], labels=("positive",))
    with pytest.raises(ValueError, match=r"'positive'.*CLASS_LABELS"):
        init.class_labels(silent)


def test_a_text_gives_its_pieces_in_order(around):
    found = ids_of(init.text(around, text="a long text").enc_input)
    assert found[:3] == [13, 14, 13]
    assert len(set(found[3:])) == 3


@pytest.mark.parametrize(("length", "pieces"), [(3, [13, 14, 13]), (6, [])])
def test_a_text_may_fill_the_prompt_or_be_empty(length, pieces, around):
    fits = dataclasses.replace(around, length=length, encode=lambda text: pieces)
    found = ids_of(init.text(fits, text="anything").enc_input)
    assert found[: len(pieces)] == pieces and len(found) == length


def test_a_text_longer_than_the_prompt_is_refused(around):
    short = dataclasses.replace(around, length=2)
    with pytest.raises(ValueError, match=r"3 pieces.*2 vectors.*--gin\.PROMPT_LENGTH"):
        init.text(short, text="a long text")


PROMPT = np.arange(24, dtype=np.float32).reshape(6, 4)


@pytest.fixture
def source(tmp_path):
    """(prompt, model) -> the file of a source prompt."""

    def write(prompt, model="this model"):
        path = tmp_path / "source.safetensors"
        files.write(
            path,
            soft(prompt),
            {"model": {"fingerprint": model}, "task": "mnli"},
        )
        return str(path)

    return write


def test_a_file_gives_its_prompt(around, source):
    found = init.from_file(around, path=source(PROMPT)).enc_input
    np.testing.assert_array_equal(found, PROMPT)


def test_a_numpy_file_names_no_model_and_is_taken(around, tmp_path):
    np.save(tmp_path / "prompt.npy", PROMPT)
    found = init.from_file(around, path=str(tmp_path / "prompt.npy")).enc_input
    np.testing.assert_array_equal(found, PROMPT)


def test_a_longer_prompt_is_cut_only_when_asked(around, source):
    short = dataclasses.replace(around, length=4)
    path = source(PROMPT)
    found = init.from_file(short, path=path, length_mismatch="truncate").enc_input
    np.testing.assert_array_equal(found, PROMPT[:4])
    for choice in ("error", "pad"):
        with pytest.raises(ValueError, match=r"6 vectors.* 4.*PROMPT_LENGTH=6.*trunc"):
            init.from_file(short, path=path, length_mismatch=choice)


def test_a_shorter_prompt_is_extended_only_when_asked(around, source):
    path = source(PROMPT[:2])
    found = init.from_file(around, path=path, length_mismatch="pad").enc_input
    np.testing.assert_array_equal(found[:2], PROMPT[:2])
    assert len(set(ids_of(found[2:]))) == 4
    for choice in ("error", "truncate"):
        with pytest.raises(ValueError, match=r"2 vectors.* 6.*PROMPT_LENGTH=2.*pad"):
            init.from_file(around, path=path, length_mismatch=choice)


def test_a_choice_that_does_not_exist_is_refused_even_when_lengths_match(
    around, source
):
    with pytest.raises(ValueError, match="'cut'.*error.*truncate.*pad"):
        init.from_file(around, path=source(PROMPT), length_mismatch="cut")


def test_a_prompt_of_another_width_is_refused(around, source):
    with pytest.raises(
        ValueError, match=r"\[6, 3\], the model takes \[prompt, 4\].*size"
    ):
        init.from_file(around, path=source(PROMPT[:, :3]))


def test_a_prompt_of_another_model_is_taken_only_when_asked(around, source):
    path = source(PROMPT, model="that model")
    with pytest.raises(ValueError, match=r"that model.*this model.*allow_other_model"):
        init.from_file(around, path=path)
    found = init.from_file(around, path=path, allow_other_model=True).enc_input
    np.testing.assert_array_equal(found, PROMPT)


def test_the_same_seed_samples_the_same(around):
    again = dataclasses.replace(around, rng=np.random.default_rng(1))
    assert_same(init.sampled_vocabulary(around), init.sampled_vocabulary(again))


def test_a_file_of_every_site_gives_all_of_them(around, tmp_path):
    prompt = everywhere(6).replace(hidden_mode="add", bias_mode="contiguous")
    path = str(tmp_path / "prompt.safetensors")
    files.write(path, prompt, {})
    assert_same(init.from_file(around, path=path), prompt)
    short = dataclasses.replace(around, length=4)
    found = init.from_file(short, path=path, length_mismatch="truncate")
    assert_same(found, algebra.truncate(prompt, 4))
    # There is no vocabulary to sample keys and values from.
    long = dataclasses.replace(around, length=8)
    with pytest.raises(ValueError, match="of different kinds"):
        init.from_file(long, path=path, length_mismatch="pad")


def test_a_site_of_another_model_is_refused(around, tmp_path):
    path = str(tmp_path / "prompt.safetensors")
    other = types.SimpleNamespace(**vars(MODEL) | {"decoder_layers": 2})
    files.write(path, everywhere(6, model=other), {})
    with pytest.raises(ValueError, match=r"its dec_self is \[2, 2, 6, 6\].*\[5, 2, "):
        init.from_file(around, path=path)
