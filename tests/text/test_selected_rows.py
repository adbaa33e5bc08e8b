"""Which rows of a split are kept: by kinds that training has, and by topic."""

import pytest
import seqio

from spot_jax import miniature
from spot_jax.errors import InputError
from spot_jax.miniature.folder import write_task
from spot_jax.tasks import catalog
from spot_jax.text.registration import use_data_dir
from spot_jax.text.selected_rows import topic_of
from spot_jax.text.vocabulary import PUBLISHED_VOCABULARY, use_vocabulary


@pytest.fixture(scope="module")
def registered() -> None:
    import spot_jax.tasks

    spot_jax.tasks.register_all()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with the miniature's triples."""
    folder = tmp_path_factory.mktemp("triples")
    for task in ("web_nlg_table", "dart_table"):
        splits = miniature.all_splits(task, train=100, validation=60)
        write_task(catalog.get(task), splits, folder)
    return folder


@pytest.fixture
def prepared(written, registered):
    """During the test tasks read there, with spot_tiny's vocabulary."""
    use_vocabulary("spot_tiny")
    use_data_dir(str(written))
    yield
    use_data_dir(None)
    use_vocabulary(PUBLISHED_VOCABULARY)


def inputs(task, split):
    dataset = seqio.TaskRegistry.get(task).get_dataset(None, split, shuffle=False)
    rows = dataset.as_numpy_iterator()
    return [row["inputs_pretokenized"].decode() for row in rows]


@pytest.mark.parametrize("task", ["web_nlg_table", "dart_table"])
def test_seen_and_unseen_rows_are_all_rows_of_the_test(task, prepared):
    every, seen, unseen = (
        inputs(task, split) for split in ("test", "test_seen", "test_unseen")
    )
    assert len(every) == 60 and seen and unseen
    assert sorted(seen + unseen) == sorted(every)
    relations = {
        split: {part.split(" : ")[1] for text in texts for part in text.split(" , ")}
        for split, texts in (("train", inputs(task, "train")), ("seen", seen))
    }
    assert relations["seen"] <= relations["train"]
    assert all(
        any(
            part.split(" : ")[1] not in relations["train"] for part in text.split(" , ")
        )
        for text in unseen
    )


def test_what_is_unseen_is_not_told_without_training_rows(registered, tmp_path):
    splits = miniature.all_splits("dart_table", train=16, validation=16)
    write_task(catalog.get("dart_table"), {"test": splits["test"]}, tmp_path)
    use_data_dir(str(tmp_path))
    try:
        with pytest.raises(InputError, match="dart_table: what is seen and unseen"):
            seqio.TaskRegistry.get("dart_table").get_dataset(None, "test_seen")
    finally:
        use_data_dir(None)


TOPICS = [
    ("sport", "sport"),
    (" World ", "world"),
    ("http://www.bbc.co.uk/news/uk-england-leeds-1234", "uk"),
    ("https://www.bbc.com/news/world-europe-1234", "world"),
    (
        "http://web.archive.org/web/2016/http://www.bbc.co.uk/news/business-35208180",
        "business",
    ),
    ("http://www.bbc.co.uk/sport/football/1234", "sport"),
    ("http://www.bbc.co.uk/sport/0/football/1234", "sport"),
    ("http://www.bbc.co.uk/news/1234", "news"),
    ("http://www.bbc.co.uk/news/health-1234", "health"),
    ("http://news.bbc.co.uk/sport1/hi/1234.stm", "sport"),
]


@pytest.mark.parametrize("told, topic", TOPICS)
def test_the_topic_of_an_article_is_told_by_its_address(told, topic):
    assert topic_of(told) == topic
