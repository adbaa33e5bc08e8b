"""What rows of one's own are and what a run makes of them, in lines, without SeqIO."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spot_jax.data import own_rows
from spot_jax.data.length_check import LengthCheck
from spot_jax.rows import files
from spot_jax.rows.task import RowsTask
from spot_jax.rows.template import Template
from spot_jax.settings import Data
from spot_jax.text import inspection

# Why `rows.answers.chosen` chooses a metric.
_WHY = {
    "accuracy": "answers are labels",
    "pearson": "answers are numbers",
    "squad": "answers are of few words",
    "rouge": "answers are texts",
    "loss": "no answers of training are known",
}


def show_files(told: Mapping[str, Any], count: int) -> Iterator[str]:
    """Yields the files of a task, with their columns and first rows.

    Args:
        told: the files and what is known of the recipe, as ROWS has them.
        count: how many rows of each file.

    Raises:
        InputError: when one cannot be read.
    """
    templates = [Template(told[t], f"--{t}") for t in ("input", "target") if t in told]
    named = {column for template in templates for column in template.columns}
    for split, path in told["files"].items():
        rows = files.read(path)
        columns = list(rows[0].cells)
        unused = [column for column in columns if column not in named]
        yield f"{len(rows):,} rows of {split} from {path}"
        yield f"  columns  {_listed(columns)}"
        if not templates:
            yield f'  they stand in a template: --input "...: {{{columns[0]}}}"'
        elif unused:
            yield f"  of which no template names {_listed(unused)}"
        for number, row in enumerate(rows[:count]):
            yield f"row {number} of {split}, as the file has it"
            yield from inspection.show_columns(row.cells)
    yield ""


def show_task(
    name: str,
    data: Data,
    split: str | None,
    count: int,
    limit: int,
    pieces: Any | None,
) -> Iterator[str]:
    """Yields splits, metric, labels, examples, lengths and the balance of labels.

    Args:
        name: of the task.
        data: its rows, and the lengths to be tried; None are those that train takes.
        split: which examples; None: of the first split.
        count: how many examples.
        limit: how many of them the lengths and labels are counted in.
        pieces: of the vocabulary; None tells no lengths.

    Raises:
        InputError: when the rows cannot be right.
    """
    task = own_rows.task_of(name, data)
    yield from _show_recipe(task, data.rows[name])
    split = split or task.splits[0]
    examples = list(itertools.islice(own_rows.encoded(task, split, pieces), limit))
    yield f"of {split}:"
    yield from inspection.show_examples(examples[:count], pieces)
    yield ""
    if pieces is None:
        yield "lengths in tokens are told with the model's --vocabulary"
    else:
        lengths = own_rows.with_lengths(data, pieces).lengths
        yield from show_sizes(name, examples, lengths, pieces.unk_id())
    if task.recipe.target is not None:
        yield from inspection.show_balance(examples, task.labels)


def show_sizes(
    name: str,
    examples: Sequence[Mapping[str, Any]],
    lengths: Mapping[str, int],
    unknown_id: int,
) -> Iterator[str]:
    """Yields the lengths of examples, and how much of them no vocabulary can write.

    Args:
        name: of the task.
        examples: with inputs and targets, [length] ids, at least one.
        lengths: to be tried.
        unknown_id: of the unknown piece.
    """
    check = LengthCheck(name, lengths, truncate=True)
    for example in examples:
        check.fit(example)
    yield from inspection.show_lengths(examples, lengths, check.cut)
    yield from inspection.show_unknown(examples, unknown_id)


def _show_recipe(task: RowsTask, told: Mapping[str, Any]) -> Iterator[str]:
    sizes = [
        f"{split} {len(examples):,}"
        + ("" if split in told["files"] else " (set aside of train)")
        for split, examples in task.examples.items()
    ]
    yield f"{task.name}: {', '.join(sizes)}"
    if task.recipe.target is None:
        yield "  no --target says where answers are: they are not known"
        return
    metric = task.recipe.metric
    is_given = told.get("metric") is not None
    why = "as --metric says" if is_given else f"{_WHY[metric]} (--metric)"
    yield f"  metric   {metric}: {why}"
    is_given = told.get("labels") is not None
    why = "as --labels says" if is_given else "found in training rows (--labels)"
    labels = _listed(task.labels)
    yield f"  labels   {f'{labels}: {why}' if labels else 'none: answers are free'}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
