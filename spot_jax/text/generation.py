"""BLEU and ROUGE of generated text; TensorFlow is not needed here.

Both take the reference texts and the generated ones and return figures from 0 to 100.
"""

from collections.abc import Sequence

import numpy as np

from spot_jax.text.libraries import need
from spot_jax.text.metrics import Results, check_lengths


def bleu(targets: Sequence[str], predictions: Sequence[str]) -> Results:
    """BLEU of a corpus (Papineni et al. 2002), one reference for each text.

    As `sacrebleu --tokenize intl` with exponential smoothing, as in the t5 library.
    `["the cat sat on the mat"]`, `["the cat sat on the mat"]` -> `{"bleu": 100.0}`.
    """
    check_lengths(targets, predictions)
    # Of the few runs that translate.
    sacrebleu = need("sacrebleu", "sacrebleu", "BLEU is")
    score = sacrebleu.corpus_bleu(
        list(predictions),
        [list(targets)],
        smooth_method="exp",
        tokenize="intl",
        # Texts that end in " ." are no reason for advice about tokenization.
        force=True,
    )
    # The same text has exp(log(100)), which is 100 and a rounding error.
    return {"bleu": min(100.0, score.score)}


def rouge(targets: Sequence[str], predictions: Sequence[str]) -> Results:
    """The mean F1 of ROUGE-1, ROUGE-2 and the summary-level ROUGE-L (Lin 2004).

    `["the cat sat"]`, `["the cat ran"]` -> `{"rouge1": 66.6..., "rouge2": 50.0,
    "rougeLsum": 66.6...}`. A line is a sentence; ` . ` ends one too. No stemming.
    """
    check_lengths(targets, predictions)
    # It imports nltk, which would delay every start to serve the few runs that write
    # summaries.
    rouge_scorer = need("rouge_score.rouge_scorer", "rouge-score", "ROUGE is")
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeLsum"])
    scores = [
        scorer.score(_break_sentences(target), _break_sentences(guess))
        for target, guess in zip(targets, predictions, strict=True)
    ]
    return {
        name: 100 * float(np.mean([score[name].fmeasure for score in scores]))
        for name in scorer.rouge_types
    }


def _break_sentences(text: str) -> str:
    """Starts a new line after each ` . `, where a sentence of tokenized text ends."""
    return text.replace(" . ", " .\n")
