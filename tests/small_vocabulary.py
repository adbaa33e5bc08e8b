"""A small SentencePiece vocabulary, for tests that need no published file."""

import io
import pathlib

import sentencepiece

_LINES = (
    "sst2 sentence: a good film , and a bad one .",
    "positive negative entailment not_entailment True False acceptable",
    "mnli hypothesis: it rains premise: water falls from the sky",
    "question: who wrote it? context: Ann wrote the book in 1999.",
)


def write_vocabulary(folder: pathlib.Path) -> str:
    """Writes a vocabulary of some 320 pieces, which can spell any text."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_LINES * 20),
        model_writer=model,
        vocab_size=320,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        byte_fallback=True,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    path = folder / "spiece.model"
    path.write_bytes(model.getvalue())
    return str(path)
