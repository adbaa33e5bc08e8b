"""What a side of a benchmark is asked to do, and the examples it does it with.

Neither jax nor torch here: both sides, and who compares them, read it.
"""

import dataclasses
import json
import pathlib
import re
from collections.abc import Iterator

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VOCABULARY = 32128
# Ids of ordinary pieces: no sentinels, no padding, no end.
_PIECES = 3, 32000
# Inputs of a split that is answered, tokens of an answer, and answers that are ranked.
_ANSWERED, DECODED = 256, 8
LABELS = {"negative": [2841, 1], "positive": [1465, 1]}
# Of examples that are drawn, enough that no two batches are alike.
_DRAWN = 8192


@dataclasses.dataclass(frozen=True)
class Work:
    """A model, a prompt, and examples of some lengths.

    Attributes:
        name: what tables call it.
        shape: a T5 of gin/models, without "t5_1_1_".
        lengths: of examples: "400x16" has so many input and target tokens, "sst2",
            "mnli", "rte" and "boolq" those of real rows (lengths.json).
        batch: examples of each prompt in a step.
        prompt: vectors of a prompt.
        bank: prompts.
        kind: of prompts, see ours.KINDS and peft_side.KINDS.
        doing: "train", "rank", "decode", or "save" a checkpoint.
        dtype: of activations.
        weights: of the frozen weights.
        dropout: its rate.
        pack: whether rows hold several examples.
        row: tokens of an input that an unpacked row has room for; None: the longest
            example's.
        attention: of the T5; "" is its default.
        scan: whether layers are scanned.
        remat: T5Config.remat_policy; of torch, anything but "none" is checkpointing.
        microbatches: parts of a batch.
        layers: of each stack; None: those of the shape.
        threads: of a CPU.
        seed: of examples and weights.
    """

    name: str
    shape: str = "small"
    lengths: str = "128x8"
    batch: int = 8
    prompt: int = 100
    bank: int = 1
    kind: str = "soft"
    doing: str = "train"
    dtype: str = "float32"
    weights: str = "float32"
    dropout: float = 0.1
    pack: bool = True
    row: int | None = None
    attention: str = ""
    scan: bool = False
    remat: str = "none"
    microbatches: int = 1
    layers: int | None = None
    threads: int = 2
    seed: int = 0

    def dimensions(self) -> dict[str, int]:
        """Returns what gin/models says of the T5."""
        file = ROOT / f"gin/models/t5_1_1_{self.shape}.gin"
        found = re.findall(r"^  (\w+) = (\d+)$", file.read_text(encoding="utf-8"), re.M)
        dimensions = {"d_head": 64} | {name: int(number) for name, number in found}
        if self.layers is not None:
            dimensions |= dict.fromkeys(
                ("encoder_layers", "decoder_layers"), self.layers
            )
        return dimensions

    @property
    def is_real(self) -> bool:
        """Whether lengths are those of real rows."""
        return "x" not in self.lengths

    def longest(self) -> tuple[int, int]:
        """Returns how many tokens the longest input and target have."""
        sizes = np.asarray(sizes_of(self.lengths))
        return int(sizes[:, 0].max()), int(sizes[:, 1].max())


def sizes_of(lengths: str) -> list[tuple[int, int]]:
    """Returns the sizes of examples, inputs and targets, as often as they come."""
    if "x" in lengths:
        inputs, targets = map(int, lengths.split("x"))
        return [(inputs, targets)]
    told = json.loads((HERE / "lengths.json").read_text(encoding="utf-8"))[lengths]
    return [(inputs, targets) for inputs, targets, count in told for _ in range(count)]


def examples(work: Work, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draws random tokens of the work's lengths: the same for both sides."""
    rng = np.random.default_rng([work.seed, seed])
    sizes = sizes_of(work.lengths)
    chosen = rng.integers(len(sizes), size=min(_DRAWN, max(512, 4 * work.batch)))
    return [tuple(_tokens(rng, count) for count in sizes[which]) for which in chosen]


def _tokens(rng: np.random.Generator, count: int) -> np.ndarray:
    tokens = rng.integers(*_PIECES, size=count).astype(np.int32)
    tokens[-1] = 1
    return tokens


def batches(work: Work) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """Yields the examples of every step, without end, of one prompt."""
    drawn = examples(work, 0)
    rng = np.random.default_rng(work.seed)
    while True:
        order = rng.permutation(len(drawn))
        for start in range(0, len(order) - work.batch + 1, work.batch):
            yield [drawn[i] for i in order[start : start + work.batch]]


def answered(work: Work) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns the examples of a split that is answered."""
    return examples(work, 1)[: max(work.batch, min(_ANSWERED, 8 * work.batch))]
