"""Summarization; XSum and WikiLingua are GEM's copies and serve its mixture too."""

from spot_jax.tasks import catalog
from spot_jax.text import generation, preprocessors
from spot_jax.text.registration import add_task, each_row


def _add_summary(name: str, prefix: str, source: str, target: str) -> None:
    add_task(
        catalog.get(name),
        [
            each_row(
                preprocessors.text_to_text, prefix=prefix, source=source, target=target
            )
        ],
        [generation.rouge],
    )


_add_summary("aeslc", "aeslc summarize:", "email_body", "subject_line")
_add_summary("billsum", "billsum summarize:", "text", "summary")
_add_summary("cnn_dailymail", "cnn_dailymail summarize:", "article", "highlights")
_add_summary("gigaword", "gigaword summarize:", "document", "summary")
_add_summary("multi_news", "multi_news summarize:", "document", "summary")
_add_summary("newsroom", "newsroom summarize:", "text", "summary")
_add_summary("samsum", "samsum summarize:", "dialogue", "summary")
_add_summary("wiki_lingua", "wiki_lingua_english_en summarize:", "source", "target")
_add_summary("xsum", "xsum summarize:", "document", "target")
