"""A task whose ids are of another vocabulary than the run's is refused by name."""

import dataclasses
import shutil

import pytest
import seqio
import tensorflow as tf

from spot_jax.data import eval_tasks, loading, set_up, vocabularies
from spot_jax.data.orders import Position
from spot_jax.errors import InputError
from spot_jax.settings import Data, Evaluation
from spot_jax.spot_tiny import FOLDER
from spot_jax.text import vocabulary
from spot_jax.text.vocabulary import VOCABULARY
from tests.small_vocabulary import write_vocabulary

OTHER = str(FOLDER / "vocabulary.model")


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    yield write_vocabulary(tmp_path_factory.mktemp("vocabulary"))
    vocabulary.use_vocabulary(vocabulary.PUBLISHED_VOCABULARY)


@pytest.fixture
def register(monkeypatch):
    """Registers a task for a test, whose examples are made by `rows`."""

    def add(name, inputs=VOCABULARY, targets=VOCABULARY, rows=None, preprocessors=None):
        def dataset(split, shuffle_files, seed=None):
            del split, shuffle_files, seed
            texts = {"inputs": ["a good film"] * 3, "targets": ["positive"] * 3}
            return tf.data.Dataset.from_tensor_slices(rows or texts)

        tokenize = [seqio.preprocessors.tokenize, seqio.preprocessors.append_eos]
        task = seqio.Task(
            name,
            source=seqio.FunctionDataSource(
                dataset,
                splits=["train", "validation"],
                num_input_examples={"train": 3, "validation": 3},
            ),
            preprocessors=tokenize if preprocessors is None else preprocessors,
            output_features={
                "inputs": seqio.Feature(inputs, required=False),
                "targets": seqio.Feature(targets),
            },
        )
        monkeypatch.setitem(seqio.TaskRegistry._REGISTRY, name, task)

    return add


def data_of(path, name="own", **changes) -> Data:
    return Data(name, {"inputs": 16, "targets": 8}, path, **changes)


def read(path, name="own"):
    data = data_of(path, name)
    set_up.set_up_tasks(data)
    return loading.training_loader(data)(name)(0, Position()).take(3)


@pytest.mark.parametrize("extra_ids", [0, 7])
def test_a_vocabulary_is_the_same_with_and_without_tensorflow(ours, extra_ids):
    vocabulary.use_vocabulary(ours, extra_ids)
    processor, found = vocabularies.open_and_identify(ours, extra_ids)
    assert found == vocabularies.identity_of(VOCABULARY)
    # What earlier versions wrote into headers.
    assert found.fingerprint == vocabulary.vocabulary_fingerprint()
    assert found.size == processor.vocab_size() == VOCABULARY.vocab_size
    assert processor.encode("a film <extra_id_0>") == VOCABULARY.encode(
        "a film <extra_id_0>"
    )


def test_the_home_folder_may_be_named_shortly(ours, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copy(ours, tmp_path / "mine.model")
    _, found = vocabularies.open_and_identify("~/mine.model")
    set_up.set_up_tasks(data_of("~/mine.model"))
    assert VOCABULARY.vocab_size == found.size


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "is no SentencePiece model"),
        (b"no model", "is no SentencePiece model"),
        (None, "No such file"),
    ],
)
def test_what_is_no_vocabulary_is_one_message(tmp_path, data, message):
    path = tmp_path / "x.model"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        vocabularies.open_and_identify(str(path))


def others(ours, tmp_path):
    return {
        "bytes": (seqio.ByteVocabulary(), "ByteVocabulary"),
        "another file": (seqio.SentencePieceVocabulary(OTHER), f"{OTHER}.*{ours}"),
        "sentinels": (
            seqio.SentencePieceVocabulary(ours, 5),
            "EXTRA_IDS=5.*EXTRA_IDS=0",
        ),
        "ids": (seqio.PassThroughVocabulary(320), "PassThroughVocabulary"),
        "no file": (
            seqio.SentencePieceVocabulary(str(tmp_path / "x.model")),
            "x.model, which cannot be read",
        ),
    }


@pytest.mark.parametrize("feature", ["inputs", "targets"])
@pytest.mark.parametrize(
    "case", ["bytes", "another file", "sentinels", "ids", "no file"]
)
def test_a_task_of_another_vocabulary_is_refused(
    ours, tmp_path, register, case, feature
):
    theirs, message = others(ours, tmp_path)[case]
    register("own", **{feature: theirs})
    with pytest.raises(InputError, match=f"own.*{message}.*vocabulary.VOCABULARY"):
        set_up.set_up_tasks(data_of(ours))


def test_a_member_of_a_mixture_is_refused_by_its_name(ours, register, monkeypatch):
    register("right")
    register("wrong", targets=seqio.ByteVocabulary())
    pair = seqio.Mixture("pair", ["right", "wrong"], default_rate=1.0)
    monkeypatch.setitem(seqio.MixtureRegistry._REGISTRY, "pair", pair)
    with pytest.raises(
        InputError, match="The targets of wrong are of .*ByteVocabulary"
    ):
        set_up.set_up_tasks(data_of(ours, ["right", "pair"]))


@pytest.mark.parametrize("path", ["itself", "a copy"])
def test_a_task_of_the_same_vocabulary_is_read(ours, register, tmp_path, path):
    copy = shutil.copy(ours, tmp_path / "copy.model")
    theirs = (
        VOCABULARY if path == "itself" else seqio.SentencePieceVocabulary(str(copy))
    )
    register("own", theirs, theirs)
    expected = [*vocabularies.open_and_identify(ours)[0].encode("positive"), 1]
    assert [targets.tolist() for _, targets in read(ours)] == [expected] * 3


@pytest.mark.parametrize(
    "inputs, targets, message",
    [
        ([[5, 320]] * 3, [[5, 1]] * 3, "own: inputs: ids from 5 to 320"),
        ([[5, 6]] * 3, [[-5, 1]] * 3, "own: targets: ids from -5"),
        ([[5]] * 3, [[]] * 3, "own: example 1 has no targets"),
    ],
)
def test_ids_that_the_model_cannot_embed_are_refused(
    ours, register, inputs, targets, message
):
    given = {"inputs": inputs, "targets": targets}
    rows = {name: tf.constant(ids, tf.int32) for name, ids in given.items()}
    register("own", rows=rows, preprocessors=[])
    with pytest.raises(InputError, match=message):
        read(ours)


def test_a_task_without_inputs_is_refused_by_its_name(ours, register):
    register("own", rows={"targets": tf.constant([[5, 1]] * 3)}, preprocessors=[])
    with pytest.raises(InputError, match="own gives no inputs"):
        read(ours)
    data = data_of(ours)
    with pytest.raises(InputError, match="own .validation. gives no inputs"):
        eval_tasks.load_task("own", Evaluation(), data)


@pytest.mark.parametrize("in_memory", [3, 0])
def test_unknown_pieces_are_counted_in_one_line(
    ours, register, caplog, monkeypatch, in_memory
):
    monkeypatch.setattr(loading, "MAX_EXAMPLES_IN_MEMORY", in_memory)
    rows = {
        "inputs": tf.constant([[2]] * 3),
        "targets": tf.constant([[5, 2, 2, 1]] * 3),
    }
    register("own", rows=rows, preprocessors=[])
    read(ours)
    lines = [line for line in caplog.messages if "<unk>" in line]
    assert len(lines) == 1 and "own: 6 of 12 tokens of the targets (50%)" in lines[0]


def test_a_name_of_no_task_is_another_mistake(ours):
    set_up.set_up_tasks(data_of(ours, "no_such_task"))


def test_a_mixture_of_the_runs_own_is_checked(ours, register, monkeypatch):
    from spot_jax.tasks import catalog

    register("cola", targets=seqio.ByteVocabulary())
    assert "cola" in catalog.TASKS
    data = dataclasses.replace(
        data_of(ours, "both"), mixtures={"both": ["sst2", "cola"]}
    )
    with pytest.raises(InputError, match="The targets of cola"):
        set_up.set_up_tasks(data)
    monkeypatch.delitem(seqio.MixtureRegistry._REGISTRY, "both")
