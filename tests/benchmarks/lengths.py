"""Writes lengths.json: how long real rows are, for machines that have none of them.

    python tests/benchmarks/lengths.py ../shared/data ../shared/fixtures/t5_vocab

It has [inputs, targets, how many] of each data set: pieces of T5's vocabulary, EOS
included, of the rows as T5 reads them. BoolQ's are not at hand: they are drawn around
the 300 pieces that it is said to have on average.
"""

import collections
import gzip
import json
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
# What T5 reads, and its answers.
FORMS = {
    "sst2": ("sst2 sentence: {sentence}", ("negative", "positive")),
    "mnli": (
        "mnli hypothesis: {hypothesis} premise: {premise}",
        ("entailment", "neutral", "contradiction"),
    ),
    "rte": (
        "rte sentence1: {premise} sentence2: {hypothesis}",
        ("entailment", "not_entailment"),
    ),
}
_BOOLQ = {"mean": 300, "spread": 60, "rows": 1000}


def main(data: str, vocabulary: str) -> None:
    """Reads rows, and writes how long they are."""
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(f"{vocabulary}/spiece.model")
    found = {}
    for name, (form, answers) in FORMS.items():
        sizes = [len(pieces.encode(answer)) + 1 for answer in answers]
        with gzip.open(pathlib.Path(data) / f"{name}/train.jsonl.gz", "rt") as file:
            rows = [json.loads(line) for line in file]
        inputs = [
            len(ids) + 1 for ids in pieces.encode([form.format(**r) for r in rows])
        ]
        counted = collections.Counter(
            (size, _target(row["label"], answers, sizes))
            for size, row in zip(inputs, rows, strict=True)
        )
        found[name] = [[*size, count] for size, count in sorted(counted.items())]
    drawn = np.random.default_rng(0).normal(
        _BOOLQ["mean"], _BOOLQ["spread"], _BOOLQ["rows"]
    )
    counted = collections.Counter(np.clip(drawn, 40, 510).astype(int).tolist())
    found["boolq"] = [[size, 2, count] for size, count in sorted(counted.items())]
    lines = [f'"{name}": {json.dumps(sizes)}' for name, sizes in found.items()]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (HERE / "lengths.json").write_text(text, encoding="utf-8")


def _target(label, answers, sizes) -> int:
    """Returns how long an answer is, of a label that is a name or a number."""
    return sizes[answers.index(label) if isinstance(label, str) else label]


if __name__ == "__main__":
    main(*sys.argv[1:])
