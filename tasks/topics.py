"""XSum, trained on articles of some topics and tested on others (Li and Liang 2021)."""

from collections.abc import Callable

from spot_jax.tasks import catalog
from spot_jax.text import generation, preprocessors, selected_rows
from spot_jax.text.registration import add_task, each_row

# What within-news trains on; it is tested on all other news.
_TRAINED = ("world", "uk", "business")


def _is_news(topic: str) -> bool:
    return topic != "sport"


def _is_trained(topic: str) -> bool:
    return topic in _TRAINED


def _add_topics(
    name: str, trained: Callable[[str], bool], tested: Callable[[str], bool]
) -> None:
    keep = {"train": trained, "validation": trained, "test": tested}
    add_task(
        catalog.get(name),
        [
            each_row(
                preprocessors.text_to_text,
                prefix="xsum summarize:",
                source="document",
                target="summary",
            )
        ],
        [generation.rouge],
        source=selected_rows.SelectedRows(
            catalog.get(name), selected_rows.of_topics(keep)
        ),
    )


_add_topics(
    "xsum_news_to_sports", trained=_is_news, tested=lambda topic: not _is_news(topic)
)
_add_topics(
    "xsum_within_news",
    trained=_is_trained,
    tested=lambda topic: _is_news(topic) and not _is_trained(topic),
)
