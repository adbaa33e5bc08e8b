"""What a task's data looks like: rows, texts, pieces, lengths, label balance.

TensorFlow comes in where SeqIO's tasks are read, and not where they are shown.
"""

import collections
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spot_jax.text.lengths import FEATURES, PERCENTILES, percentiles
from spot_jax.text.postprocessors import HIDDEN

_SHOWN = 600
_HIDDEN_SCORE = "-1.0"


def read_examples(
    provider: Any, split: str, lengths: Mapping[str, int], count: int
) -> list[dict]:
    """Reads the first examples of a split, not cut, each a mapping of arrays.

    Args:
        provider: a task or mixture of SeqIO.
        split: its split.
        lengths: for a prefix language model, which cuts its texts into pieces.
        count: how many examples at most.

    Raises:
        InputError: the data is damaged.
    """
    from spot_jax.text.damage import named_damage
    from spot_jax.text.prefix_lm import needs_lengths

    dataset = provider.get_dataset(
        dict(lengths) if needs_lengths(provider) else None,
        split,
        shuffle=False,
        seed=0,
        num_epochs=1,
        # What SeqIO had cut would no longer tell how long it was.
        trim_output_features=False,
    )
    with named_damage(provider.name, split):
        return list(dataset.take(count).as_numpy_iterator())


def show_rows(task: Any, split: str, count: int) -> Iterator[str]:
    """Yields the first rows of a split, as a task's source has them, in lines."""
    from spot_jax.text.damage import named_damage

    dataset = task.source.get_dataset(split, shuffle=False).take(count)
    with named_damage(task.name, split):
        rows = list(dataset.as_numpy_iterator())
    for number, row in enumerate(rows):
        yield f"row {number} of {split}, as the data has it"
        yield from show_columns(row)


def show_columns(row: Mapping[str, Any]) -> Iterator[str]:
    """Yields the columns of a row, in lines."""
    for column, value in row.items():
        yield f"  {column}: {_shortened(_readable(value))}"


def show_examples(examples: Sequence[Mapping], pieces: Any = None) -> Iterator[str]:
    """Yields examples as text, and as token ids with their pieces, in lines.

    Args:
        examples: with inputs and targets, [length] ids, or as text alone.
        pieces: the processor of their vocabulary; None shows the text alone.
    """
    for number, example in enumerate(examples):
        yield f"example {number}"
        for feature in FEATURES:
            ids = [int(token) for token in example[feature]] if pieces else []
            text = example.get(f"{feature}_pretokenized")
            text = pieces.decode(ids) if text is None else _readable(text)
            yield f"  {feature}: {_shortened(text)}"
            if pieces:
                shown = " ".join(f"{pieces.id_to_piece(i)}={i}" for i in ids)
                yield textwrap.indent(_shortened(shown), "    ")


def show_lengths(
    examples: Sequence[dict], limits: Mapping[str, int], too_long: Mapping[str, int]
) -> Iterator[str]:
    """Yields percentiles of lengths, and how many are longer than the limits."""
    yield f"tokens in {len(examples):,} examples, with the end token"
    heads = ["longest" if level == 100 else f"{level}%" for level in PERCENTILES]
    yield " " * 10 + "".join(f"{head:>9}" for head in heads)
    for feature in FEATURES:
        lengths = [len(example[feature]) for example in examples]
        figures = "".join(f"{value:>9,}" for value in percentiles(lengths))
        yield (
            f"  {feature:8}{figures}   {too_long[feature]:,} would be cut at "
            f"{limits[feature]:,}"
        )


def show_unknown(examples: Sequence[dict], unknown_id: int) -> Iterator[str]:
    """Yields how many pieces are `<unk>`: what the vocabulary cannot write."""
    yield "pieces that the vocabulary does not know (<unk>)"
    for feature in FEATURES:
        given = [example[feature] for example in examples]
        if feature == "targets":
            # A hidden target is written as <unk> itself.
            given = [e[feature] for e in examples if not _is_hidden(e)]
        counts = [int((ids == unknown_id).sum()) for ids in given]
        share = 100 * sum(counts) / max(sum(map(len, given)), 1)
        affected = sum(count > 0 for count in counts)
        yield f"  {feature:8}{share:8.2f}%, in {affected:,} of {len(given):,} examples"


def _is_hidden(example: Mapping) -> bool:
    return example.get("targets_pretokenized") == HIDDEN.encode("utf-8")


def show_balance(examples: Sequence[dict], labels: Sequence[str]) -> Iterator[str]:
    """Yields how often each label is the target, or the most frequent targets."""
    texts = [
        _readable(example["targets_pretokenized"])
        for example in examples
        if "targets_pretokenized" in example
    ]
    counts = collections.Counter(texts)
    if not texts:
        return
    # A hidden score is none of the labels either.
    hidden = counts.pop(HIDDEN, 0) + (counts.pop(_HIDDEN_SCORE, 0) if labels else 0)
    if labels:
        yield "labels"
        # What is left in the counts afterwards is none of the labels.
        shown = [(label, counts.pop(label, 0)) for label in labels]
        outside = counts.total()
    else:
        yield f"{len(counts):,} different targets; the most frequent"
        shown, outside = counts.most_common(5), 0
    for text, count in shown:
        yield f"  {count:>7,}  {100 * count / len(texts):5.1f}%  {_shortened(text)}"
    if hidden:
        yield f"  {hidden:>7,}  {100 * hidden / len(texts):5.1f}%  hidden"
    if outside:
        others = _shortened(", ".join(sorted(counts)))
        yield f"  {outside:>7,}  are none of the labels: {others}"


def _readable(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict):
        parts = (f"{key}: {_readable(part)}" for key, part in value.items())
        return "{" + ", ".join(parts) + "}"
    if getattr(value, "shape", ()) or hasattr(value, "to_list"):
        values = value.to_list() if hasattr(value, "to_list") else value.tolist()
        return _listed(values)
    return str(value)


def _listed(values: list) -> str:
    parts = (_listed(v) if isinstance(v, list) else _readable(v) for v in values)
    return "[" + ", ".join(parts) + "]"


def _shortened(text: str) -> str:
    """Keeps the first characters, and says how many more there are."""
    text = text.replace("\n", "\\n")
    if len(text) <= _SHOWN:
        return text
    return f"{text[:_SHOWN]} ... ({len(text) - _SHOWN:,} more characters)"
