"""`spot_jax tokenize`: a task's examples as arrays that train without TensorFlow.

    spot_jax tokenize sst2 --split train --lengths inputs=128,targets=8 --output FOLDER

What is longer is cut, its end token kept; how many were is printed and written into
FOLDER/header.json. `spot_jax.data.tokenized.TokenizedExamples(FOLDER)` reads it.

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
from collections.abc import Iterator

import numpy as np

from spot_jax import text
from spot_jax.data.length_check import LengthCheck
from spot_jax.data.tokenized import write_tokenized
from spot_jax.errors import InputError
from spot_jax.text.lengths import parse_lengths


def main(argv: list[str]) -> None:
    """Writes the examples of a split.

    Raises:
        InputError: there is no such task, split, data or vocabulary; a mixture has no
            --examples; the output folder exists.
    """
    options = _parse(argv)
    limits = parse_lengths(options.lengths)
    provider = _open(options)
    # TensorFlow is here since the task was opened.
    from spot_jax.text.vocabulary import VOCABULARY, vocabulary_fingerprint

    check = LengthCheck(options.name, limits, truncate=True)
    header = {
        "task": options.name,
        "split": options.split,
        "seed": options.seed,
        "lengths": limits,
        "vocabulary": {
            "path": VOCABULARY.sentencepiece_model_file,
            "extra_ids": VOCABULARY.extra_ids,
            "size": VOCABULARY.vocab_size,
            "fingerprint": vocabulary_fingerprint(),
        },
        # Filled while the examples are written.
        "cut": check.cut,
    }
    header = write_tokenized(
        options.output,
        map(check.fit, _examples(provider, options, limits)),
        header,
        vocabulary_size=VOCABULARY.vocab_size,
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


def _open(options: argparse.Namespace):
    """Returns the task or mixture, its vocabulary and data found to be there."""
    text.import_tensorflow()
    import spot_jax.tasks
    from spot_jax.text.opening import open_provider
    from spot_jax.text.vocabulary import PUBLISHED_VOCABULARY

    spot_jax.tasks.register_all()
    provider = open_provider(
        options.name,
        [options.split],
        data_dir=options.data_dir,
        vocabulary_path=options.vocabulary or PUBLISHED_VOCABULARY,
        extra_ids=options.extra_ids,
    )
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
    return dataset.as_numpy_iterator()
