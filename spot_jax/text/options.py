"""What programs that look at tasks are told: their data, vocabulary and modules."""

import argparse

from spot_jax.spot_tiny import BYTES
from spot_jax.text.byte_pieces import EXTRA_IDS


def add_to(parser: argparse.ArgumentParser) -> None:
    """Adds --data_dir, --vocabulary, --extra_ids and --module."""
    parser.add_argument(
        "--data_dir", metavar="DIR", help="where the data is (TFDS_DATA_DIR)"
    )
    parser.add_argument(
        "--vocabulary",
        metavar="FILE",
        help="a SentencePiece model, tokenizer.json, spot_tiny or bytes (T5's own)",
    )
    parser.add_argument(
        "--extra_ids",
        type=int,
        metavar="N",
        help=f"sentinels to add (0; of bytes {EXTRA_IDS})",
    )
    parser.add_argument(
        "--module",
        action="append",
        default=[],
        metavar="NAME",
        help="a Python module that registers tasks of your own; it is run",
    )


def extra_ids_of(options: argparse.Namespace) -> int:
    """Returns the sentinels to add, by default those of the vocabulary."""
    if options.extra_ids is not None:
        return options.extra_ids
    return EXTRA_IDS if options.vocabulary == BYTES else 0
