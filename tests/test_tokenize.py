import pytest

import spot_jax.tasks
from spot_jax import tokenize
from spot_jax.data.tokenized import TokenizedExamples
from spot_jax.text import vocabulary
from spot_jax.text.prepared import write_prepared
from spot_jax.text.registration import use_data_dir
from tests.small_vocabulary import write_vocabulary

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
    examples = run(folder, tmp_path / "t", "sst2", "--lengths", "inputs=64,targets=16")
    assert len(examples) == 60
    for number in (0, 1, 59):
        text = vocabulary.VOCABULARY.decode(examples[number]["inputs"].tolist())
        assert text == f"sst2 sentence: {SENTENCES[number % 3]}"
        assert examples[number]["targets"][-1] == 1
    header = examples.header
    assert header["task"] == "sst2" and header["split"] == "train"
    assert header["cut"] == {"inputs": 0, "targets": 0}
    assert header["vocabulary"]["fingerprint"] == vocabulary.vocabulary_fingerprint()
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
    ],
)
def test_wrong_options_are_one_message(folder, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        run(folder, tmp_path / "t", *arguments)
    assert not list(tmp_path.iterdir())
