"""Which pieces of the vocabulary a prompt's vectors are most like.

Lester et al. 2021, §7: a trained vector's nearest pieces are often of one kind, and the
class labels a prompt began from stay near.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from spot_jax.errors import InputError

# Rows of the embedding that are compared at once: 67 MB of the largest T5.
_CHUNK = 4096


@dataclasses.dataclass(frozen=True)
class Nearest:
    """What is looked for.

    Attributes:
        count: NEAREST_PIECES, how many pieces for each vector (Lester et al. 2021: 5).
        vocabulary: path of the SentencePiece model; None: the model's own.
    """

    count: int
    vocabulary: str | None = None

    def __post_init__(self):
        if type(self.count) is not int or self.count < 1:
            raise InputError(
                f"NEAREST_PIECES is {self.count!r}; give a number from 1 on."
            )


def read_pieces(path: str) -> dict[int, str]:
    """Reads the pieces that text is made of.

    Args:
        path: a SentencePiece model, local or gs://.

    Returns:
        {id: piece}, without padding, the end, the unknown piece and sentinels.

    Raises:
        InputError: when it cannot be read.
    """
    from spot_jax import text

    text.import_tensorflow()
    from spot_jax.text import vocabulary

    vocabulary.check_vocabulary(path)
    tokenizer = vocabulary.SharedVocabulary(path).tokenizer
    pieces = {
        index: tokenizer.id_to_piece(index)
        for index in range(tokenizer.get_piece_size())
        if not (
            tokenizer.is_control(index)
            or tokenizer.is_unknown(index)
            or tokenizer.is_unused(index)
        )
    }
    return {
        i: piece for i, piece in pieces.items() if not piece.startswith("<extra_id")
    }


def check_pieces(ids: Sequence[int], count: int, rows: int) -> None:
    """Makes sure that pieces are there to be found.

    Args:
        ids: of the pieces.
        count: how many are wanted for each vector.
        rows: of the model's embedding.

    Raises:
        InputError: when there are fewer pieces than wanted, or fewer rows than pieces.
    """
    if count > len(ids):
        raise InputError(
            f"NEAREST_PIECES is {count}, the vocabulary has {len(ids)} pieces. Ask "
            "for fewer: --gin.NEAREST_PIECES=5."
        )
    if max(ids) >= rows:
        raise InputError(
            f"The vocabulary has a piece {max(ids)}, the model's embedding {rows} "
            "rows: they do not belong together. Set --gin.VOCABULARY."
        )


def nearest_rows(
    vectors: np.ndarray, embedding: np.ndarray, ids: Sequence[int], count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the rows of an embedding with the largest cosine, exactly.

    Args:
        vectors: [vectors, d_model]; one of zeros has cosine 0 to everything.
        embedding: [vocab, d_model], numpy's or jax's, read in chunks.
        ids: [rows] which of its rows may be found.
        count: how many are wanted for each vector.

    Returns:
        [vectors, count] ids and [vectors, count] cosines, the nearest first; of equal
        ones that which comes first in `ids`.

    Raises:
        InputError: when there are fewer rows than wanted, or fewer in the embedding.
    """
    ids = np.asarray(ids)
    check_pieces(ids, count, len(embedding))
    vectors = _unit(vectors)
    found = np.zeros((len(vectors), 0), ids.dtype)
    cosines = np.zeros((len(vectors), 0), np.float32)
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        more = vectors @ _unit(embedding[chunk]).T
        cosines = np.concatenate([cosines, more], axis=1)
        found = np.concatenate([found, np.broadcast_to(chunk, more.shape)], axis=1)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        cosines = np.take_along_axis(cosines, order, axis=1)
        found = np.take_along_axis(found, order, axis=1)
    return found, cosines


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def nearest_pieces(
    prompts: Mapping[str, np.ndarray],
    embedding: np.ndarray,
    pieces: Mapping[int, str],
    count: int,
) -> dict[str, list[list[dict]]]:
    """Names the pieces nearest to each vector of each prompt.

    Args:
        prompts: {name: [prompt, d_model]}, of any lengths.
        embedding: [vocab, d_model] the frozen model's.
        pieces: {id: piece}, those that may be named.
        count: how many for each vector.

    Returns:
        {name: for each vector [{"piece": "▁good", "cosine": 0.93}, ...]}.

    Raises:
        InputError: see `nearest_rows`.
    """
    # All prompts together, so that the embedding is read and made unit vectors once.
    found, cosines = nearest_rows(
        np.concatenate(list(prompts.values())), embedding, list(pieces), count
    )
    described = iter(
        [
            {"piece": pieces[int(i)], "cosine": float(c)}
            for i, c in zip(*row, strict=True)
        ]
        for row in zip(found, cosines, strict=True)
    )
    return {
        name: [next(described) for _ in vectors] for name, vectors in prompts.items()
    }


def rows(nearest: Mapping[str, list[list[dict]]]) -> list[list]:
    """Returns what `nearest_pieces` found as a table, a row for each vector."""
    wanted = len(next(iter(nearest.values()))[0])
    table: list[list] = [["prompt", "vector", *(f"{n + 1}." for n in range(wanted))]]
    for name, vectors in nearest.items():
        for index, found in enumerate(vectors):
            cells = [f"{piece['piece']} {piece['cosine']:.2f}" for piece in found]
            table.append([name, index, *cells])
    return table
