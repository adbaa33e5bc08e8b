"""`spot_jax tokenize`: a task's examples as arrays that train without TensorFlow.

    spot_jax tokenize sst2 --split train --lengths inputs=128,targets=8 --output FOLDER

What is longer is cut, its end token kept; how many were is printed and written into
FOLDER/header.json. `spot_jax.data.tokenized.TokenizedExamples(FOLDER)` reads it, and
a run whose vocabulary and lengths are the same, as TOKENIZED_DATA_DIR/TASK/SPLIT.

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
from collections.abc import Iterator

import numpy as np

from spot_jax import text
from spot_jax.data import vocabularies
from spot_jax.data.ids import warn_of_unknown
from spot_jax.data.length_check import LengthCheck
from spot_jax.data.loading import undamaged
from spot_jax.data.tokenized import TokenizedExamples
from spot_jax.data.tokenized_writer import write_tokenized
from spot_jax.errors import InputError
from spot_jax.reading import path_of
from spot_jax.text.lengths import parse_lengths

# SeqIO's seeds and TensorFlow's lengths are signed 32-bit numbers.
_LARGEST = 2**31 - 1


def main(argv: list[str]) -> None:
    """Writes the examples of a split.

    Raises:
        InputError: there is no such task, split, data or vocabulary, or the task has a
            vocabulary of its own; a mixture has no --examples; a number is out of its
            range; the output folder exists or cannot be written.
    """
    options = _parse(argv)
    limits = parse_lengths(options.lengths)
    _check(options, limits)
    provider = _open(options)
    # TensorFlow is here since the task was opened.
    from spot_jax.text.vocabulary import VOCABULARY

    size = VOCABULARY.vocab_size
    check = LengthCheck(options.name, limits, truncate=True, pieces=size)
    header = {
        "task": options.name,
        "split": options.split,
        "seed": options.seed,
        "lengths": limits,
        "vocabulary": dataclasses.asdict(vocabularies.identity_of(VOCABULARY)),
        # Filled while the examples are written.
        "cut": check.cut,
    }
    header = write_tokenized(
        options.output,
        map(check.fit, _examples(provider, options, limits)),
        header,
        vocabulary_size=size,
    )
    print(
        f"{options.name}, {options.split}: {header['examples']:,} examples in "
        f"{options.output}"
    )
    for name, tokens in header["tokens"].items():
        print(
            f"  {name}: {tokens:,} tokens; {check.cut[name]:,} examples cut at "
            f"{limits[name]:,}"
        )
    # Read as a run will read it.
    unknown = TokenizedExamples(options.output).count("targets", VOCABULARY.unk_id)
    warn_of_unknown(options.name, unknown, header["tokens"]["targets"])


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="spot_jax tokenize",
        description="Writes tokenized examples that are read without TensorFlow.",
    )
    parser.add_argument("name", metavar="NAME", help="a task or mixture")
    parser.add_argument("--split", default="train", help="which split (train)")
    parser.add_argument(
        "--lengths",
        required=True,
        help="the longest of each, with the end token: inputs=512,targets=32",
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


def _check(options: argparse.Namespace, limits: dict[str, int]) -> None:
    """Raises InputError for what needs no task to be seen wrong."""
    given = {f"lengths {name}": (2, length) for name, length in limits.items()}
    given |= {"seed": (0, options.seed), "extra_ids": (0, options.extra_ids)}
    if options.examples is not None:
        given["examples"] = (1, options.examples)
    for name, (low, value) in given.items():
        if not low <= value <= _LARGEST:
            raise InputError(f"--{name} is {value}; give {low} to {_LARGEST:,}")
    if "://" in options.output:
        raise InputError(
            f"--output {options.output}: arrays are written on this machine. Name a "
            "folder here, and copy it there afterwards"
        )
    if path_of(options.output).exists():
        raise InputError(f"{options.output} is already there; move or remove it first")


def _open(options: argparse.Namespace):
    """Returns the task or mixture, its vocabulary and data found to be there."""
    text.import_tensorflow()
    import seqio

    import spot_jax.tasks
    from spot_jax.text.opening import open_provider
    from spot_jax.text.vocabulary import PUBLISHED_VOCABULARY

    spot_jax.tasks.register_all()
    provider = open_provider(
        options.name,
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
            f"{options.name} is a mixture, whose members repeat without end; say how "
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
    return undamaged(options.name, options.split, dataset.as_numpy_iterator())
