"""BLEU and ROUGE of generated text; TensorFlow is not needed here.

Both take the reference texts and the generated ones and return figures from 0 to 100.
"""

import collections
import functools
import math
import re
import sys
import unicodedata
from collections.abc import Sequence

Results = dict[str, float]
_BLEU_ORDER = 4


def bleu(targets: Sequence[str], predictions: Sequence[str]) -> Results:
    """BLEU of a corpus (Papineni et al. 2002), one reference for each text.

    As `sacrebleu --tokenize intl` with exponential smoothing.
    `["the cat sat on the mat"]`, `["the cat sat on the mat"]` -> `{"bleu": 100.0}`.
    """
    matches, totals = [0] * _BLEU_ORDER, [0] * _BLEU_ORDER
    lengths = [0, 0]
    for target, guess in zip(targets, predictions, strict=True):
        right, words = _international_words(target), _international_words(guess)
        lengths = [lengths[0] + len(right), lengths[1] + len(words)]
        for order in range(_BLEU_ORDER):
            found = _ngrams(words, order + 1)
            common = found & _ngrams(right, order + 1)
            matches[order] += sum(common.values())
            totals[order] += sum(found.values())
    return {"bleu": _bleu_score(matches, totals, *lengths)}


def _bleu_score(
    matches: Sequence[int], totals: Sequence[int], wanted: int, given: int
) -> float:
    if not any(matches) or not all(totals):
        return 0.0
    logs, smoothing = [], 1.0
    for match, total in zip(matches, totals, strict=True):
        # The n-th order without a match counts as a half, a quarter, ... match.
        smoothing = smoothing if match else smoothing / 2
        logs.append(math.log((match or smoothing) / total))
    brevity = min(1.0, math.exp(1 - wanted / given))
    return 100 * brevity * math.exp(sum(logs) / _BLEU_ORDER)


def _international_words(text: str) -> list[str]:
    """Splits off punctuation, except between digits, and symbols (mteval-v14)."""
    after, before, symbol = _boundaries()
    text = after.sub(r"\1 \2 ", text.rstrip())
    text = before.sub(r" \1 \2", text)
    return symbol.sub(r" \1 ", text).split()


@functools.cache
def _boundaries() -> tuple[re.Pattern, re.Pattern, re.Pattern]:
    """Returns the patterns of mteval-v14; `re` has no classes for Unicode's P and S."""
    classes: dict[str, list[str]] = {"P": [], "S": []}
    for code in range(sys.maxunicode + 1):
        kind = unicodedata.category(chr(code))[0]
        if kind in classes:
            classes[kind].append(re.escape(chr(code)))
    punctuation, symbols = ("[" + "".join(classes[kind]) + "]" for kind in "PS")
    return (
        re.compile(rf"([^\d])({punctuation})"),
        re.compile(rf"({punctuation})([^\d])"),
        re.compile(rf"({symbols})"),
    )


def rouge(targets: Sequence[str], predictions: Sequence[str]) -> Results:
    """The mean F1 of ROUGE-1, ROUGE-2 and the summary-level ROUGE-L (Lin 2004).

    `["the cat sat"]`, `["the cat ran"]` -> `{"rouge1": 66.6..., "rouge2": 50.0,
    "rougeLsum": 66.6...}`. A line is a sentence; ` . ` ends one too. No stemming.
    """
    sums: dict[str, float] = collections.defaultdict(float)
    for target, guess in zip(targets, predictions, strict=True):
        right, given = _sentences(target), _sentences(guess)
        all_right, all_given = sum(right, []), sum(given, [])
        sums["rouge1"] += _ngram_f1(all_right, all_given, 1)
        sums["rouge2"] += _ngram_f1(all_right, all_given, 2)
        sums["rougeLsum"] += _subsequence_f1(right, given)
    return {name: 100 * value / len(targets) for name, value in sums.items()}


def _sentences(text: str) -> list[list[str]]:
    """`"A cat . It's 3."` -> `[["a", "cat"], ["it", "s", "3"]]`."""
    lines = text.replace(" . ", " .\n").split("\n")
    return [re.findall("[a-z0-9]+", line.lower()) for line in lines]


def _ngrams(words: Sequence[str], order: int) -> collections.Counter:
    return collections.Counter(
        tuple(words[start : start + order]) for start in range(len(words) - order + 1)
    )


def _ngram_f1(target: list[str], guess: list[str], order: int) -> float:
    right, given = _ngrams(target, order), _ngrams(guess, order)
    return _f1(sum((right & given).values()), right.total(), given.total())


def _subsequence_f1(targets: list[list[str]], guesses: list[list[str]]) -> float:
    """F1 of the words that common subsequences of sentences cover, each word once."""
    right = collections.Counter(sum(targets, []))
    given = collections.Counter(sum(guesses, []))
    sizes, hits = (right.total(), given.total()), 0
    for target in targets:
        covered = set().union(*(_common_places(target, guess) for guess in guesses))
        for word in (target[place] for place in sorted(covered)):
            if right[word] > 0 and given[word] > 0:
                hits += 1
                right[word] -= 1
                given[word] -= 1
    return _f1(hits, *sizes)


def _common_places(target: list[str], guess: list[str]) -> set[int]:
    """Returns where a longest common subsequence lies in `target`.

    `["a", "b", "c"]`, `["a", "c"]` -> `{0, 2}`.
    """
    rows, columns = len(target), len(guess)
    table = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows):
        for j in range(columns):
            is_equal = target[i] == guess[j]
            longest = max(table[i][j + 1], table[i + 1][j])
            table[i + 1][j + 1] = table[i][j] + 1 if is_equal else longest
    places, i, j = set(), rows, columns
    while i and j:
        if target[i - 1] == guess[j - 1]:
            i, j = i - 1, j - 1
            places.add(i)
        elif table[i][j - 1] > table[i - 1][j]:
            j -= 1
        else:
            i -= 1
    return places


def _f1(hits: int, wanted: int, given: int) -> float:
    return 2 * hits / (wanted + given) if hits else 0.0
