"""Text from tables (E2E, WebNLG, DART), scored against all references of an input.

Prefix-Tuning's tasks (Li and Liang 2021). GEM's forms of the three are in gem.py.
"""

from spot_jax.tasks import catalog
from spot_jax.text import postprocessors, references, selected_rows, table_rows
from spot_jax.text.registration import add_task, each_row

add_task(
    catalog.get("e2e_table"),
    [each_row(table_rows.fields_to_text, prefix="e2e_table")],
    [
        references.by_input(references.bleu),
        references.by_input(references.nist),
        references.by_input(references.rouge_l),
        references.by_input(references.cider),
    ],
    postprocess=postprocessors.referenced,
)


def _add_triples(name: str, source: selected_rows.SelectedRows) -> None:
    add_task(
        catalog.get(name),
        [each_row(table_rows.triples_to_text, prefix=name)],
        [
            references.by_input(references.bleu),
            references.by_input(references.chrf),
            references.by_input(references.one_minus_ter),
        ],
        postprocess=postprocessors.referenced,
        source=source,
    )


_add_triples(
    "web_nlg_table",
    selected_rows.SelectedRows(
        catalog.get("web_nlg_table"),
        # TFDS has the unseen categories as a split of its own.
        selected_rows.seen_and_unseen(table_rows.category, {"test_seen": True}),
    ),
)
_add_triples(
    "dart_table",
    selected_rows.SelectedRows(
        catalog.get("dart_table"),
        selected_rows.seen_and_unseen(
            table_rows.relations, {"test_seen": True, "test_unseen": False}
        ),
    ),
)
