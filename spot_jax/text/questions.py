"""Questions about a passage: SQuAD, MRQA, DROP and ReCoRD."""

import tensorflow as tf

from spot_jax.text.postprocessors import HIDDEN
from spot_jax.text.preprocessors import Example, Row

_AFTER_PUNCTUATION = r"(\.|\?|\!|\"|\')\n@highlight\n"


def spaced(text: tf.Tensor) -> tf.Tensor:
    """Puts spaces around punctuation: `"the U.S. (1776)"` -> `"the U . S . ( 1776 ) "`.

    Answers and passage are split alike, so that an answer is a part of its passage.
    """
    text = tf.strings.regex_replace(text, "([[:punct:]])", r" \1 ")
    return tf.strings.regex_replace(text, r"\s+", " ")


def squad(row: Row) -> Example:
    """Answers a SQuAD question with the first of its answers.

    A question without one, as SQuAD 2 has them, is answered by no text at all.

    `{"question": "Who?", "context": "It was Bo.", "answers": {"text": ["Bo"]}, ...}` ->
    `{"inputs": "question: Who ? context: It was Bo . ", "targets": "Bo", "answers":
    ["Bo"], ...}`.
    """
    answered = _answered("", row["question"], row["context"], row["answers"]["text"])
    return answered | {"id": row["id"]}


# Where an answer is that a question has not, or that is not where its row says.
NO_ANSWER, MISPLACED = -1, -2


def squad_span(row: Row) -> Example:
    """Answers a SQuAD question, and says where in the input the first answer stands.

    As `squad`, with `answer_start` and `answer_end`, the letters of the input before
    the answer and before what follows it: `"question: Who ? context: It was Bo . "`, 32
    and 34. Both are -1 of a question without an answer, and -2 where the row's answer
    is not where it says.
    """
    texts, starts = row["answers"]["text"], row["answers"]["answer_start"]
    answer = tf.concat([texts, [""]], axis=0)[0]
    start = tf.concat([tf.cast(starts, tf.int32), [0]], axis=0)[0]
    length = tf.strings.length(answer, unit="UTF8_CHAR")
    context = row["context"]
    start = tf.minimum(start, tf.strings.length(context, unit="UTF8_CHAR"))
    is_there = tf.strings.substr(context, start, length, unit="UTF8_CHAR") == answer
    until = tf.strings.substr(context, 0, start + length, unit="UTF8_CHAR")
    # Spaces are put before punctuation, and drawn together, as in the whole input.
    told = _answered("", row["question"], until, answer[None])
    end = _letters(told["inputs"])
    span = tf.stack([end - _letters(told["targets"]), end])
    span = tf.where(is_there, span, [MISPLACED] * 2)
    span = tf.where(tf.strings.strip(answer) == "", [NO_ANSWER] * 2, span)
    return squad(row) | {"answer_start": span[0], "answer_end": span[1]}


def _letters(text: tf.Tensor) -> tf.Tensor:
    return tf.strings.length(tf.strings.strip(text), unit="UTF8_CHAR")


def mrqa(row: Row, prefix: str) -> Example:
    """Answers a question of MRQA: as SQuAD, after the set's name.

    `"news_qa question: Who ? context: It was Bo . "`.
    """
    return _answered(prefix, row["question"], row["context"], row["answers"])


def drop(row: Row) -> Example:
    """Answers a question of DROP: as SQuAD, with the validators' answers as well.

    `"drop question: How many ? context: He ran 3 yards . "`, answers `["3", "three"]`.
    """
    answers = tf.concat([[row["answer"]], row["validated_answers"]], axis=0)
    return _answered("drop", row["question"], row["passage"], answers)


def _answered(
    prefix: str, question: tf.Tensor, context: tf.Tensor, answers: tf.Tensor
) -> Example:
    answers = spaced(answers)
    question, context = spaced(question), spaced(context)
    parts = [prefix] if prefix else []
    parts += ["question:", question, "context:", context]
    text = tf.strings.join(parts, separator=" ")
    return {
        "inputs": tf.strings.regex_replace(text, r"\s+", " "),
        # The first, or "" where there is none.
        "targets": tf.concat([answers, [""]], axis=0)[0],
        "context": context,
        "question": question,
        "answers": answers,
    }


def record(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Makes an example of each answer to each query; see `record_examples`."""
    return dataset.flat_map(
        lambda row: tf.data.Dataset.from_tensor_slices(record_examples(row))
    )


def record_examples(row: Row) -> Example:
    """Names what a placeholder stands for, once for each answer that is right.

    `{"query": "@placeholder flies.", "entities": ["owl", "cat"], "answers": ["owl"],
    "passage": P, "idx": {...}}` -> inputs `["record query: @placeholder flies.
    entities: owl, cat passage: P"]`, targets `["owl"]`.

    Returns:
        Tensors whose first axis counts the answers; at least one, `<unk>` where the
        answers are hidden.
    """
    # A highlight becomes a sentence, with a full stop where it has no end of its own.
    passage = tf.strings.regex_replace(row["passage"], _AFTER_PUNCTUATION, r"\1 ")
    passage = tf.strings.regex_replace(passage, r"\n@highlight\n", ". ")
    entities = tf.strings.reduce_join(row["entities"], separator=", ")
    parts = ["record query:", row["query"], "entities:", entities, "passage:", passage]
    answers = row["answers"]
    count = tf.maximum(tf.size(answers), 1)
    return {
        "inputs": tf.repeat(tf.strings.join(parts, separator=" "), count),
        "targets": tf.cond(
            tf.size(answers) > 0, lambda: answers, lambda: tf.constant([HIDDEN])
        ),
        "answers": tf.repeat(answers[None], count, axis=0),
        "idx/passage": tf.repeat(row["idx"]["passage"], count),
        "idx/query": tf.repeat(row["idx"]["query"], count),
    }
