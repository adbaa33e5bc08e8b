"""Tokenized examples of a run: what their header says is compared with its settings."""

import logging
from typing import Any

import numpy as np
import sentencepiece

from spot_jax.data import sentinel, vocabularies
from spot_jax.data.ids import warn_of_unknown
from spot_jax.data.tokenized import TokenizedExamples
from spot_jax.errors import InputError
from spot_jax.reading import path_of
from spot_jax.settings import Data
from spot_jax.text.lengths import FEATURES

logger = logging.getLogger(__name__)


def vocabulary_of(
    data: Data,
) -> tuple[sentencepiece.SentencePieceProcessor, vocabularies.Identity]:
    """Opens the vocabulary of a run without TensorFlow, and says what it is."""
    return vocabularies.open_and_identify(data.vocabulary, data.extra_ids or 0)


class TokenizedPairs:
    """Tokenized examples as (inputs, targets), read from disk one by one."""

    def __init__(self, examples: TokenizedExamples, vocabulary: Any, data: Data):
        self._examples, self._told = examples, (vocabulary, data)

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        example = self._examples[index]
        return example["inputs"], sentinel.begin(example["targets"], *self._told)


def open_tokenized(name: str, split: str, data: Data) -> TokenizedPairs:
    """Opens TOKENIZED_DATA_DIR/NAME/SPLIT, which `spot_jax tokenize` wrote.

    Raises:
        InputError: when it is not there or damaged, is of another task, split or
            vocabulary, or was cut otherwise than TASK_FEATURE_LENGTHS says.
    """
    folder = path_of(data.tokenized) / name / split
    examples = TokenizedExamples(folder)
    processor, vocabulary = vocabulary_of(data)
    _check_header(examples, name, split, vocabulary)
    if examples.largest_id >= vocabulary.size:
        raise InputError(
            f"{folder} has the id {examples.largest_id}, which the vocabulary "
            f"{vocabulary} does not have. Name the one that it was tokenized with: "
            "--gin.VOCABULARY=FILE."
        )
    limits = sentinel.lengths_before(data.lengths, data)
    for feature in FEATURES:
        _check_lengths(examples, feature, limits[feature])
    unknown = examples.count("targets", processor.unk_id())
    warn_of_unknown(f"{name} ({split})", unknown, examples.header["tokens"]["targets"])
    made_for = examples.header.get("lengths", "other lengths")
    logger.info(
        "%s: %d tokenized examples (%s), made for %s.",
        name,
        len(examples),
        split,
        made_for,
    )
    return TokenizedPairs(examples, processor, data)


def _check_header(
    examples: TokenizedExamples, name: str, split: str, ours: vocabularies.Identity
) -> None:
    """Raises InputError where a folder is of another task, split or vocabulary."""
    folder, header = examples.folder, examples.header
    unsaid = sorted({"task", "split", "lengths", "vocabulary"} - set(header))
    if unsaid:
        logger.warning(
            "%s does not say its %s: nobody can compare them with the run's.",
            folder,
            ", ".join(unsaid),
        )
    found = header.get("task", name), header.get("split", split)
    if found != (name, split):
        raise InputError(
            f"{folder} holds the task {found[0]}, split {found[1]}, and the run asks "
            f"for {name}, split {split}. Move it to {'/'.join(found)}, and tokenize "
            f"{name} to {name}/{split}."
        )
    theirs = header.get("vocabulary", ours)
    if theirs.fingerprint != ours.fingerprint:
        raise InputError(
            f"{folder} was tokenized with the vocabulary {theirs}, the run reads "
            f"{ours}: the ids mean other pieces to the model. Run with "
            f"--gin.VOCABULARY={theirs.path} --gin.EXTRA_IDS={theirs.extra_ids} "
            "and the model of that vocabulary, or tokenize anew with "
            f"--vocabulary {ours.path} --extra_ids {ours.extra_ids}."
        )


def _check_lengths(examples: TokenizedExamples, feature: str, limit: int) -> None:
    """Raises InputError where examples are longer than a run's, or were cut shorter."""
    folder, header = examples.folder, examples.header
    longest = int(examples.lengths(feature).max())
    if longest > limit:
        raise InputError(
            f"{folder} has {feature} of {longest} tokens, TASK_FEATURE_LENGTHS allows "
            f"{limit}. Raise it, or tokenize with --lengths again."
        )
    cut_at = header.get("lengths", {}).get(feature, longest)
    if longest > cut_at:
        raise InputError(
            f"{folder} has {feature} of {longest} tokens, its header says that they "
            f"were cut at {cut_at}. Write the folder anew with `spot_jax tokenize`."
        )
    count = header.get("cut", {}).get(feature, 0)
    if count and cut_at < limit:
        raise InputError(
            f"{count} {feature} of {folder} were cut at {cut_at} tokens, and "
            f"TASK_FEATURE_LENGTHS allows {limit}. Set it to {cut_at}, or tokenize "
            f"anew with --lengths {feature}={limit}."
        )
