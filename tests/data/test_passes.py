"""Streams that go on where they stopped, without reading again what was before."""

import dataclasses
import json
import logging
import pathlib

import numpy as np
import pytest
import seqio
import tensorflow as tf

from spot_jax import spot_tiny
from spot_jax.data import loading, passes, set_up
from spot_jax.data.length_check import LengthCheck
from spot_jax.data.orders import Position
from spot_jax.settings import Data
from spot_jax.text.prefix_lm import prefix_lm
from spot_jax.text.registration import FEATURES
from spot_jax.text.span_corruption import span_corruption

FILES, LINES, EVERY = 40, 100, 500
LENGTHS = {"inputs": 24, "targets": 24}
VOCABULARY = str(pathlib.Path(spot_tiny.__file__).parent / "vocabulary.model")


@seqio.map_over_dataset
def to_two_texts(line):
    return {"inputs": line, "targets": tf.strings.substr(line, 0, 9)}


@seqio.map_over_dataset
def to_text(line):
    return {"targets": line}


def leave_out_some(dataset):
    return dataset.filter(lambda row: tf.strings.length(row["inputs"]) % 3 > 0)


def two_of_each(dataset):
    return dataset.flat_map(
        lambda row: tf.data.Dataset.from_tensors(row).concatenate(
            tf.data.Dataset.from_tensors(row | {"targets": row["inputs"]})
        )
    )


KINDS = {
    "long_one_to_one": (to_two_texts, seqio.preprocessors.tokenize),
    "long_filtered": (to_two_texts, leave_out_some, seqio.preprocessors.tokenize),
    "long_doubled": (to_two_texts, two_of_each, seqio.preprocessors.tokenize),
    "long_prefix_lm": (to_text, seqio.preprocessors.tokenize, prefix_lm),
    "long_corrupted": (to_text, seqio.preprocessors.tokenize, span_corruption),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Many files of short lines, and a task for every kind of preprocessor."""
    folder = tmp_path_factory.mktemp("lines")
    words = "a good film and soup of the old house by sea".split()
    rng = np.random.default_rng(0)
    for file in range(FILES):
        lengths = rng.integers(2, 9, size=LINES)
        lines = [
            " ".join([f"{file}.{line}", *rng.choice(words, n)])
            for line, n in enumerate(lengths)
        ]
        (folder / f"{file:02}.txt").write_text("\n".join(lines) + "\n")
    for name, preprocessors in KINDS.items():
        add(name, folder, preprocessors)
    return folder


def add(name, folder, preprocessors):
    if name in seqio.TaskRegistry.names():
        seqio.TaskRegistry.remove(name)
    seqio.TaskRegistry.add(
        name,
        source=seqio.TextLineDataSource(
            dict.fromkeys(("train", "validation"), f"{folder}/*.txt")
        ),
        preprocessors=[*preprocessors, seqio.preprocessors.append_eos],
        output_features=FEATURES,
        shuffle_buffer_size=150,
    )


@pytest.fixture(autouse=True)
def little(monkeypatch):
    monkeypatch.setattr(passes, "MARK_EVERY", EVERY)
    monkeypatch.setattr(loading, "STREAM_SAMPLE", 50)


def reader_of(name, streams=None, lengths=LENGTHS, **options):
    data = Data(name, lengths, VOCABULARY, extra_ids=0, **options)
    set_up.set_up_tasks(data)
    return loading.training_loader(data, streams)(name)


def told(taken):
    return [(inputs.tolist(), targets.tolist()) for inputs, targets in taken]


def saved(position):
    """What a checkpoint makes of a position."""
    return Position(**json.loads(json.dumps(dataclasses.asdict(position))))


def as_ever(name, seed, count):
    """The order of the first pass by SeqIO itself, as runs have always read it."""
    seed = np.random.SeedSequence([seed, 0]).generate_state(1)[0]
    task = seqio.TaskRegistry.get(name)
    lengths = LENGTHS if name == "long_prefix_lm" else None
    dataset = task.get_dataset(
        lengths, "train", seed=int(seed) & 0x7FFFFFFF, num_epochs=1
    )
    examples = dataset.take(count).as_numpy_iterator()
    return [(e["inputs"].tolist(), e["targets"].tolist()) for e in examples]


@pytest.mark.parametrize("name", KINDS)
def test_a_stream_goes_on_anywhere_as_if_it_had_not_stopped(name, folder):
    reader = reader_of(name, streams := {})
    whole, at, every = reader(3, Position()), {}, []
    stops = [EVERY - 1, 2817]
    for stop in stops:
        every += told(whole.take(stop - len(every)))
        at[stop] = saved(whole.position)
    # Into the second pass of those that have no more examples than lines.
    every += told(whole.take(4300 - len(every)))
    at[4300] = saved(whole.position)
    every += told(whole.take(30))
    assert every[:2500] == as_ever(name, 3, 2500)
    for stop, position in at.items():
        seen = streams[name].seen
        assert told(reader(3, position).take(30)) == every[stop : stop + 30]
        # However far it is, no more is read again than there is between two marks.
        assert streams[name].seen - seen <= EVERY + 2 * 64 + 30


def test_files_that_were_read_to_their_end_are_not_opened_again(folder, tmp_path):
    files = [tmp_path / path.name for path in folder.glob("*.txt")]
    for path in files:
        path.write_bytes((folder / path.name).read_bytes())
    add("long_vanishing", tmp_path, KINDS["long_one_to_one"])
    reader = reader_of("long_vanishing")
    whole = reader(0, Position())
    taken = told(whole.take(3000))
    position, rest = saved(whole.position), told(whole.take(700))
    opened = {pieces.split(".")[0] for pieces, _ in map(texts, rest)}
    gone = [path for path in files if str(int(path.stem)) not in opened]
    read = {pieces.split(".")[0] for pieces, _ in map(texts, taken)}
    assert len(gone) > 10 and {str(int(path.stem)) for path in gone} <= read
    for path in gone:
        path.write_text("")
    assert told(reader(0, position).take(700)) == rest


def texts(pair):
    from spot_jax.text.vocabulary import VOCABULARY as pieces

    return [pieces.decode(ids).replace(" ", "") for ids in pair]


def damaged(mark, how):
    if how == "no mark":
        return None
    if how == "state":
        return mark | {"state": mark["state"][: len(mark["state"]) // 8 * 4]}
    if how == "no such key":
        return {key: mark[key] for key in mark if key != "begins"}
    return mark | {how: 1501 if how == "offset" else "something else"}


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("no mark", "the checkpoint does not say where its reader stood"),
        ("made_of", "its files, its lengths or TensorFlow's version are others now"),
        ("no such key", "its files, its lengths or TensorFlow's version"),
        ("offset", "its files, its lengths or TensorFlow's version"),
        ("begins", "its reader cannot go on where it stood (other examples follow"),
        ("state", "its reader cannot go on where it stood ("),
    ],
)
def test_without_a_mark_that_fits_all_is_read_again_and_counted(
    how, why, folder, caplog
):
    caplog.set_level(logging.INFO)
    reader = reader_of("long_one_to_one", streams := {})
    whole = reader(3, Position())
    whole.take(1500)
    position, rest = saved(whole.position), told(whole.take(30))
    position = dataclasses.replace(position, reader=damaged(position.reader, how))
    seen = streams["long_one_to_one"].seen
    assert told(reader(3, position).take(30)) == rest
    assert streams["long_one_to_one"].seen - seen >= 1530
    message = "long_one_to_one: 1,500 examples are read again before the run goes on: "
    assert message + why in caplog.text


def test_a_mark_of_another_seed_is_not_gone_on_from(folder):
    reader = reader_of("long_one_to_one")
    one, other = reader(1, Position()), reader(2, Position())
    one.take(600)
    assert one.position.reader
    expected = told(other.take(630))[600:]
    assert told(reader(2, saved(one.position)).take(30)) == expected


def test_a_generator_is_told_before_the_run_and_read_again(folder, caplog, capfd):
    caplog.set_level(logging.INFO)
    reader = reader_of("miniature_prefix_lm", truncate=True)
    assert "miniature_prefix_lm: its rows come from a Python generator" in caplog.text
    assert "PyFunc" not in capfd.readouterr().err
    whole = reader(0, Position())
    whole.take(650)
    position, rest = saved(whole.position), told(whole.take(5))
    assert position.reader is None
    assert told(reader(0, position).take(5)) == rest
    assert "650 examples are read again before the run goes on: its rows" in caplog.text


def test_the_streams_of_a_mixture_go_on_from_their_own_marks(folder):
    if "long_mixture" not in seqio.MixtureRegistry.names():
        members = [("long_one_to_one", 3000), ("long_filtered", 1000)]
        seqio.MixtureRegistry.add("long_mixture", members)
    reader = reader_of("long_mixture", streams := {})
    whole = reader(3, Position())
    for taken in (1, 2700, 2000):
        whole.take(taken)
        position, rest = saved(whole.position), told(whole.take(30))
        seen = sum(check.seen for check in streams.values())
        assert told(reader(3, position).take(30)) == rest
        again = sum(check.seen for check in streams.values()) - seen
        assert again <= len(streams) * (EVERY + 2 * 64) + 30
        without = dataclasses.replace(position, reader=None)
        assert told(reader(3, without).take(30)) == rest


def test_what_is_too_long_further_on_is_left_out_and_counted(folder, caplog):
    caplog.set_level(logging.INFO)
    reader = reader_of("long_one_to_one", streams := {})
    check = streams["long_one_to_one"]
    assert "The first 50 fit; a later one that does not is left out" in caplog.text
    every = told(reader(3, Position()).take(2000))
    longest = max(len(inputs) for inputs, _ in every)
    check.lengths = {"inputs": longest - 1, "targets": 24}
    caplog.clear()
    fitting = [pair for pair in every if len(pair[0]) < longest]
    whole = reader(3, Position())
    assert told(whole.take(len(fitting))) == fitting
    count = len(every) - len(fitting)
    assert 0 < check.unfit <= count
    assert f"inputs are longer than {longest - 1} tokens" in caplog.text
    assert caplog.text.count("they are left out") == len(str(check.unfit))
    rest = told(whole.take(30))
    # Those that were left out are not counted as taken.
    again = reader(3, Position(offset=len(fitting)))
    assert told(again.take(30)) == rest


def test_what_is_too_long_is_cut_where_it_may_be(folder, caplog):
    caplog.set_level(logging.INFO)
    short = {"inputs": 8, "targets": 24}
    reader = reader_of("long_one_to_one", streams := {}, short, truncate=True)
    assert "they are cut" in caplog.text
    assert "An example that is too long is cut and counted" in caplog.text
    taken = reader(3, Position()).take(500)
    assert max(len(inputs) for inputs, _ in taken) == 8
    assert streams["long_one_to_one"].unfit > 0


def test_examples_without_targets_do_not_end_a_stream(caplog):
    ids = tf.ragged.constant([[5, 6, 1], [], [7, 1]], tf.int32)
    dataset = tf.data.Dataset.from_tensor_slices({"inputs": ids, "targets": ids})
    dataset = dataset.map(lambda row: row)
    check = LengthCheck("a task", LENGTHS, truncate=False, streamed=True)
    taken = list(passes.TaskPass(dataset, check))
    assert [len(targets) for _, targets in taken] == [3, 2]
    assert "1 of 2 have no targets; they are left out" in caplog.text
    refusing = LengthCheck("a task", LENGTHS, truncate=False)
    with pytest.raises(ValueError, match="example 2 has no targets"):
        list(passes.TaskPass(dataset, refusing))


def test_a_folder_of_tfds_goes_on_as_well(tmp_path, monkeypatch):
    from spot_jax.text import prepared
    from spot_jax.text.registration import use_data_dir

    monkeypatch.setattr(prepared, "_ROWS_PER_FILE", 50)
    columns = ("text", "url", "timestamp", "content-type", "content-length")
    words = "a good film and soup of the old house by sea".split()
    rows = [
        dict.fromkeys(columns, "x") | {"text": f"{i} " + " ".join(words * (1 + i % 5))}
        for i in range(1000)
    ]
    prepared.write_prepared(
        "c4/en:3.1.0", {"train": rows, "validation": rows[:1]}, tmp_path
    )
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    spot_tasks = Data("c4_prefix_lm", LENGTHS, VOCABULARY, extra_ids=0)
    set_up.set_up_tasks(spot_tasks)
    use_data_dir(str(tmp_path))
    try:
        reader = loading.training_loader(spot_tasks, streams := {})("c4_prefix_lm")
        whole = reader(3, Position())
        whole.take(1600)
        position, rest = saved(whole.position), told(whole.take(30))
        assert position.reader["offset"] > 1300
        seen = streams["c4_prefix_lm"].seen
        assert told(reader(3, position).take(30)) == rest
        assert streams["c4_prefix_lm"].seen - seen <= EVERY + 2 * 64 + 30
    finally:
        use_data_dir(None)
