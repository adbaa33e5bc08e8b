"""The English text that make_english pre-trains on: vocabulary, token ids, examples.

Only numpy and SentencePiece here: examples are drawn on the machine that trains, which
has no TensorFlow. Spans are cut as text/span_corruption.py does it, of all chunks of a
text at once.
"""

import dataclasses
import io
import lzma
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto

from spot_jax.data import vocabularies
from spot_jax.data.tokenized_writer import write_tokenized
from spot_jax.errors import InputError
from spot_jax.text.json_lines import read_lines

# Rows of the embedding (gin/models/english.gin), sentinels included: 62 times 128.
ROWS = 7936
SENTINELS = 32
# Files of the corpus, by what their names begin with.
FILES = {
    "train": (
        *("novels-train", "state_union", "inaugural", "tinyshakespeare"),
        "wikitext2-valid",
    ),
    "validation": ("novels-validation", "wikitext2-test"),
}
SPANS, PREFIX = "english_spans", "english_prefix_lm"
# 252 tokens with 13 spans cut out, and an end token, are inputs of 228 and targets of
# 52. What a prefix language model goes on with is always as long, so that no position
# of the decoder, where most of the work is, is empty.
LENGTHS = {
    SPANS: {"inputs": 228, "targets": 52},
    PREFIX: {"inputs": 96, "targets": 48},
}
_CHUNK = {SPANS: 252, PREFIX: 95 + 47}
_EOS_ID = 1
_DENSITY, _MEAN_SPAN = 0.15, 3.0
# Enough to tell which pieces are common, in ten seconds.
_PASSAGES_OF_VOCABULARY = 6000


def passages(corpus: pathlib.Path, split: str, share: float = 1.0) -> list[str]:
    """Returns the passages of a split, or every so many of them.

    Args:
        corpus: a folder of gzipped JSON lines, each with a `text`.
        split: "train" or "validation".
        share: which part of them, evenly spread.

    Raises:
        InputError: when there are no such files, or a row has no text.
    """
    found = []
    for name in FILES[split]:
        paths = sorted(corpus.glob(f"{name}*.jsonl.gz"))
        if not paths:
            raise InputError(
                f"--corpus {corpus} has no {name}*.jsonl.gz. Give a folder with "
                'gzipped JSON lines, {"text": ...} each, that are called so.'
            )
        for path in paths:
            for where, row in read_lines(path):
                if not isinstance(row.get("text"), str):
                    raise InputError(f"{where} has no text. Mend the row: 'text'.")
                found.append(row["text"])
    return found[:: max(1, round(1 / share))]


def build_vocabulary(texts: Sequence[str], rows: int = ROWS) -> bytes:
    """Returns a SentencePiece model; its last pieces are the sentinels of T5.

    Args:
        texts: passages, of which some thousands are read.
        rows: pieces that there may be, sentinels included.
    """
    some = texts[:: max(1, len(texts) // _PASSAGES_OF_VOCABULARY)]
    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(some),
        model_writer=made,
        vocab_size=rows - SENTINELS,
        # Of little text fewer pieces are made.
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=_EOS_ID,
        unk_id=2,
        bos_id=-1,
        character_coverage=0.9999,
        # Labels and web text have signs that novels have not.
        required_chars="".join(map(chr, range(33, 127))),
        max_sentence_length=2**20,
        num_threads=1,
        minloglevel=2,
    )
    model = proto.ModelProto.FromString(made.getvalue())
    for number in reversed(range(SENTINELS)):
        model.pieces.add(piece=f"<extra_id_{number}>", score=0.0, type=4)
    model.trainer_spec.vocab_size = len(model.pieces)
    return model.SerializeToString()


def packed(texts: Sequence[str], processor: Any) -> bytes:
    """Returns the ids of passages one after another, compressed."""
    ids = [np.array(each, "<u2") for each in processor.encode(list(texts))]
    return lzma.compress(np.concatenate(ids).tobytes())


def unpacked(data: bytes) -> np.ndarray:
    """Returns [tokens] uint16, what `packed` was given."""
    return np.frombuffer(lzma.decompress(data), "<u2")


def chunks(ids: np.ndarray, size: int, start: int = 0) -> np.ndarray:
    """Cuts [tokens] ids into [chunks, size]; a rest at the end is left out."""
    count = (len(ids) - start) // size
    return ids[start : start + count * size].reshape(count, size).astype(np.int32)


def corrupted(
    texts: np.ndarray, last: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cuts spans out of chunks, as T5's pre-training does (Raffel et al. 2020, §3.1.4).

    Args:
        texts: [chunks, size] token ids.
        last: the first sentinel, which is the last piece of the vocabulary.
        rng: draws the spans.

    Returns:
        Inputs [chunks, inputs] and targets [chunks, targets], end token included.
    """
    count, size = texts.shape
    noise = int(np.clip(round(size * _DENSITY), 1, size - 1))
    spans = min(max(round(noise / _MEAN_SPAN), 1), size - noise, SENTINELS)
    kept = _random_lengths(count, size - noise, spans, rng)
    cut = _random_lengths(count, noise, spans, rng)
    # The text begins with what is kept; with every start the one becomes the other.
    starts = np.cumsum(np.stack([kept, cut], axis=2).reshape(count, -1), axis=1)[:, :-1]
    is_start = np.zeros((count, size), np.int8)
    np.put_along_axis(is_start, starts, 1, axis=1)
    is_noise = np.cumsum(is_start, axis=1, dtype=np.int16) % 2 == 1
    return _with_sentinels(texts, is_noise, last), _with_sentinels(
        texts, ~is_noise, last
    )


def _random_lengths(
    count: int, total: int, parts: int, rng: np.random.Generator
) -> np.ndarray:
    """Returns [count, parts] lengths of at least 1, every way to sum up as likely."""
    # Between the tokens are total - 1 places, of which parts - 1 are borders.
    order = rng.random((count, total - 1), np.float32).argsort(axis=1)
    borders = np.sort(order[:, : parts - 1], axis=1) + 1
    ends = np.pad(borders, ((0, 0), (1, 1)), constant_values=((0, 0), (0, total)))
    return np.diff(ends, axis=1)


def _with_sentinels(texts: np.ndarray, is_cut: np.ndarray, last: int) -> np.ndarray:
    """Puts a sentinel, counted down from `last`, in the place of each span cut out."""
    is_start = is_cut & ~np.pad(is_cut[:, :-1], ((0, 0), (1, 0)))
    number = np.cumsum(is_start, axis=1, dtype=np.int32) - 1
    marked = np.where(is_start, last - number, texts)
    # As many in every chunk.
    taken = marked[is_start | ~is_cut].reshape(len(texts), -1)
    return np.pad(taken, ((0, 0), (0, 1)), constant_values=_EOS_ID)


def continued(
    texts: np.ndarray, behind: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Takes the end of each chunk as targets, and some of what is before it as inputs.

    Args:
        texts: [chunks, size] token ids.
        behind: how many tokens are targets.
        rng: draws how many are inputs, uniformly from 1 to size - behind.

    Yields:
        Inputs [length] and targets [behind + 1], end token included.
    """
    before = texts.shape[1] - behind
    lengths = rng.integers(1, before + 1, len(texts))
    ended = np.pad(texts, ((0, 0), (0, 1)), constant_values=_EOS_ID)
    for text, length in zip(ended, lengths, strict=True):
        yield np.append(text[before - length : before], _EOS_ID), text[before:]


def examples(
    task: str, ids: np.ndarray, last: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields one draw of a text's examples, whose chunks begin elsewhere in each draw.

    Args:
        task: SPANS or PREFIX.
        ids: [tokens] of the text.
        last: the last piece of the vocabulary.
        seed: decides the draw.
    """
    rng, size = np.random.default_rng(seed), _CHUNK[task]
    if len(ids) < 2 * size:
        raise InputError(
            f"There are {len(ids)} tokens of text, and an example takes {size}. Raise "
            "--scale, or give more text."
        )
    texts = chunks(ids, size, int(rng.integers(size)))
    if task == PREFIX:
        yield from continued(texts, LENGTHS[task]["targets"] - 1, rng)
        return
    # In parts, for random numbers of all chunks take a GB.
    for part in np.array_split(texts, -(-len(texts) // 8192)):
        yield from zip(*corrupted(part, last, rng), strict=True)


def write_draws(
    folder: pathlib.Path,
    task: str,
    texts: Mapping[str, np.ndarray],
    draws: int,
    vocabulary: str,
) -> None:
    """Writes folder/TASK/{train,validation}, as TOKENIZED_DATA_DIR takes them.

    What is there already is not written again.

    Args:
        folder: where to.
        task: SPANS or PREFIX.
        texts: {split: [tokens] ids}.
        draws: how often the training text is drawn; the validation text is once.
        vocabulary: its file.
    """
    _, identity = vocabularies.open_and_identify(vocabulary)
    last = identity.size - 1
    for split, ids in texts.items():
        if (folder / task / split).exists():
            continue
        seeds = range(1, 1 + draws) if split == "train" else [0]
        drawn = (pair for seed in seeds for pair in examples(task, ids, last, seed))
        header = {"task": task, "split": split, "seed": 0, "lengths": LENGTHS[task]}
        header["vocabulary"] = dataclasses.asdict(identity)
        write_tokenized(
            folder / task / split,
            _named(drawn),
            header,
            vocabulary_size=identity.size,
        )


def _named(pairs: Iterable[tuple]) -> Iterator[dict[str, np.ndarray]]:
    return ({"inputs": inputs, "targets": targets} for inputs, targets in pairs)
