"""`spot_jax tokenize`: a task's examples as arrays that train without TensorFlow.

    spot_jax tokenize sst2 --split train --lengths inputs=128,targets=8 --output FOLDER
    spot_jax tokenize --rows train=my.csv --input "mood: {text}" --target "{label}"
        --name mood --vocabulary spot_tiny --output FOLDER

What is longer is cut, its end token kept; how many were is printed and written into
FOLDER/header.json. `spot_jax.data.tokenized.TokenizedExamples(FOLDER)` reads it, and
a run whose vocabulary and lengths are the same, as TOKENIZED_DATA_DIR/TASK/SPLIT.

Of rows of one's own, which need no TensorFlow here either, every split is written, to
FOLDER/NAME/SPLIT: FOLDER is what TOKENIZED_DATA_DIR names then.

SeqIO's own offline cache is made by SeqIO's program. Its Beam wants older libraries, so
give it an environment of its own: `pip install seqio tensorflow-datasets apache-beam
importlib_resources google-crc32c "sentencepiece<0.2.3"`. All tasks are registered by
importing `spot_jax.tasks.mixtures`:

    TFDS_DATA_DIR=DATA seqio_cache_tasks --module_import=spot_jax.tasks.mixtures
        --tasks=sst2,mnli --output_cache_dir=CACHE

Without a network, import a file of your own instead, which imports that module and
calls `spot_jax.text.vocabulary.use_vocabulary("/path/to/spiece.model")`. The tasks are
then read with `seqio.add_global_cache_dirs(["CACHE"])` and `use_cached=True`.
"""

import argparse
import dataclasses
import itertools
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from spot_jax import text
from spot_jax.data import own_rows, vocabularies
from spot_jax.data.ids import warn_of_unknown
from spot_jax.data.length_check import LengthCheck
from spot_jax.data.loading import undamaged
from spot_jax.data.tokenized import TokenizedExamples
from spot_jax.data.tokenized_writer import check_free, write_tokenized
from spot_jax.errors import InputError
from spot_jax.pretrained.published import PUBLISHED_VOCABULARY
from spot_jax.reading import path_of
from spot_jax.rows import flags
from spot_jax.settings import Data
from spot_jax.spot_tiny import vocabulary_path
from spot_jax.text import options as task_options
from spot_jax.text.lengths import parse_lengths

# SeqIO's seeds and TensorFlow's lengths are signed 32-bit numbers.
_LARGEST = 2**31 - 1


def main(argv: list[str]) -> None:
    """Writes the examples of a split, or of rows of one's own.

    Raises:
        InputError: there is no such task, split, data or vocabulary, or the task has a
            vocabulary of its own; a mixture has no --examples; a number is out of its
            range; the rows cannot be right; the output folder exists or cannot be
            written.
    """
    options = _parse(argv)
    rows = flags.task_of(options)
    if bool(rows) == bool(options.task):
        raise InputError(
            "Name a task (`spot_jax inspect_tasks` lists them), or give rows of your "
            "own (--rows train=my.csv): one of the two."
        )
    if "://" in options.output and not options.output.startswith("gs://"):
        raise InputError(
            f"--output {options.output}: arrays are written on this machine or to "
            "gs://. Name a folder here, and copy it there afterwards"
        )
    limits = parse_lengths(options.lengths) if options.lengths else None
    if limits is None and not rows:
        raise InputError("--lengths is missing: --lengths inputs=512,targets=32.")
    _check_numbers(options, limits or {})
    if rows:
        _write_rows(options, rows, limits)
    else:
        _write_task(options, limits)


def _write_task(options: argparse.Namespace, limits: Mapping[str, int]) -> None:
    """Writes a split of a task or mixture."""
    options.split = options.split or "train"
    check_free(path_of(options.output))
    provider = _open(options)
    # TensorFlow is here since the task was opened.
    from spot_jax.text.vocabulary import VOCABULARY

    about = {"task": options.task, "split": options.split}
    about |= {"seed": options.seed, "lengths": limits}
    identity = vocabularies.identity_of(VOCABULARY)
    examples = _examples(provider, options, limits)
    _write(path_of(options.output), about, examples, VOCABULARY.tokenizer, identity)


def _write_rows(
    options: argparse.Namespace,
    rows: Mapping[str, Any],
    limits: Mapping[str, int] | None,
) -> None:
    """Writes the splits of rows of one's own, or the one that is named."""
    ((name, told),) = rows.items()
    if "target" not in told:
        raise InputError(
            "--target is missing: what is answered is written as well, --target "
            '"{label}".'
        )
    data = Data(name, limits, rows=rows)
    own_rows.set_up(data)
    task = own_rows.task_of(name, data)
    splits = [options.split] if options.split else task.splits
    folders = {split: path_of(options.output) / name / split for split in splits}
    for folder in folders.values():
        check_free(folder)
    # As the vocabulary of a task stands in its header.
    path = vocabulary_path(options.vocabulary or PUBLISHED_VOCABULARY)
    processor, identity = vocabularies.open_and_identify(path, options.extra_ids)
    data = own_rows.with_lengths(data, processor)
    encoded = {split: own_rows.encoded(task, split, processor) for split in splits}
    for split, examples in encoded.items():
        about = {"task": name, "split": split, "seed": options.seed}
        about |= {"lengths": dict(data.lengths)}
        taken = itertools.islice(examples, options.examples)
        _write(folders[split], about, taken, processor, identity)
    print(
        f"{options.output} is for --gin.TOKENIZED_DATA_DIR, with "
        f"--gin.MIXTURE_OR_TASK_NAME={name} "
        f'--gin.TASK_FEATURE_LENGTHS="{dict(data.lengths)}"'
    )


def _write(
    folder: pathlib.Path,
    about: Mapping[str, Any],
    examples: Iterable[Mapping[str, np.ndarray]],
    processor: Any,
    vocabulary: vocabularies.Identity,
) -> None:
    """Writes the examples of a split, and says how many, and how many were cut.

    Args:
        folder: where to.
        about: what the header says of them: task, split, seed and lengths.
        examples: not yet cut.
        processor: SentencePiece's.
        vocabulary: what it is.
    """
    name, split, limits = (about[key] for key in ("task", "split", "lengths"))
    check = LengthCheck(name, limits, truncate=True, pieces=vocabulary.size)
    # What is cut is counted while the examples are written.
    header = {**about, "vocabulary": dataclasses.asdict(vocabulary), "cut": check.cut}
    header = write_tokenized(
        folder, map(check.fit, examples), header, vocabulary_size=vocabulary.size
    )
    print(f"{name}, {split}: {header['examples']:,} examples in {folder}")
    for feature, tokens in header["tokens"].items():
        print(
            f"  {feature}: {tokens:,} tokens; {check.cut[feature]:,} examples cut at "
            f"{limits[feature]:,}"
        )
    # Read as a run will read it.
    unknown = TokenizedExamples(folder).count("targets", processor.unk_id())
    warn_of_unknown(name, unknown, header["tokens"]["targets"])


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="spot_jax tokenize",
        description="Writes tokenized examples that are read without TensorFlow.",
    )
    parser.add_argument("task", metavar="NAME", nargs="?", help="a task or mixture")
    parser.add_argument(
        "--split", help="which split (train; of rows of your own all of them)"
    )
    parser.add_argument(
        "--lengths",
        help="the longest of each, with the end token: inputs=512,targets=32 (of rows "
        "of your own as long as they need)",
    )
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="where to write; a new folder"
    )
    parser.add_argument(
        "--examples",
        type=int,
        metavar="N",
        help="how many; needed for a mixture, whose members repeat without end",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="decides the order of a mixture and where a language model splits (0)",
    )
    task_options.add_to(parser)
    flags.add_to(parser)
    options = parser.parse_args(argv)
    options.extra_ids = task_options.extra_ids_of(options)
    return options


def _check_numbers(options: argparse.Namespace, limits: Mapping[str, int]) -> None:
    """Raises InputError where one is out of its range."""
    given = {f"lengths {name}": (2, length) for name, length in limits.items()}
    given |= {"seed": (0, options.seed), "extra_ids": (0, options.extra_ids)}
    if options.examples is not None:
        given["examples"] = (1, options.examples)
    for name, (low, value) in given.items():
        if not low <= value <= _LARGEST:
            raise InputError(f"--{name} is {value}; give {low} to {_LARGEST:,}")


def _open(options: argparse.Namespace):
    """Returns the task or mixture, its vocabulary and data found to be there."""
    text.import_tensorflow()
    import seqio

    import spot_jax.tasks
    from spot_jax.text.opening import open_provider

    spot_jax.tasks.register_all()
    spot_jax.tasks.use_modules(options.module)
    provider = open_provider(
        options.task,
        [options.split],
        data_dir=options.data_dir and str(path_of(options.data_dir)),
        vocabulary_path=options.vocabulary or PUBLISHED_VOCABULARY,
        extra_ids=options.extra_ids,
    )
    for task in seqio.get_subtasks(provider):
        vocabularies.check_task(task)
    is_mixture = hasattr(provider, "tasks")
    if is_mixture and not options.examples:
        raise InputError(
            f"{options.task} is a mixture, whose members repeat without end; say how "
            "many examples to write: --examples N"
        )
    return provider


def _examples(
    provider, options: argparse.Namespace, limits: dict[str, int]
) -> Iterator[dict[str, np.ndarray]]:
    """Returns the examples that are to be written, not yet cut."""
    from spot_jax.text.prefix_lm import needs_lengths

    is_mixture = hasattr(provider, "tasks")
    dataset = provider.get_dataset(
        limits if needs_lengths(provider) else None,
        options.split,
        # A mixture draws from shuffled members; a task keeps the order of its data.
        shuffle=is_mixture,
        seed=options.seed,
        num_epochs=None if is_mixture else 1,
        # Their true lengths are counted before they are cut.
        trim_output_features=False,
    )
    if options.examples:
        dataset = dataset.take(options.examples)
    return undamaged(options.task, options.split, dataset.as_numpy_iterator())
