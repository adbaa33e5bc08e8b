"""Starting values of a prompt (Lester et al. 2021, §3.2; SPoT §2.1.4).

Each is a function `(Surroundings, options) -> PromptBundle`; gin chooses one and sets
its options. They stand outside the prompt's module because most of them need the frozen
model's embedding; the module turns a start into its own parameters (`parameters_of`).
"""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from spot_jax.errors import InputError
from spot_jax.model_dir.made_for import check_made_for
from spot_jax.prompts import algebra, files
from spot_jax.prompts.base import (
    Dimensions,
    PromptBundle,
    empty,
    length_of,
    misfit,
    modes,
    sites,
)
from spot_jax.prompts.labels import UNKNOWN_ID, pieces_of_labels, warn_of_unknown

logger = logging.getLogger(__name__)

# The most common tokens, of which a start samples (Lester et al. 2021, §3.2).
POPULATION = 5000


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a starting value may draw on.

    Attributes:
        length: how many vectors the prompt has.
        model: the T5's dimensions.
        vocab_size: rows of the embedding.
        rng: the randomness of this prompt.
        embed: ids [n] -> [n, d_model] rows of the frozen embedding.
        encode: text -> ids, without EOS.
        labels: the task's class labels as text, empty when it has none.
        identity: what the frozen model is, {"fingerprint", "source"}.
        unknown_id: the id of <unk>, the piece for what cannot be written.
        kind: what the start becomes a prompt of: its shapes, at its sites, and modes.
        activations: ids [n] -> what the frozen T5 makes of a text of these pieces, as a
            prompt with all sites but enc_input: what enters each layer of the encoder,
            and the keys and values of each attention. None: nobody can ask it.
    """

    length: int
    model: Dimensions
    vocab_size: int
    rng: np.random.Generator
    embed: Callable[[Sequence[int]], np.ndarray]
    encode: Callable[[str], Sequence[int]]
    labels: tuple[str, ...]
    identity: Mapping[str, str]
    unknown_id: int = UNKNOWN_ID
    kind: PromptBundle = PromptBundle()
    activations: Callable[[Sequence[int]], PromptBundle] | None = None


@runtime_checkable
class Start(Protocol):
    """A starting value with its options bound."""

    def __call__(self, around: Surroundings) -> PromptBundle:
        """Returns one prompt, of numpy arrays."""


def drawn(around: Surroundings) -> PromptBundle:
    """Leaves all to the kind of prompt, which draws its parameters as its paper does.

    P-Tuning v2 draws keys and values from N(0, 0.02), Prefix-Tuning and P-tuning their
    embeddings and networks.
    """
    del around
    return empty()


def random_uniform(
    around: Surroundings, low: float = -0.5, high: float = 0.5
) -> PromptBundle:
    """Draws from a uniform distribution, symmetric as in the paper.

    prompt-tuning's released gin draws from [0, 0.5): low=0.0 does the same.
    """
    return _vectors(
        around.rng.uniform(low, high, (around.length, around.model.d_model))
    )


def _vectors(array: np.ndarray) -> PromptBundle:
    """Returns [prompt, d_model] vectors in front of the input as a prompt."""
    return PromptBundle(enc_input=np.asarray(array, np.float32))


def sampled_vocabulary(
    around: Surroundings, population: int = POPULATION
) -> PromptBundle:
    """Takes embeddings of distinct tokens among the `population` most common.

    A T5 vocabulary is ordered by frequency, so these are the first ids.

    Raises:
        InputError: when the prompt is longer than the population.
    """
    return _vectors(_sample(around, around.length, population))


def _sample(around: Surroundings, count: int, population: int) -> np.ndarray:
    """Returns the embeddings of tokens that are sampled, [count, d_model]."""
    return around.embed(_sampled_ids(around, count, population))


def _sampled_ids(around: Surroundings, count: int, population: int) -> np.ndarray:
    population = min(population, around.vocab_size)
    if count > population:
        raise InputError(
            f"{count} different tokens cannot be sampled from {population}. Shorten "
            "the prompt (--gin.PROMPT_LENGTH) or use gin/prompts/random_uniform.gin."
        )
    return around.rng.choice(population, count, replace=False)


def class_labels(
    around: Surroundings,
    labels: str | Sequence[str] | None = None,
    population: int = POPULATION,
    surplus: bool = False,
) -> PromptBundle:
    """Gives each class label one vector, and sampled vocabulary the rest.

    A label of several pieces is the mean of their embeddings.

    Args:
        around: the surroundings.
        labels: the words, or one; None takes the task's own, which may be none (a
            regression or a question): then all vectors are sampled.
        population: see `sampled_vocabulary`.
        surplus: whether there may be more labels than vectors: the
            last are then left out, as prompt-tuning's code does.

    Raises:
        InputError: when there are more labels than vectors, or two with the same
            pieces.
    """
    labels = around.labels if labels is None else labels
    labels = (labels,) if isinstance(labels, str) else tuple(labels)
    if surplus and len(labels) > around.length:
        logger.info(
            "Of %d labels a prompt of %d begins with the first.",
            *(len(labels), around.length),
        )
        labels = labels[: around.length]
    if len(labels) > around.length:
        raise InputError(
            f"{len(labels)} labels do not fit in a prompt of {around.length}. Set "
            "--gin.PROMPT_LENGTH higher, or name fewer: --gin.CLASS_LABELS=..."
        )
    if not labels:
        logger.info("The task has no class labels: every vector is sampled.")
    pieces = pieces_of_labels(labels, around.encode, _OTHER_WORDS, around.unknown_id)
    means = [
        _mean_of_pieces(around, label, ids)
        for label, ids in zip(labels, pieces, strict=True)
    ]
    rest = _sample(around, around.length - len(labels), population)
    means = np.reshape(means, (len(labels), around.model.d_model))
    return _vectors(np.concatenate([means, rest]))


_OTHER_WORDS = "Name other words: --gin.CLASS_LABELS=\"['one', 'other']\""


def _mean_of_pieces(around: Surroundings, label: str, ids: Sequence[int]) -> np.ndarray:
    if not ids:
        raise InputError(
            f"The label {label!r} has no pieces in this vocabulary. {_OTHER_WORDS}"
        )
    return around.embed(ids).mean(axis=0)


def text(around: Surroundings, text: str, population: int = POPULATION) -> PromptBundle:
    """Starts from the pieces of a text, and sampled vocabulary after its end.

    Args:
        around: what the prompt is made for.
        text: PROMPT_TEXT, e.g. what one would tell the model.
        population: how many pieces are sampled among.

    Raises:
        InputError: when the text has more pieces than the prompt has vectors.
    """
    return _vectors(around.embed(_ids_of_text(around, text, population)))


def _ids_of_text(around: Surroundings, text: str, population: int) -> list[int]:
    """Returns as many pieces as the prompt is long: a text's, and sampled ones."""
    ids = list(around.encode(text))
    if len(ids) > around.length:
        raise InputError(
            f"The text has {len(ids)} pieces, the prompt {around.length} vectors. "
            "Shorten the text or set --gin.PROMPT_LENGTH to fit."
        )
    warn_of_unknown("PROMPT_TEXT", ids, around.unknown_id)
    rest = _sampled_ids(around, around.length - len(ids), population)
    return [*ids, *rest.tolist()]


def harvested(
    around: Surroundings, text: str, population: int = POPULATION
) -> PromptBundle:
    """Starts from what the frozen model makes of a text, in every layer.

    The low-data start of Prefix-Tuning (Li and Liang 2021, §7.4): a word of the task,
    "summarize", say. After its end stands sampled vocabulary. Keys that stand right
    before the text (PREFIX_BIAS "contiguous") are read as the model reads its own.

    Args:
        around: the surroundings.
        text: PROMPT_TEXT, which the encoder reads, and the decoder writes.
        population: how many pieces are sampled among.

    Raises:
        InputError: when the text has more pieces than the prompt has vectors.
    """
    ids = _ids_of_text(around, text, population)
    found = around.activations(ids).replace(enc_input=around.embed(ids))
    taken = {
        site: np.asarray(getattr(found, site), np.float32)
        for site in sites(around.kind)
    }
    if around.kind.hidden_mode == "add" and "enc_hidden" in taken:
        # What is added to itself twice is no longer what the model makes of it.
        taken["enc_hidden"][1:] = 0
    return PromptBundle(**taken, **modes(around.kind))


def from_file(
    around: Surroundings,
    path: str,
    length_mismatch: str = "error",
    allow_other_model: bool = False,
) -> PromptBundle:
    """Starts from a saved prompt: the step that makes it SPoT.

    Args:
        around: the surroundings.
        path: see `files.read`.
        length_mismatch: what to do when the file's prompt has another length:
            "error", "truncate" (keep the first vectors) or "pad" (sampled vocabulary
            after the last, in front of the input only).
        allow_other_model: take a prompt whose file names another frozen model.

    Raises:
        InputError: when the prompt does not fit this model or length.
    """
    saved = files.read(path)
    wrong = misfit(saved.bundle, around.model)
    if wrong:
        raise InputError(
            f"{path} does not fit: {wrong}. A prompt fits only the model size it was "
            "trained for."
        )
    if not allow_other_model:
        cure = "If you mean it: --gin.from_file.allow_other_model=True."
        check_made_for(path, saved.story.get("model") or {}, around.identity, cure)
    return _fit(around, saved.bundle, path, length_mismatch)


def _fit(
    around: Surroundings, prompt: PromptBundle, path: str, choice: str
) -> PromptBundle:
    found, wanted = length_of(prompt), around.length
    if choice not in ("error", "truncate", "pad"):
        raise InputError(
            f"PROMPT_LENGTH_MISMATCH is {choice!r}; it is 'error', 'truncate' or 'pad'."
        )
    if found == wanted:
        return prompt
    if choice == "truncate" and found > wanted:
        return algebra.truncate(prompt, wanted)
    if choice == "pad" and found < wanted:
        rest = _vectors(_sample(around, wanted - found, POPULATION))
        return algebra.concatenate(prompt, rest)
    raise InputError(
        f"{path} has {found} vectors, PROMPT_LENGTH is {wanted}. Set "
        f"--gin.PROMPT_LENGTH={found}, or choose with "
        f"--gin.PROMPT_LENGTH_MISMATCH: truncate (it is longer) or pad (shorter)."
    )
