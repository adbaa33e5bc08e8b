"""Rows of a split that are kept: of kinds that training has, or of some topics."""

import re
from collections.abc import Callable, Iterable, Mapping

import tensorflow as tf

from spot_jax.errors import InputError
from spot_jax.text.preprocessors import Row
from spot_jax.text.registration import Info, PreparedSource


class SelectedRows(PreparedSource):
    """Prepared rows, of which some splits have those that are selected.

    Args:
        info: the task's line of the catalog.
        select: from the source, a split and its rows to the rows that are kept.
    """

    def __init__(self, info: Info, select: Callable):
        super().__init__(info)
        self._select = select

    def get_dataset(self, split: str = "train", **settings) -> tf.data.Dataset:
        """Returns the rows of a split; see seqio.DataSource."""
        return self._select(self, split, self.all_rows(split, **settings))

    def all_rows(self, split: str, **settings) -> tf.data.Dataset:
        """Returns all rows from which those of a split are selected."""
        return super().get_dataset(split, **settings)


def seen_and_unseen(
    kinds: Callable[[Row], tf.Tensor], wanted: Mapping[str, bool]
) -> Callable:
    """Selects, of some splits, rows of kinds that training has, or has not.

    Args:
        kinds: from a row to its kinds, [kinds] strings. A row is seen where all are.
        wanted: of each split that is selected from, whether the seen rows are kept.

    Returns:
        What `SelectedRows` takes.
    """
    known: dict[str, frozenset[bytes]] = {}

    def select(
        source: SelectedRows, split: str, rows: tf.data.Dataset
    ) -> tf.data.Dataset:
        if split not in wanted:
            return rows
        data, info = source.data(), source.info
        if info.splits["train"] not in data.sizes:
            raise InputError(
                f"{info.name}: what is seen and unseen is told by the training rows, "
                f"which {data.folder} has not. Prepare them as well."
            )
        if data.folder not in known:
            training = source.all_rows("train", shuffle=False).map(kinds)
            known[data.folder] = frozenset(
                kind for row in training.as_numpy_iterator() for kind in row.tolist()
            )
        seen = known[data.folder]
        return rows.filter(
            _python(lambda found: (set(found.tolist()) <= seen) == wanted[split], kinds)
        )

    return select


def of_topics(keep: Mapping[str, Callable[[str], bool]]) -> Callable:
    """Selects rows by the topic that their column `topic` has or whose address it is.

    Args:
        keep: of each split, whether it has rows of a topic.

    Returns:
        What `SelectedRows` takes.
    """

    def select(
        source: SelectedRows, split: str, rows: tf.data.Dataset
    ) -> tf.data.Dataset:
        del source
        if split not in keep:
            return rows
        return rows.filter(
            _python(
                lambda told: keep[split](topic_of(told.decode("utf-8"))),
                lambda row: row["topic"],
            )
        )

    return select


def _python(test: Callable, column: Callable[[Row], tf.Tensor]) -> Callable:
    """Makes a test of Python's one of a tf.data set's rows."""

    def keeps(row: Row) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(test, [column(row)], tf.bool), [])

    return keeps


def topic_of(told: str) -> str:
    """Returns the topic of a BBC article: a word, or from its address.

    `"http://www.bbc.co.uk/news/uk-england-leeds-1234"` -> "uk"; of `/sport/football/1`
    it is "sport", and of `/news/1234`, which tells none, "news".
    """
    told = told.strip().lower()
    if "/" not in told:
        return told
    # An archive's address has the article's own in its path.
    path: Iterable[str] = told.rpartition("://")[2].split("/")[1:]
    for part in path:
        if part.startswith("sport"):
            return "sport"
        if found := re.match(r"(?!news\b)([a-z]+)", part.removesuffix("_news")):
            return found[1]
    return "news"
