"""What a prompt is evaluated on: a task's examples and right answers."""

import dataclasses
import logging
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from spot_jax import reading
from spot_jax.data import loading, own_rows, sentinel, set_up
from spot_jax.data.ids import warn_of_unknown
from spot_jax.data.length_check import LengthCheck
from spot_jax.data.tokenized_runs import open_tokenized, vocabulary_of
from spot_jax.errors import InputError
from spot_jax.prompts.labels import pieces_of_labels
from spot_jax.settings import Data, Evaluation
from spot_jax.text.lengths import FEATURES
from spot_jax.text.postprocessors import HIDDEN, INVALID

logger = logging.getLogger(__name__)

_EOS_ID = 1


@dataclasses.dataclass(frozen=True)
class EvalTask:
    """A task's examples, ready to be predicted and scored.

    Attributes:
        name: of the task.
        task: SeqIO's, for its metrics; None where there is only text to answer.
        examples: as SeqIO gives them, with inputs and targets int32 [length].
        labels: the class labels that are ranked, as text; () where answers are free.
        vocabulary: of the answers, SeqIO's or SentencePiece's own.
        translation: labels of another task, and which of this task's they mean.
    """

    name: str
    task: Any
    examples: list[dict]
    labels: tuple[str, ...]
    vocabulary: Any
    translation: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def has_metrics(self) -> bool:
        """Whether there is a metric; else the loss is what there is."""
        return self.task is not None and bool(self.task.metric_fns)

    @property
    def needs_answers(self) -> bool:
        """Whether metrics compare what a prompt answers."""
        return self.has_metrics and bool(
            self.task.predict_metric_fns or self.task.predict_with_aux_metric_fns
        )

    @property
    def score_metrics(self) -> Sequence[Callable]:
        """The metrics of the log-probabilities that a prompt gives to the targets."""
        return self.task.score_metric_fns if self.has_metrics else ()


def input_text(task: EvalTask, example: Mapping[str, Any]) -> str:
    """Returns an input as text; a task need not keep the text that it tokenized."""
    text = example.get("inputs_pretokenized")
    if isinstance(text, bytes):
        # It is shown and never compared: what is no UTF-8 is shown as such.
        return text.decode("utf-8", "replace")
    features = task.task.output_features if task.task else {}
    feature = features.get("inputs")
    vocabulary = feature.vocabulary if feature else task.vocabulary
    return vocabulary.decode([int(token) for token in example["inputs"]])


def target_text(task: EvalTask, example: Mapping[str, Any]) -> str:
    """Returns the right answer as text.

    Raises:
        InputError: when it is not UTF-8.
    """
    # Decoded tokens may be another text: of unknown pieces, or cut to their limit.
    text = example.get("targets_pretokenized")
    if isinstance(text, bytes):
        return reading.decode(text, f"A target of {task.name}", "Write its rows again.")
    return task.vocabulary.decode([int(token) for token in example["targets"]])


def right_answer(task: EvalTask, example: Mapping[str, Any]) -> Any:
    """Returns the right answer as the task's metrics compare it."""
    text = target_text(task, example)
    return task.task.postprocess_fn(text, example=example, is_target=True)


def load_task(
    name: str, evaluation: Evaluation, data: Data, *, is_scored: bool = True
) -> EvalTask:
    """Reads the split a task is evaluated on.

    Args:
        name: of the task, or of a folder of tokenized data.
        evaluation: which split of it, and how it is answered.
        data: lengths, and where tokenized data is.
        is_scored: whether the answers will be; what is only answered has no targets.

    Raises:
        InputError: when it is missing, empty, or too long for the lengths, its targets
            are hidden, or it cannot be answered or scored in this way.
    """
    if data.tokenized:
        found = _tokenized(name, evaluation, data)
        check_targets(found, evaluation.split)
        return found
    if set_up.is_lean(data):
        found = _own(name, evaluation, data)
        if found.needs_answers or not is_scored:
            check_method(found, evaluation)
        if is_scored:
            check_targets(found, evaluation.split)
        return found
    # TensorFlow comes in here, which runs on tokenized data do without.
    from spot_jax.text.checks import check_data
    from spot_jax.text.opening import open_provider

    split = evaluation.split
    task = open_provider(name, ())
    if split not in task.splits:
        raise InputError(
            f"{name} has no split {split!r}; it has "
            f"{', '.join(sorted(task.splits))}. Set --gin.EVAL_SPLIT."
        )
    check_data(name, (split,))
    check_metrics(task)
    vocabulary = task.output_features["targets"].vocabulary
    vocabulary = sentinel.answers_of(vocabulary, data)
    labels = loading.labels_of(name) or evaluation.labels or ()
    found = EvalTask(name, task, [], labels, vocabulary)
    if found.needs_answers or not is_scored:
        check_method(found, evaluation)
    examples = _examples(task, evaluation, data, with_targets=is_scored)
    found = dataclasses.replace(found, examples=examples)
    if is_scored:
        check_targets(found, split)
    return found


def _tokenized(name: str, evaluation: Evaluation, data: Data) -> EvalTask:
    pairs = open_tokenized(name, evaluation.split, data)
    count = min(len(pairs), evaluation.examples or len(pairs))
    examples = [
        dict(zip(FEATURES, pairs[place], strict=True)) for place in range(count)
    ]
    vocabulary = sentinel.answers_of(vocabulary_of(data)[0], data)
    return EvalTask(name, None, examples, (), vocabulary)


def tell_of_ranking(name: str, labels: Sequence[str], evaluation: Evaluation) -> None:
    """Says where labels could be compared alone, which a prompt learns sooner."""
    if labels and evaluation.method == "decode":
        logger.info(
            "%s: answers are written, and may be none of its labels; "
            "--gin.EVALUATION=rank compares these alone.",
            name,
        )


def _own(name: str, evaluation: Evaluation, data: Data) -> EvalTask:
    """Reads a task made of rows."""
    task = own_rows.task_of(name, data)
    vocabulary = vocabulary_of(data)[0]
    examples = own_rows.examples_of(task, evaluation.split, data, vocabulary)
    taken = examples[: evaluation.examples]
    labels = task.labels or evaluation.labels or ()
    tell_of_ranking(name, labels, evaluation)
    answers = sentinel.answers_of(vocabulary, data)
    return EvalTask(name, task, taken, labels, answers)


def _examples(
    task: Any, evaluation: Evaluation, data: Data, *, with_targets: bool
) -> list[dict]:
    """Reads examples; without targets these are empty, and may be longer than allowed.

    A hidden one has more tokens than a label.
    """
    name = f"{task.name} ({evaluation.split})"
    vocabulary = task.output_features["targets"].vocabulary
    lengths = loading.sequence_lengths(task, data)
    dataset = task.get_dataset(lengths, evaluation.split, shuffle=False, num_epochs=1)
    dataset = sentinel.begin_each(dataset, vocabulary, data)
    if evaluation.examples is not None:
        dataset = dataset.take(evaluation.examples)
    check = LengthCheck(name, data.lengths, data.truncate, vocabulary.vocab_size)
    none = {} if with_targets else {"targets": np.zeros(0, np.int32)}
    read = loading.undamaged(task.name, evaluation.split, dataset.as_numpy_iterator())
    examples = [check.fit(example | none) for example in read]
    if not examples:
        raise InputError(f"{task.name}: the split {evaluation.split!r} is empty.")
    check.report()
    targets = np.concatenate([example["targets"] for example in examples])
    unknown = np.count_nonzero(targets == vocabulary.unk_id)
    warn_of_unknown(name, int(unknown), len(targets))
    return examples


def check_method(task: EvalTask, evaluation: Evaluation) -> None:
    """Refuses to rank the labels of a task that has none, or none to tell apart.

    Raises:
        InputError: naming the cure.
    """
    if evaluation.method != "rank":
        return
    cure = "Evaluate it with --gin.EVALUATION=decode."
    if not task.labels:
        raise InputError(
            f"{task.name} has no set of labels to rank. Name them, "
            "--gin.CLASS_LABELS=\"['bad', 'good']\", or decode: "
            "--gin.EVALUATION=decode."
        )
    encode = task.vocabulary.encode
    unknown = task.vocabulary.unk_id
    # An attribute of SeqIO's vocabularies, a method of SentencePiece's.
    unknown = unknown() if callable(unknown) else unknown
    pieces_of_labels(task.labels, encode, cure, unknown)


def check_metrics(task: Any) -> None:
    """Refuses metrics that are not computed here, rather than to leave them out.

    Args:
        task: SeqIO's.

    Raises:
        InputError: naming them.
    """
    kinds = (
        "functions of (targets, predictions), (targets, scores) or (targets, "
        "predictions, aux_values)"
    )
    try:
        functions = task.metric_fns
    except ValueError as error:
        message = f"{task.name}: a metric is none of the {kinds}: {error}"
        raise InputError(message) from error
    # Behind its own, SeqIO lists one that it made of each function.
    objects = task.metric_objs[: len(task.metric_objs) - len(functions)]
    if objects:
        named = ", ".join(getattr(o, "__name__", type(o).__name__) for o in objects)
        raise InputError(
            f"{task.name} has metric_objs ({named}), which are not computed here. "
            f"Give the seqio.Task metric_fns, which are {kinds}."
        )


def check_targets(task: EvalTask, split: str) -> None:
    """Refuses to score a split whose targets are hidden, or some of them.

    Nothing can be compared with a hidden target, and a metric would not say so: it is
    what an answer is that is no answer.

    Raises:
        InputError: saying which targets are hidden.
    """
    hidden_ids = [*task.vocabulary.encode(HIDDEN), _EOS_ID]
    texts = [target_text(task, example) for example in task.examples]
    hidden = [
        place
        for place, (text, example) in enumerate(zip(texts, task.examples, strict=True))
        if text == HIDDEN
        or np.array_equal(example["targets"], hidden_ids)
        or (task.needs_answers and _is_invalid(task, text, example))
    ]
    # One may be right to be empty. All are hidden, where nothing tells of questions
    # without an answer.
    is_told = "answers" in task.examples[0]
    nothing = (*range(_EOS_ID + 1), getattr(task.vocabulary, "sentinel", _EOS_ID))
    if not is_told and all(np.isin(e["targets"], nothing).all() for e in task.examples):
        hidden = list(range(len(texts)))
    if hidden:
        raise InputError(
            f"The labels of {task.name}'s split {split!r} are hidden: {len(hidden):,} "
            f"of {len(texts):,} targets are nothing that an answer could be compared "
            f"with (the first is {texts[hidden[0]]!r}, of example {hidden[0] + 1}). It "
            "cannot be scored; spot_jax infer writes predictions for it. Choose a "
            "split with labels (--gin.EVAL_SPLIT=validation), or take those examples "
            "out."
        )


def _is_invalid(task: EvalTask, text: str, example: Mapping[str, Any]) -> bool:
    """Returns whether a target counts as what no answer counts as."""
    if not _is_mark(task.task.postprocess_fn(text, example=example, is_target=True)):
        return False
    # Where numbers are answers -1 may be one, if it does not stand for none as well.
    try:
        none = task.task.postprocess_fn("", example=example, is_target=False)
    except Exception:
        # A task's own: int(text), say, has no value for none.
        return False
    return _is_mark(none)


def _is_mark(value: Any) -> bool:
    value = value.get("value") if isinstance(value, Mapping) else value
    return isinstance(value, numbers.Real) and value == INVALID
