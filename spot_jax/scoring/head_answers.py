"""What heads say, as text: a class, the entities of a sentence, a part of the input.

Answers are texts as the language model would write them, so that a task's own metrics,
votes and files know no difference.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from spot_jax.data import head_targets
from spot_jax.data.eval_tasks import EvalTask
from spot_jax.data.head_targets import Marked
from spot_jax.errors import InputError
from spot_jax.prompts import heads
from spot_jax.prompts.heads import Head
from spot_jax.settings import Evaluation
from spot_jax.text import spans, tagging

# From log-probabilities [length, classes] of the positions of an input, or of the one
# position of a class, to the answer and its score.
Reading = Callable[[np.ndarray], tuple[str, float]]


def evaluated(kind: str | None, evaluation: Evaluation) -> Evaluation:
    """Returns how a task is evaluated: a head beside the input ranks no labels."""
    if kind not in heads.BESIDE:
        return evaluation
    return dataclasses.replace(evaluation, method="decode")


def check_task(kind: str | None, task: EvalTask) -> None:
    """Refuses to score a head by metrics of what it does not say.

    Args:
        kind: of the head; None: the language model answers.
        task: with its examples.

    Raises:
        InputError: naming them.
    """
    if kind is None:
        return
    if task.score_metrics:
        raise InputError(
            f"{task.name} has metrics of the scores of its targets' texts, which a "
            f"{kind} head does not give. Leave HEAD out, or evaluate another task."
        )
    if task.has_metrics:
        head_targets.check_task(kind, task.name, task.examples[0])
    elif kind in heads.BESIDE:
        raise InputError(
            f"{task.name} has no metrics, by which the answers of a {kind} head could "
            "be scored. Give its seqio.Task metric_fns, or leave HEAD out."
        )


def check_classes(head: Head | None, path: str, task: EvalTask) -> None:
    """Refuses a head whose classes are none of a task's.

    Args:
        head: of one prompt.
        path: of its file.
        task: with its examples.

    Raises:
        InputError: naming both.
    """
    if head is None:
        return
    check_task(head.kind, task)
    if not task.has_metrics:
        # Its loss is measured, and an unknown class is found then.
        return
    own = head_targets.classes_of(head.kind, task.labels, task.name)
    if set(own) != set(head.names[0]):
        raise InputError(
            f"{path} has {heads.told(head)}, and the classes of {task.name} are "
            f"{', '.join(own[:6])}: its answers would be of another task. Train a "
            "prompt for this task that begins at it: gin/prompts/from_file.gin, with "
            "HEAD."
        )


def columns(head: Head, prompt: int, labels: Sequence[str]) -> list[int]:
    """Returns which classes of a head labels are.

    Raises:
        InputError: when one is none of them.
    """
    names = head.names[prompt]
    if head.kind != "cls" or not set(labels) <= set(names):
        raise InputError(
            f"A prompt has {heads.told(head.replace(names=(names,)))}, and it is asked "
            f"about {', '.join(map(repr, labels))}. Leave labels out, or ask a prompt "
            "without a head."
        )
    return [names.index(label) for label in labels]


def asked(
    head: Head,
    prompt: int,
    inputs: np.ndarray,
    example: Mapping[str, Any],
    vocabulary: Any,
    answer_limit: int,
    labels: Sequence[str] = (),
) -> tuple[np.ndarray, Reading]:
    """Returns the pieces that a prompt with a head is asked, and how it is understood.

    Args:
        head: of the bank.
        prompt: number of the prompt.
        inputs: [length] int32, EOS included.
        example: what is known of the input: its text, where the head stands beside it,
            and the words of a sentence.
        vocabulary: SeqIO's or SentencePiece's.
        answer_limit: how many pieces an answer in the input may have.
        labels: that are chosen among; () where all of its classes are.

    Raises:
        InputError: when a label is none of its classes.
    """
    own = columns(head, prompt, labels) if labels else None
    if head.kind == "cls":
        names = head.names[prompt]
        return inputs, lambda scores: _class(scores[0], names, own)
    found = head_targets.marked(head.kind, example, vocabulary, len(inputs))
    if head.kind == "token":
        names = head.names[prompt]
        return found.inputs, lambda scores: _entities(scores, found, names)
    return found.inputs, lambda scores: _part(scores, found, answer_limit)


def _class(
    scores: np.ndarray, names: Sequence[str], among: Sequence[int] | None
) -> tuple[str, float]:
    among = range(len(names)) if among is None else among
    best = max(among, key=lambda number: scores[number])
    return names[best], float(scores[best])


def _entities(
    scores: np.ndarray, found: Marked, names: Sequence[str]
) -> tuple[str, float]:
    likeliest = scores[:, : len(names)].argmax(axis=1)
    count = found.skipped + len(found.words)
    tags = tagging.tags_at(likeliest, found.first, count, names)[found.skipped :]
    text = tagging.write_entities(found.words, tagging.entities_of(tags))
    own = found.first[found.skipped :]
    return text, float(scores[own].max(axis=1).sum())


def _part(scores: np.ndarray, found: Marked, limit: int) -> tuple[str, float]:
    # Nothing begins or ends at EOS, or behind the input.
    count = len(found.places)
    if not count:
        return "", 0.0
    first, last = scores[:count, 0], scores[:count, 1]
    pairs = first[:, None] + last[None]
    ahead = np.arange(count)[None] - np.arange(count)[:, None]
    pairs = np.where((ahead >= 0) & (ahead < limit), pairs, -np.inf)
    start, end = np.unravel_index(int(pairs.argmax()), pairs.shape)
    text = spans.text_at(found.text, found.places, int(start), int(end))
    return text, float(pairs[start, end])
