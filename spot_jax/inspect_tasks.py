"""`spot_jax inspect_tasks`: the tasks and mixtures, and what is in one of them.

    spot_jax inspect_tasks
    spot_jax inspect_tasks --json
    spot_jax inspect_tasks sst2 --split validation --lengths inputs=128,targets=8
    spot_jax inspect_tasks glue_mixture
    spot_jax inspect_tasks --rows train=my.csv --input "mood: {text}" --target "{label}"

Listing reads no data, and neither it nor rows of one's own need TensorFlow.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import spot_jax.tasks
from spot_jax import tables, text
from spot_jax.errors import InputError
from spot_jax.reading import as_json, lines_of
from spot_jax.rows import flags
from spot_jax.tasks import catalog
from spot_jax.text import inspection
from spot_jax.text import options as task_options
from spot_jax.text.data_folder import (
    DataFolder,
    Fault,
    default_data_dir,
    find_data,
    split_problem,
)
from spot_jax.text.lengths import parse_lengths

_KEYS = (
    *("name", "kind", "role", "family", "train_examples"),
    *("metrics", "labels", "members"),
)


def main(argv: list[str]) -> None:
    """Lists everything, or shows one task or mixture, or rows of one's own.

    Raises:
        InputError: there is no such task, split or data, the rows cannot be right, or
            an option is wrong.
    """
    options = _parse(argv)
    rows = flags.task_of(options)
    if rows and options.task:
        raise InputError("Name a task or give rows of your own (--rows), not both.")
    if options.module:
        _add_tasks_of(options.module)
    if rows:
        lines = _show_rows(rows, options)
    elif not options.task:
        everything = [*catalog.TASKS.values(), *catalog.MIXTURES.values()]
        lines = [_as_json(everything) if options.json else _table(options.data_dir)]
    else:
        lines = _show(options.task, options)
    for line in lines:
        print(line)


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="spot_jax inspect_tasks",
        description="Lists tasks and mixtures; with NAME, shows one of them.",
    )
    parser.add_argument("task", metavar="NAME", nargs="?", help="a task or mixture")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    parser.add_argument("--split", help="which rows to read (train)")
    parser.add_argument(
        "--examples", type=int, default=2, metavar="N", help="how many to show (2)"
    )
    parser.add_argument(
        "--limit",
        type=int,
        default=2000,
        metavar="N",
        help="how many examples the statistics look at (2000)",
    )
    parser.add_argument(
        "--lengths",
        help="lengths to be tried (inputs=512,targets=64; of rows what train takes)",
    )
    parser.add_argument(
        "--maximum",
        type=int,
        default=catalog.MIXING_LIMIT,
        metavar="K",
        help="the limit on a member's size in a mixture (2^19)",
    )
    task_options.add_to(parser)
    flags.add_to(parser)
    options = parser.parse_args(argv)
    options.extra_ids = task_options.extra_ids_of(options)
    _check_numbers(options)
    return options


def _check_numbers(options: argparse.Namespace) -> None:
    least = {"examples": 0, "limit": 1, "maximum": 1, "extra_ids": 0}
    for name, number in least.items():
        if (given := getattr(options, name)) < number:
            raise InputError(f"--{name} {given}: expected {number} or more")


def _add_tasks_of(modules: list[str]) -> None:
    """Lets the catalog know the tasks of modules, of which it may not be told."""
    spot_jax.tasks.register_all()
    spot_jax.tasks.use_modules(modules)
    import seqio

    from spot_jax.data.eval_tasks import check_metrics

    for name in sorted(set(seqio.TaskRegistry.names()).difference(catalog.TASKS)):
        task = seqio.TaskRegistry.get(name)
        try:
            check_metrics(task)
            metrics = tuple(getattr(f, "__name__", repr(f)) for f in task.metric_fns)
        except InputError:
            metrics = ("not computed here",)
        told = dict(metrics=metrics, splits={split: split for split in task.splits})
        catalog.add(catalog.TaskInfo(name, "own", tfds="generated", **told))


def _show(name: str, options: argparse.Namespace) -> Iterable[str]:
    """Returns what is in a task or mixture, in lines."""
    limits = parse_lengths(options.lengths or "inputs=512,targets=64")
    is_known = name in catalog.TASKS | catalog.MIXTURES
    # TensorFlow comes in here: a mistyped name does not wait for it in vain.
    if not is_known and spot_jax.tasks.has_more():
        spot_jax.tasks.register_all()
    info = catalog.get(name)
    if options.json:
        return [_as_json([info])]
    if info.kind == "mixture":
        return _show_mixture(info, options)
    return _show_task(info, options, limits)


def _show_rows(rows: Mapping[str, Any], options: argparse.Namespace) -> Iterator[str]:
    """Yields what rows of one's own are, and what a run makes of them, in lines."""
    # JAX comes in with the settings of runs, TensorFlow does not.
    from spot_jax.data import own_rows, shown_rows, vocabularies
    from spot_jax.settings import Data

    ((name, told),) = rows.items()
    if "input" not in told and not options.json:
        yield from shown_rows.show_files(told, options.examples)
        return
    lengths = parse_lengths(options.lengths) if options.lengths else None
    data = Data(name, lengths, rows=rows)
    info = own_rows.info_of(name, data)
    if options.json:
        yield _as_json([info])
        return
    yield from shown_rows.show_files(told, options.examples)
    pieces = options.vocabulary and vocabularies.open_sentencepiece(
        options.vocabulary, options.extra_ids
    )
    chosen = options.split, options.examples, options.limit
    yield from shown_rows.show_task(name, data, *chosen, pieces)


def _as_json(infos: list[catalog.TaskInfo]) -> str:
    return as_json([{key: getattr(info, key) for key in _KEYS} for info in infos], 2)


def _table(data_dir: str | None) -> str:
    """Returns all tasks and mixtures as a table."""
    heads = ("name", "role", "family", "train rows", "metrics", "source", "data")
    rows = [
        (
            info.name,
            info.role,
            info.family,
            _train_rows(info),
            " ".join(info.metrics) or "loss",
            info.tfds,
            _data_column(info, data_dir),
        )
        for info in catalog.TASKS.values()
    ]
    mixtures = [
        (info.name, f"{len(info.members)} members", f"{info.train_examples:,} rows")
        for info in catalog.MIXTURES.values()
    ]
    where = data_dir or default_data_dir()
    return "\n".join(
        [
            tables.as_text([heads, *rows]),
            tables.as_text(mixtures),
            f"data is looked for in {where} (TFDS_DATA_DIR); `spot_jax inspect_tasks "
            "NAME` shows one of them",
        ]
    )


def _train_rows(info: catalog.TaskInfo) -> str:
    return f"{info.train_examples:,}" if info.train_examples else "?"


def _data_column(info: catalog.TaskInfo, data_dir: str | None) -> str:
    if info.tfds == "generated":
        return "generated"
    data = find_data(info.name, info.tfds, data_dir)
    if data.fault is Fault.MISSING:
        return f"missing: {data.cure}"
    return data.problem or _sizes(data)


def _sizes(data: DataFolder) -> str:
    return ", ".join(f"{split} {size:,}" for split, size in data.sizes.items())


def _show_mixture(info: catalog.TaskInfo, options: argparse.Namespace) -> Iterator[str]:
    """Yields the members of a mixture, with sizes and rates, in lines."""
    members = [catalog.get(member) for member in info.members]
    capped = [min(member.train_examples, options.maximum) for member in members]
    yield f"{info.name}: {len(members)} members, at most {options.maximum:,} of each"
    if info.note:
        yield f"  note     {info.note}"
    rows = [("member", "train rows", "capped", "rate", "data")]
    for member, size in zip(members, capped, strict=True):
        rows.append(
            (
                member.name,
                f"{member.train_examples:,}",
                f"{size:,}",
                f"{100 * size / sum(capped):.2f}%",
                _data_column(member, options.data_dir),
            )
        )
    total = sum(member.train_examples for member in members)
    rows.append(("all", f"{total:,}", f"{sum(capped):,}", "100%", ""))
    yield from lines_of(tables.as_text(rows))


def _show_task(
    info: catalog.TaskInfo, options: argparse.Namespace, limits: dict[str, int]
) -> Iterator[str]:
    """Yields what is in a task, in lines."""
    split = options.split or "train"
    _check_data(info, split, options.data_dir)
    yield f"{info.name}: {info.role}, {info.family}, {_train_rows(info)} train rows"
    yield f"  metrics  {', '.join(info.metrics) or 'loss'}"
    if info.labels:
        yield f"  labels   {', '.join(info.labels)}"
    if info.note:
        yield f"  note     {info.note}"
    # TensorFlow comes in here.
    text.import_tensorflow()
    from spot_jax.data.shown_rows import show_sizes
    from spot_jax.text.opening import open_provider
    from spot_jax.text.vocabulary import PUBLISHED_VOCABULARY, VOCABULARY

    spot_jax.tasks.register_all()
    task = open_provider(
        info.name,
        [split],
        data_dir=options.data_dir,
        vocabulary_path=options.vocabulary or PUBLISHED_VOCABULARY,
        extra_ids=options.extra_ids,
    )
    yield from _source_lines(info, options)
    yield ""
    pieces = VOCABULARY.tokenizer
    yield from inspection.show_rows(task, split, options.examples)
    examples = inspection.read_examples(task, split, limits, options.limit)
    yield from inspection.show_examples(examples[: options.examples], pieces)
    yield ""
    if not examples:
        yield f"no row of {split} gives an example"
        return
    yield from show_sizes(info.name, examples, limits, VOCABULARY.unk_id)
    yield from inspection.show_balance(examples, info.labels)


def _check_data(info: catalog.TaskInfo, split: str, data_dir: str | None) -> None:
    """Looks for a task's data before TensorFlow is waited for."""
    if info.tfds == "generated":
        return
    data = find_data(info.name, info.tfds, data_dir)
    problem = data.problem or split_problem(info.name, data, info.splits, [split])
    if problem:
        raise InputError(problem)


def _source_lines(info: catalog.TaskInfo, options: argparse.Namespace) -> Iterator[str]:
    """Yields where the data is, and whether its size is that of the catalog."""
    if info.tfds == "generated":
        return
    data = find_data(info.name, info.tfds, options.data_dir)
    yield f"  data     {data.folder} ({_sizes(data)})"
    size = data.sizes.get(info.splits["train"], info.train_examples)
    if size != info.train_examples:
        yield (
            f"  size     the folder has {size:,} train rows; the published set, by "
            f"which mixtures draw, has {info.train_examples:,}"
        )
