"""Program: write predictions for a task's split or for your own text and rows.

INFER_OUTPUT has a line an input and prompt: prompt, input, prediction, score. It is a
table where its name ends in .csv or .tsv, else JSON lines ("-": the standard output).
It appears when it is complete.
"""

import dataclasses
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from spot_jax import config
from spot_jax.config.bound import bound_to
from spot_jax.data import eval_tasks
from spot_jax.data.length_check import LengthCheck
from spot_jax.data.loading import labels_of, task_names
from spot_jax.data.model_vocabulary import with_vocabulary
from spot_jax.data.sentinel import answers_of
from spot_jax.data.set_up import set_up_tasks, vocabulary_story
from spot_jax.errors import InputError
from spot_jax.model import architecture, compiled, sharding, weights
from spot_jax.model_dir import storage
from spot_jax.prompts.base import slots_of
from spot_jax.prompts.files import SavedPrompt
from spot_jax.rows import flags
from spot_jax.rows.files import Row
from spot_jax.scoring import asked, forms, head_answers, predictions, saved_prompts
from spot_jax.scoring.answerer import Answerer, Question
from spot_jax.scoring.forms import Form
from spot_jax.scoring.grading import Prediction
from spot_jax.settings import Data, Evaluation, Model
from spot_jax.t5.decode import EOS_ID, check_search
from spot_jax.text.lengths import FEATURES


class _Asked(NamedTuple):
    """What is asked, before the model is loaded.

    Attributes:
        name: what it is, for messages.
        questions: each input as text, and as what one prompt is asked.
        lengths: that hold all questions, and all answers.
        vocabulary: encodes labels and decodes answers.
    """

    name: str
    questions: list[tuple[str, Question]]
    lengths: Mapping[str, int]
    vocabulary: Any


def infer(
    *,
    output: str,
    model: Model,
    data: Data,
    evaluation: Evaluation,
    prompt_files: str | Sequence[str] | None,
    text_file: str | None = None,
    prompt_column: str | None = None,
) -> list[dict]:
    """Answers every input.

    Args:
        output: INFER_OUTPUT, the file to write; "-" is the standard output.
        model: the frozen model.
        data: one task, or none. With a text_file a task gives the labels where they are
            ranked; prompts that were trained on rows need none, for they tell template,
            labels and lengths. Without one, its split is answered; of a task made of
            rows, the one file that there is, whose answers need not be known.
        evaluation: split and method.
        prompt_files: PROMPT_FILE or PROMPT_FILES, all in one bank; None asks the model
            alone.
        text_file: INFER_INPUT, a text file with one input a line, for the one column of
            a prompt's template, or a file of rows; "-": the standard input.
        prompt_column: PROMPT_COLUMN, in which each row names the one prompt that it
            asks, by its name or file; None: each prompt answers every row.

    Returns:
        The lines written.

    Raises:
        InputError: for anything wrong with the settings or files.
    """
    # Whatever can be wrong is found before the model is loaded, the cheapest first.
    task, rows = _task_and_rows(data)
    source = _source(text_file, rows, evaluation)
    path = predictions.writable(output, source)
    if data.tokenized:
        raise InputError("infer reads text or a SeqIO task: unset TOKENIZED_DATA_DIR.")
    description = architecture.described(model)
    model = architecture.resolved(model, description)
    paths = [prompt_files] if isinstance(prompt_files, str) else prompt_files or []
    saved = saved_prompts.read(paths, model.config)
    evaluation = head_answers.evaluated(saved_prompts.head_of(saved), evaluation)
    if evaluation.method == "decode":
        check_search(evaluation.search, model.config.vocab_size)
    # Rows that are answered need no targets: their file is not read as a task.
    data = dataclasses.replace(data, names=() if task is None else task, rows={})
    data = with_vocabulary(data, description)
    vocabulary = set_up_tasks(data, model.config.vocab_size)
    saved_prompts.check_vocabulary(saved, vocabulary_story(data))
    if source is None:
        found = _of_split(task, len(saved), data, evaluation, prompt_column)
    else:
        of_prompts = _forms(task, saved, rows, data, evaluation)
        if text_file is None:
            items = asked.read_rows(source, of_prompts)
        else:
            items = asked.read(source, of_prompts, prompt_column)
        items = items[: evaluation.examples]
        prompts_of = asked.prompts_of(items, prompt_column, saved)
        pairs = [(i, p) for i, its in zip(items, prompts_of, strict=True) for p in its]
        _check_method({p for _, p in pairs}, of_prompts, evaluation, vocabulary)
        found = _of_text(source, pairs, of_prompts, data.truncate, vocabulary)
        found = found._replace(vocabulary=answers_of(vocabulary, data))
    _check_heads(saved, found.questions, evaluation)

    answers = _answers(model, saved, evaluation, found)
    names = saved_prompts.names_of(saved)
    lines = [
        {
            "prompt": names[question.prompt],
            "input": text,
            "prediction": answer.text,
            "score": answer.score,
        }
        for (text, question), answer in zip(found.questions, answers, strict=True)
    ]
    predictions.write(path, lines)
    return lines


def _task_and_rows(data: Data) -> tuple[str | None, Mapping[str, Any]]:
    """Returns the task that is named, and what is told of rows."""
    named = [name for name in data.names if name not in data.rows]
    if len(named) > 1 or len(data.rows) > 1:
        names = ", ".join(named if len(named) > 1 else data.rows)
        raise InputError(f"infer answers one task, not {names}.")
    return (named or [None])[0], next(iter(data.rows.values()), {})


def _source(
    text_file: str | None, rows: Mapping[str, Any], evaluation: Evaluation
) -> str | None:
    """Returns the file that is answered; None: a task's split is."""
    given = rows.get("files", {})
    if text_file is not None and given:
        raise InputError(
            f"INFER_INPUT is {text_file}, and --rows gives {', '.join(given.values())}"
            ": leave one of the two out."
        )
    if text_file is not None or not given:
        return text_file
    if len(given) > 1 and evaluation.split not in given:
        raise InputError(
            f"--rows gives {', '.join(given)}, of which one is answered: choose it "
            f"with --gin.EVAL_SPLIT={next(iter(given))}."
        )
    return given.get(evaluation.split) or next(iter(given.values()))


def _forms(
    task: str | None,
    saved: Sequence[SavedPrompt],
    rows: Mapping[str, Any],
    data: Data,
    evaluation: Evaluation,
) -> list[Form]:
    """Returns how each prompt is asked; labels that none tells are the task's."""
    labels: Sequence[str] = ()
    if task is not None:
        # Of a name that no task has there would be no word.
        task_names(task, data)
        labels = labels_of(task)
    whose = f"MIXTURE_OR_TASK_NAME={task}" if labels else "CLASS_LABELS"
    labels = labels or evaluation.labels or ()
    if evaluation.method == "rank" and rows.get("labels") is None:
        forms.check_labels(saved, labels, whose)
    return forms.forms_of(saved, rows, data.lengths, labels, task)


def _check_method(
    used: Collection[int],
    of_prompts: Sequence[Form],
    evaluation: Evaluation,
    vocabulary: Any,
) -> None:
    """Refuses to rank where a prompt that is asked has no labels to tell apart."""
    for form in (of_prompts[prompt] for prompt in sorted(used)):
        task = eval_tasks.EvalTask(form.name, None, [], form.labels, vocabulary)
        eval_tasks.check_method(task, evaluation)
        eval_tasks.tell_of_ranking(form.name, form.labels, evaluation)


def _check_heads(
    saved: Sequence[SavedPrompt],
    questions: Sequence[tuple[str, Question]],
    evaluation: Evaluation,
) -> None:
    """Refuses to rank labels that are no classes of a prompt's head."""
    if evaluation.method != "rank" or not saved:
        return
    for prompt, labels in {(q.prompt, q.labels) for _, q in questions}:
        head = saved[prompt].bundle.head
        if head is not None and labels:
            head_answers.columns(head, 0, labels)


def _of_split(
    task: str | None,
    prompts: int,
    data: Data,
    evaluation: Evaluation,
    column: str | None,
) -> _Asked:
    """Asks every prompt, or the model alone, all examples of a task's split."""
    if task is None:
        raise InputError(
            "There is nothing to answer. Give a file, --gin.INFER_INPUT=texts.txt ('-' "
            "is the standard input), or a task: --gin.MIXTURE_OR_TASK_NAME=sst2."
        )
    if column is not None:
        raise InputError(
            f"PROMPT_COLUMN is {column!r}, and the split of {task} has no columns. "
            "Give rows, --gin.INFER_INPUT=my.csv, or leave it out."
        )
    split = eval_tasks.load_task(task, evaluation, data, is_scored=False)
    questions = [
        (
            eval_tasks.input_text(split, example),
            Question(example["inputs"], prompt, split.labels, example),
        )
        for example in split.examples
        for prompt in range(prompts or 1)
    ]
    return _Asked(task, questions, data.lengths, split.vocabulary)


def _of_text(
    source: str,
    pairs: Sequence[tuple[str | Row, int]],
    of_prompts: Sequence[Form],
    truncate: bool,
    vocabulary: Any,
) -> _Asked:
    """Asks each line or row in the form of its prompt.

    Raises:
        InputError: when a text is longer than its prompt's inputs, and may not be cut.
    """
    checks = [
        LengthCheck(f"{source} ({form.name})", form.lengths, truncate)
        for form in of_prompts
    ]
    questions = []
    for item, prompt in pairs:
        form, check = of_prompts[prompt], checks[prompt]
        text = form.text_of(item)
        tokens = np.asarray([*vocabulary.encode(text), EOS_ID], np.int32)
        known = {"inputs_pretokenized": text}
        question = Question(check("inputs", tokens), prompt, form.labels, known)
        check.seen += 1
        questions.append((text, question))
    for check in checks:
        check.report()
    lengths = {f: max(form.lengths[f] for form in of_prompts) for f in FEATURES}
    return _Asked(source, questions, lengths, vocabulary)


def _answers(
    model: Model, saved: Sequence[SavedPrompt], evaluation: Evaluation, found: _Asked
) -> list[Prediction]:
    """Loads the model, and answers each question in order."""
    loaded = weights.load(model)
    with sharding.on_mesh(loaded.mesh):
        prompts, binding = saved_prompts.bank_of(saved, loaded)
        slots = slots_of(prompts)
        answerer = Answerer(loaded, binding, evaluation, found.lengths, slots)
        questions = [question for _, question in found.questions]
        return answerer.answer(
            *(prompts, loaded.params, questions, found.vocabulary, found.name)
        )


def main(argv: Sequence[str]) -> None:
    """Runs `spot_jax infer`."""
    config.parse_flags("infer", argv, flags)
    compiled.keep(**bound_to(compiled.keep))
    lines = config.configured(infer)()
    # The standard output may be what was asked for.
    plural = "" if len(lines) == 1 else "s"
    if storage.is_writer():
        print(f"{len(lines)} prediction{plural} written.", file=sys.stderr)
