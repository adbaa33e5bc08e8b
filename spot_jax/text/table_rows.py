"""Tables as text (E2E, WebNLG, DART)."""

import tensorflow as tf

from spot_jax.text.preprocessors import Example, Row


def fields_to_text(row: Row, prefix: str) -> Example:
    """Learns to say a table of named fields, as E2E has them.

    `name`, `Aromi` and `area`, `city centre` -> `"e2e_table name : Aromi , area : city
    centre"`.

    Args:
        row: `input_text/table`, with the columns column_header and content, and
            `target_text`.
        prefix: the first word of the input.
    """
    table = row["input_text"]["table"]
    fields = tf.strings.join(
        [table["column_header"], table["content"]], separator=" : "
    )
    joined = tf.strings.reduce_join(fields, separator=" , ")
    return _told(row, tf.strings.join([prefix, joined], separator=" "))


def triples_to_text(row: Row, prefix: str) -> Example:
    """Learns to say triples, as WebNLG and DART have them.

    `Aarhus`, `leaderName`, `Bundsgaard`, of row number 0 -> `"web_nlg_table Aarhus :
    leaderName : Bundsgaard"`; triples of other numbers follow behind commas.
    """
    table = row["input_text"]["table"]
    # TFDS lists subject, relation and object one below the other.
    begins = table["row_number"][1:] != table["row_number"][:-1]
    between = tf.where(begins, " , ", " : ")
    parts = tf.concat([[""], between], axis=0)
    joined = tf.strings.reduce_join(tf.strings.join([parts, table["content"]]))
    return _told(row, tf.strings.join([prefix, joined], separator=" "))


def _told(row: Row, inputs: tf.Tensor) -> Example:
    return {"inputs": inputs, "targets": row["target_text"]}


def category(row: Row) -> tf.Tensor:
    """Returns what a row of WebNLG is about: [1] string."""
    return row["input_text"]["context"][None]


def relations(row: Row) -> tf.Tensor:
    """Returns the relations of a row of DART: [relations] strings."""
    table = row["input_text"]["table"]
    return table["content"][table["column_header"] == "predicate"]
