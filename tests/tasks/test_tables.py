"""Tagging, text from tables and topics, on rows of the miniature or written here."""

import json

import pytest
import seqio

from spot_jax import convert, miniature
from spot_jax.errors import InputError
from spot_jax.miniature.folder import write_task
from spot_jax.tasks import catalog
from spot_jax.text import tagging
from spot_jax.text.postprocessors import as_texts
from spot_jax.text.registration import use_data_dir
from spot_jax.text.vocabulary import PUBLISHED_VOCABULARY, use_vocabulary
from tests.text.test_selected_rows import TOPICS


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with the miniature's tagging and tables."""
    folder = tmp_path_factory.mktemp("more")
    for task in miniature.MORE:
        splits = miniature.all_splits(task, train=100, validation=60)
        write_task(catalog.get(task), splits, folder)
    return folder


@pytest.fixture
def prepared(written, registered):
    """That folder; during the test tasks read there, with spot_tiny's vocabulary."""
    use_vocabulary("spot_tiny")
    use_data_dir(str(written))
    yield written
    use_data_dir(None)
    use_vocabulary(PUBLISHED_VOCABULARY)


def examples(task, split):
    dataset = seqio.TaskRegistry.get(task).get_dataset(None, split, shuffle=False)
    return list(dataset.as_numpy_iterator())


def inputs(task, split):
    return [row["inputs_pretokenized"].decode() for row in examples(task, split)]


def test_a_sentence_of_the_miniature_becomes_an_example(prepared):
    rows = miniature.rows("conll2003", "dev", 60)
    for row, example in zip(rows, examples("conll2003", "validation"), strict=True):
        words = " ".join(row["tokens"])
        assert example["inputs_pretokenized"].decode() == f"conll2003 tokens: {words}"
        assert as_texts(example["tags"]) == row["ner"]
        text = example["targets_pretokenized"].decode()
        entities = tagging.entities_of(row["ner"])
        assert tagging.read_entities(text, row["tokens"]) == entities


def test_triples_stand_in_a_row(prepared):
    row = miniature.rows("web_nlg_table", "train", 1)[0]
    subject, relation, value, *_ = row["input_text"]["table"]["content"]
    (text, *_) = inputs("web_nlg_table", "train")
    assert text.startswith(f"web_nlg_table {subject} : {relation} : {value}")
    count = max(row["input_text"]["table"]["row_number"])
    assert text.count(" , ") == count


@pytest.fixture
def articles(tmp_path, registered):
    """XSum's form of an article of each topic in every split, as it is converted."""
    files = []
    for split in ("train", "validation", "test"):
        rows = [
            {"document": f"{told} {split}", "summary": topic, "topic": told}
            for told, topic in TOPICS
        ]
        path = tmp_path / f"{split}.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        files += ["--rows", f"{split}={path}"]
    folder = str(tmp_path / "data")
    convert.main(["xsum_within_news", "--data_dir", folder, *files])
    use_data_dir(folder)
    use_vocabulary("spot_tiny")
    yield
    use_data_dir(None)
    use_vocabulary(PUBLISHED_VOCABULARY)


@pytest.mark.parametrize(
    "task, trained, tested",
    [
        (
            "xsum_news_to_sports",
            {"world", "uk", "business", "health", "news"},
            {"sport"},
        ),
        ("xsum_within_news", {"world", "uk", "business"}, {"health", "news"}),
    ],
)
def test_topics_of_training_are_not_those_of_the_test(task, trained, tested, articles):
    found = {
        split: {row["targets_pretokenized"].decode() for row in examples(task, split)}
        for split in ("train", "validation", "test")
    }
    assert found == {"train": trained, "validation": trained, "test": tested}


def test_rows_of_ones_own_are_asked_for(capsys, tmp_path):
    from spot_jax.text.data_folder import find_data

    info = catalog.get("xsum_within_news")
    problem = find_data(info.name, info.tfds, str(tmp_path)).problem
    assert "spot_jax convert xsum_within_news --rows train=FILE.jsonl" in problem
    assert "tfds build" not in problem


def test_sentences_and_tags_that_cannot_be_right_are_refused(tmp_path):
    for words, tags, told in (
        (["a", "b"], ["O"], "tokens are 2 and ner has 1"),
        (["a b"], ["O"], "with a space in it"),
        (["a"], ["B-XYZ"], "B-XYZ"),
    ):
        path = tmp_path / "rows.jsonl"
        path.write_text(json.dumps({"tokens": words, "ner": tags}))
        with pytest.raises(InputError, match=told):
            convert.main(
                ["conll2003", "--data_dir", str(tmp_path), "--rows", f"train={path}"]
            )
