"""`spot_jax inspect_tasks`: the tasks and mixtures, and what is in one of them.

    spot_jax inspect_tasks
    spot_jax inspect_tasks --json
    spot_jax inspect_tasks sst2 --split validation --lengths inputs=128,targets=8
    spot_jax inspect_tasks glue_mixture

Listing reads no data and needs no TensorFlow.
"""

import argparse
from collections.abc import Iterator

import spot_jax.tasks
from spot_jax import tables, text
from spot_jax.data.length_check import LengthCheck
from spot_jax.errors import InputError
from spot_jax.reading import as_json, lines_of
from spot_jax.tasks import catalog
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
    """Lists everything, or shows one task or mixture.

    Raises:
        InputError: there is no such task, split or data, or an option is wrong.
    """
    options = _parse(argv)
    _check_numbers(options)
    if not options.name:
        everything = [*catalog.TASKS.values(), *catalog.MIXTURES.values()]
        print(_as_json(everything) if options.json else _table(options.data_dir))
        return
    limits = parse_lengths(options.lengths)
    info = _info(options.name)
    if options.json:
        print(_as_json([info]))
        return
    lines = (
        _show_mixture(info, options)
        if info.kind == "mixture"
        else _show_task(info, options, limits)
    )
    for line in lines:
        print(line)


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="spot_jax inspect_tasks",
        description="Lists tasks and mixtures; with NAME, shows one of them.",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="a task or mixture")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    parser.add_argument("--split", default="train", help="which rows to read (train)")
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
        default="inputs=512,targets=64",
        help="lengths to be tried (inputs=512,targets=64)",
    )
    parser.add_argument(
        "--maximum",
        type=int,
        default=catalog.MIXING_LIMIT,
        metavar="K",
        help="the limit on a member's size in a mixture (2^19)",
    )
    parser.add_argument(
        "--data_dir", metavar="DIR", help="where the data is (TFDS_DATA_DIR)"
    )
    parser.add_argument(
        "--vocabulary", metavar="FILE", help="a SentencePiece model (T5's own)"
    )
    parser.add_argument(
        "--extra_ids", type=int, default=0, metavar="N", help="sentinels to add (0)"
    )
    return parser.parse_args(argv)


def _check_numbers(options: argparse.Namespace) -> None:
    least = {"examples": 0, "limit": 1, "maximum": 1, "extra_ids": 0}
    for name, number in least.items():
        if getattr(options, name) < number:
            raise InputError(
                f"--{name} {getattr(options, name)}: expected {number} or more"
            )


def _info(name: str) -> catalog.TaskInfo:
    """Returns the catalog's line, or one for a task of a file of one's own."""
    is_known = name in catalog.TASKS | catalog.MIXTURES
    # TensorFlow comes in here: a mistyped name does not wait for it in vain.
    if not is_known and spot_jax.tasks.has_more():
        spot_jax.tasks.register_all()
    return catalog.get(name)


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
            f"{info.train_examples:,}",
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
    _check_data(info, options)
    yield f"{info.name}: {info.role}, {info.family}, {info.train_examples:,} train rows"
    yield f"  metrics  {', '.join(info.metrics) or 'loss'}"
    if info.labels:
        yield f"  labels   {', '.join(info.labels)}"
    if info.note:
        yield f"  note     {info.note}"
    # TensorFlow comes in here.
    text.import_tensorflow()
    from spot_jax.text import inspection
    from spot_jax.text.opening import open_provider
    from spot_jax.text.vocabulary import PUBLISHED_VOCABULARY

    spot_jax.tasks.register_all()
    task = open_provider(
        info.name,
        [options.split],
        data_dir=options.data_dir,
        vocabulary_path=options.vocabulary or PUBLISHED_VOCABULARY,
        extra_ids=options.extra_ids,
    )
    yield from _source_lines(info, options)
    yield ""
    yield from inspection.show_rows(task, options.split, options.examples)
    examples = inspection.read_examples(task, options.split, limits, options.limit)
    yield from inspection.show_examples(examples[: options.examples])
    yield ""
    if not examples:
        yield f"no row of {options.split} gives an example"
        return
    check = LengthCheck(info.name, limits, truncate=True)
    for example in examples:
        check.fit(example)
    yield from inspection.show_lengths(examples, limits, check.cut)
    yield from inspection.show_unknown(examples)
    yield from inspection.show_balance(examples, info.labels)


def _check_data(info: catalog.TaskInfo, options: argparse.Namespace) -> None:
    """Looks for a task's data before TensorFlow is waited for."""
    if info.tfds == "generated":
        return
    data = find_data(info.name, info.tfds, options.data_dir)
    problem = data.problem or split_problem(
        info.name, data, info.splits, [options.split]
    )
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
