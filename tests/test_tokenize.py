import shutil

import pytest

import spot_jax.tasks
from spot_jax import tokenize
from spot_jax.data import loading
from spot_jax.data.tokenized import TokenizedExamples
from spot_jax.errors import InputError
from spot_jax.settings import Data
from spot_jax.text import vocabulary
from spot_jax.text.prepared import write_prepared
from spot_jax.text.registration import use_data_dir
from tests.small_vocabulary import write_vocabulary

SST2 = ("sst2", "--lengths", "inputs=64,targets=16")
SENTENCES = ("a good film", "one bad film , and a good one and a bad one", "good")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Prepared data of three tasks, and a vocabulary."""
    folder = tmp_path_factory.mktemp("data")
    rows = [
        {"sentence": sentence, "label": 1, "idx": number}
        for number, sentence in enumerate(SENTENCES * 20)
    ]
    for name in ("glue/sst2:2.0.0", "glue/cola:2.0.0"):
        write_prepared(name, {"train": rows, "validation": rows[:3]}, folder)
    columns = ("content-length", "content-type", "timestamp", "url")
    documents = [
        dict.fromkeys(columns, "x") | {"text": " ".join(SENTENCES * 5)}
        for _ in range(4)
    ]
    write_prepared("c4/en:3.1.0", {"train": documents}, folder)
    write_vocabulary(folder)
    spot_jax.tasks.register_all()
    yield folder
    use_data_dir(None)
    vocabulary.use_vocabulary(vocabulary.PUBLISHED_VOCABULARY)


def run(folder, output, *arguments: str) -> TokenizedExamples:
    tokenize.main(
        [*arguments, "--output", str(output), "--data_dir", str(folder)]
        + ["--vocabulary", str(folder / "spiece.model")]
    )
    return TokenizedExamples(output)


def test_a_task_keeps_its_order(folder, tmp_path, capsys):
    examples = run(folder, tmp_path / "t", *SST2)
    assert len(examples) == 60
    for number in (0, 1, 59):
        text = vocabulary.VOCABULARY.decode(examples[number]["inputs"].tolist())
        assert text == f"sst2 sentence: {SENTENCES[number % 3]}"
        assert examples[number]["targets"][-1] == 1
    header = examples.header
    assert header["task"] == "sst2" and header["split"] == "train"
    assert header["cut"] == {"inputs": 0, "targets": 0}
    assert header["vocabulary"].fingerprint == vocabulary.vocabulary_fingerprint()
    assert "60 examples" in capsys.readouterr().out


def test_what_is_too_long_is_cut_and_counted(folder, tmp_path, capsys):
    examples = run(folder, tmp_path / "t", "sst2", "--lengths", "inputs=20,targets=16")
    assert examples.header["cut"]["inputs"] == 20
    assert examples.lengths("inputs").max() == 20
    assert all(examples[number]["inputs"][-1] == 1 for number in range(60))
    assert "20 examples cut at 20" in capsys.readouterr().out


def test_a_language_model_is_split_by_its_seed(folder, tmp_path):
    arguments = ("c4_prefix_lm", "--lengths", "inputs=33,targets=33")
    one, same, other = (
        run(folder, tmp_path / f"t{number}", *arguments, "--seed", seed)
        for number, seed in enumerate(("1", "1", "2"))
    )
    assert one.lengths("inputs").tolist() == same.lengths("inputs").tolist()
    assert one.lengths("inputs").tolist() != other.lengths("inputs").tolist()
    assert one.lengths("inputs").max() <= 33


def test_a_mixture_needs_a_number(folder, tmp_path, monkeypatch):
    import seqio

    pair = seqio.Mixture("pair", [("sst2", 1.0), ("cola", 1.0)])
    monkeypatch.setitem(seqio.MixtureRegistry._REGISTRY, "pair", pair)
    arguments = ("pair", "--lengths", "inputs=64,targets=16")
    with pytest.raises(ValueError, match="--examples N"):
        run(folder, tmp_path / "t", *arguments)
    examples = run(folder, tmp_path / "t", *arguments, "--examples", "200")
    assert len(examples) == 200
    texts = {
        vocabulary.VOCABULARY.decode(examples[number]["inputs"].tolist())[:4]
        for number in range(200)
    }
    assert texts == {"sst2", "cola"}


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["sst3", "--lengths", "inputs=9,targets=9"], "no task or mixture 'sst3'"),
        (["sst2", "--lengths", "9"], "inputs=512,targets=32"),
        (
            ["sst2", "--lengths", "inputs=9,targets=9", "--split", "test"],
            "no split test",
        ),
        (["rte", "--lengths", "inputs=9,targets=9"], "no prepared data"),
        ([*SST2, "--examples", "0"], "--examples is 0; give 1 to"),
        ([*SST2, "--examples", "-3"], "--examples is -3"),
        ([*SST2, "--seed", "-1"], "--seed is -1; give 0 to 2,147,483,647"),
        ([*SST2, "--seed", str(2**31)], "--seed is 2147483648"),
        ([*SST2, "--extra_ids", "-5"], "--extra_ids is -5"),
        ([*SST2, "--lengths", f"inputs={2**31},targets=9"], "--lengths inputs is 2147"),
    ],
)
def test_wrong_options_are_one_message(folder, tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        run(folder, tmp_path / "t", *arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "output, message",
    [
        ("s3://bucket/t", "s3://bucket/t: arrays are written on this machine"),
        ("{tmp}", "is already there; move or remove it first"),
        ("", "is already there"),
        ("{tmp}/file/t", "cannot be written .Not a directory"),
        ("/proc/t", "/proc/t cannot be written"),
    ],
)
def test_a_place_that_cannot_be_written_is_one_message(
    folder, tmp_path, output, message
):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=message):
        run(folder, output.format(tmp=tmp_path), *SST2)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_paths_may_begin_at_home(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "data").symlink_to(folder)
    paths = ["--output", "~/t", "--data_dir", "~/data"]
    vocabulary_path = "~/data/spiece.model"
    tokenize.main([*SST2, *paths, "--vocabulary", vocabulary_path])
    header = TokenizedExamples("~/t").header
    assert header["examples"] == 60
    assert header["vocabulary"].path == str(tmp_path / "data/spiece.model")


def test_a_task_of_a_vocabulary_of_its_own_is_refused(folder, tmp_path, monkeypatch):
    import seqio

    sst2 = seqio.TaskRegistry.get("sst2")
    features = sst2.output_features | {"targets": seqio.Feature(seqio.ByteVocabulary())}
    own = seqio.Task("own", sst2.source, features, sst2.preprocessors)
    monkeypatch.setitem(seqio.TaskRegistry._REGISTRY, "own", own)
    with pytest.raises(InputError, match="targets of own are of .*ByteVocabulary"):
        run(folder, tmp_path / "t", "own", *SST2[1:])
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_of_the_data_is_one_message(folder, tmp_path):
    shutil.copytree(folder / "glue/sst2", tmp_path / "data/glue/sst2")
    (file,) = (tmp_path / "data").rglob("*train.tfrecord*")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 255
    file.write_bytes(data)
    arguments = ["--output", str(tmp_path / "t"), "--data_dir", str(tmp_path / "data")]
    with pytest.raises(
        InputError, match="sst2: the split train cannot be read .* is damaged"
    ):
        tokenize.main([*SST2, *arguments, "--vocabulary", str(folder / "spiece.model")])
    assert not (tmp_path / "t").exists()
    # TFDS_DATA_DIR is that folder still.
    data = Data("sst2", {"inputs": 64, "targets": 16}, str(folder / "spiece.model"))
    with pytest.raises(
        InputError, match="sst2: the split train cannot be read .* is damaged"
    ):
        loading.training_loader(data)("sst2")


def test_an_interruption_leaves_nothing(folder, tmp_path, monkeypatch):
    def interrupted(*arguments):
        yield {"inputs": [5, 1], "targets": [5, 1]}
        raise KeyboardInterrupt

    monkeypatch.setattr(tokenize, "_examples", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(folder, tmp_path / "t", *SST2)
    assert not list(tmp_path.iterdir())
