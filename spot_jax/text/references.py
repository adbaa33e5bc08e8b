"""Figures of generated text where a text has several references.

Each takes, for every text, the texts that would be right, and the one that was written.
All tell no capitals from small letters, as the scripts of E2E and WebNLG. Figures are
from 0 to 100 and more is better, but for NIST and CIDEr, which have scales of their own
and more is better too. TensorFlow is not needed here.
"""

import collections
import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from spot_jax.errors import InputError
from spot_jax.text.libraries import need
from spot_jax.text.metrics import Results, check_lengths

References = Sequence[Sequence[str]]
_LONGEST_NIST, _LONGEST_CIDER = 5, 4
# CIDEr-D's width of the penalty on another length (Vedantam et al. 2015, §4).
_SIGMA = 6.0
_WORDNET_CURE = (
    "METEOR asks WordNet which words mean the same, and nltk does not find it: "
    "python -m nltk.downloader wordnet. The other metrics need no data."
)


def by_input(metric: Callable[[References, Sequence[str]], Results]) -> Callable:
    """Makes a metric gather the references of examples that have the same input.

    The answer to each input is that to its first example.
    `by_input(bleu)([{"value": "a b", "group": 1}, {"value": "b a", "group": 1}],
    [{"value": "a b"}, {"value": "a b"}])` -> `bleu([["a b", "b a"]], ["a b"])`.
    """

    def metric_by_input(
        targets: Sequence[Mapping], predictions: Sequence[Mapping]
    ) -> Results:
        check_lengths(targets, predictions)
        references: dict[object, list[str]] = {}
        answers: dict[object, str] = {}
        for target, guess in zip(targets, predictions, strict=True):
            references.setdefault(target["group"], []).append(target["value"])
            answers.setdefault(target["group"], guess["value"])
        return metric(list(references.values()), list(answers.values()))

    return metric_by_input


def bleu(references: References, predictions: Sequence[str]) -> Results:
    """BLEU of a corpus (Papineni et al. 2002), with the tokens of mteval-v13a.

    `[["the cat sat on it", "a cat sat"]]`, `["The cat sat on it"]` -> 100.0.
    """
    check_references(references, predictions)
    # Texts that end in " ." are no reason for advice about tokenization.
    score = _sacrebleu().BLEU(lowercase=True, force=True).corpus_score
    # The same text has exp(log(100)), which is 100 and a rounding error.
    found = score(list(predictions), _streams(references)).score
    return {"bleu": min(100.0, found)}


def chrf(references: References, predictions: Sequence[str]) -> Results:
    """chrF2 of a corpus (Popović 2015): F2 of spans of one to six letters."""
    check_references(references, predictions)
    score = _sacrebleu().CHRF(lowercase=True).corpus_score
    return {"chrf": min(100.0, score(list(predictions), _streams(references)).score)}


def one_minus_ter(references: References, predictions: Sequence[str]) -> Results:
    """100 minus TER (Snover et al. 2006), so that more is better, as of all figures.

    TER is the share of words that must be changed, of the nearest reference; it may be
    above 100, and this below 0. `[["a b c d"]]`, `["a b c e"]` -> 75.0.
    """
    check_references(references, predictions)
    score = _sacrebleu().TER(case_sensitive=False).corpus_score
    found = score(list(predictions), _streams(references)).score
    return {"one_minus_ter": 100.0 - found}


def rouge_l(references: References, predictions: Sequence[str]) -> Results:
    """The mean F1 of the longest common subsequence (Lin 2004), of the best reference.

    E2E's own script weighs recall more (beta 1.2), which gives about a point more.
    """
    check_references(references, predictions)
    scorer = need("rouge_score.rouge_scorer", "rouge-score", "ROUGE is").RougeScorer(
        ["rougeL"]
    )
    scores = [
        scorer.score_multi(list(right), guess)["rougeL"].fmeasure
        for right, guess in zip(references, predictions, strict=True)
    ]
    return {"rougeL": 100 * float(np.mean(scores))}


def nist(references: References, predictions: Sequence[str]) -> Results:
    """NIST of a corpus (Doddington 2002), rare words counting for more; from 0 on.

    As nltk has it, which compares each text with its best reference alone.
    """
    check_references(references, predictions)
    corpus_nist = need("nltk.translate.nist_score", "nltk", "NIST is").corpus_nist
    right, found = _words(references, predictions)
    # Of spans that no text has there is no precision; nltk would divide by zero.
    longest = min(_LONGEST_NIST, max(map(len, found)))
    if not longest or not any(word for texts in right for word in texts):
        return {"nist": 0.0}
    return {"nist": float(corpus_nist(right, found, longest))}


def meteor(references: References, predictions: Sequence[str]) -> Results:
    """The mean METEOR (Banerjee and Lavie 2005), as nltk has it.

    No task reports it, for its figure depends on data that not every machine has.

    Raises:
        InputError: nltk or WordNet is not there.
    """
    check_references(references, predictions)
    scorer = need("nltk.translate.meteor_score", "nltk", "METEOR is")
    right, found = _words(references, predictions)
    try:
        scores = map(scorer.meteor_score, right, found)
        return {"meteor": 100 * float(np.mean(list(scores)))}
    except LookupError as error:
        raise InputError(_WORDNET_CURE) from error


def cider(references: References, predictions: Sequence[str]) -> Results:
    """CIDEr-D (Vedantam et al. 2015), 10 for the one reference itself.

    Spans of one to four words are weighed by how few texts' references have them, as
    in coco-caption, which E2E's script uses. Of a single text it is 0: nothing is rare.
    """
    check_references(references, predictions)
    right, found = _words(references, predictions)
    seen: collections.Counter = collections.Counter()
    for texts in right:
        seen.update({span for text in texts for span in _spans(text)})
    weigh = functools.partial(_weighed, seen=seen, texts=len(right))
    scores = [
        np.mean([_likeness(weigh(guess), weigh(text)) for text in texts])
        for texts, guess in zip(right, found, strict=True)
    ]
    return {"cider": 10 * float(np.mean(scores))}


def _spans(words: Sequence[str]) -> collections.Counter:
    return collections.Counter(
        tuple(words[start : start + size])
        for size in range(1, _LONGEST_CIDER + 1)
        for start in range(len(words) - size + 1)
    )


def _weighed(
    words: Sequence[str], seen: Mapping, texts: int
) -> tuple[list[dict[tuple, float]], int]:
    """Returns the weights of a text's spans, by their size, and how long it is."""
    vectors: list[dict[tuple, float]] = [{} for _ in range(_LONGEST_CIDER)]
    for span, count in _spans(words).items():
        rarity = math.log(texts / max(1, seen[span]))
        vectors[len(span) - 1][span] = count * rarity
    # In spans of two, as coco-caption counts.
    return vectors, max(0, len(words) - 1)


def _likeness(guess: tuple[list[dict], int], right: tuple[list[dict], int]) -> float:
    """Returns the mean over the sizes of spans, from 0 to 1."""
    penalty = math.exp(-((guess[1] - right[1]) ** 2) / (2 * _SIGMA**2))
    cosines = []
    for one, other in zip(guess[0], right[0], strict=True):
        norm = math.hypot(*one.values()) * math.hypot(*other.values())
        # What is said more often than in the reference does not count more.
        dot = sum(
            min(weight, other[span]) * other[span]
            for span, weight in one.items()
            if span in other
        )
        cosines.append(dot / norm if norm else 0.0)
    return penalty * float(np.mean(cosines))


def check_references(references: References, predictions: Sequence[str]) -> None:
    """Raises InputError unless each text has references, and there are some."""
    check_lengths(references, predictions)
    without = [place for place, texts in enumerate(references) if not len(texts)]
    if without:
        raise InputError(f"text {without[0]} has no reference to be compared with")


def _streams(references: References) -> list[list[str | None]]:
    """Returns the first references of all texts, the second ones, ..."""
    most = max(map(len, references))
    return [
        [texts[place] if place < len(texts) else None for texts in references]
        for place in range(most)
    ]


def _words(
    references: References, predictions: Sequence[str]
) -> tuple[list[list[list[str]]], list[list[str]]]:
    split = need(
        "sacrebleu.tokenizers.tokenizer_13a", "sacrebleu", "Words are"
    ).Tokenizer13a()

    def words(texts: Iterable[str]) -> list[list[str]]:
        return [split(text).lower().split() for text in texts]

    return [words(texts) for texts in references], words(predictions)


def _sacrebleu() -> Any:
    return need("sacrebleu.metrics", "sacrebleu", "BLEU, chrF and TER are")
