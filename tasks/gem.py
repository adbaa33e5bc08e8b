"""GEM (Gehrmann et al. 2021): text from data, dialogue and simplification."""

from spot_jax.tasks import catalog
from spot_jax.text import generation, preprocessors
from spot_jax.text.registration import add_task, each_row

_METRICS = [generation.rouge, generation.bleu]

add_task(
    catalog.get("common_gen"),
    [
        each_row(
            preprocessors.listed_to_text,
            prefix="common_gen",
            source="concepts",
        )
    ],
    _METRICS,
)
add_task(
    catalog.get("dart"),
    [each_row(preprocessors.listed_to_text, prefix="dart", source="tripleset")],
    _METRICS,
)
add_task(
    catalog.get("e2e_nlg"),
    [
        each_row(
            preprocessors.text_to_text,
            prefix="e2e_nlg",
            source="meaning_representation",
            target="target",
        )
    ],
    _METRICS,
)
add_task(
    catalog.get("schema_guided_dialog"), [each_row(preprocessors.dialogue)], _METRICS
)
add_task(
    catalog.get("web_nlg"),
    [each_row(preprocessors.listed_to_text, prefix="web_nlg_en", source="input")],
    _METRICS,
)
add_task(
    catalog.get("wiki_auto"),
    [
        each_row(
            preprocessors.text_to_text,
            prefix="wiki_auto_asset_turk simplify:",
            source="source",
            target="target",
        )
    ],
    _METRICS,
)
