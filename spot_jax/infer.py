"""Program: write predictions for a task's split or for your own text.

INFER_OUTPUT is a JSON-lines file, a line an input: input, prediction, score. It appears
when it is complete.
"""

import os
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from spot_jax import config, reading
from spot_jax.data import eval_tasks
from spot_jax.data.length_check import LengthCheck
from spot_jax.data.loading import labels_of, set_up_tasks, vocabulary_story
from spot_jax.errors import InputError
from spot_jax.model import sharding, weights
from spot_jax.model_dir import claim
from spot_jax.model_dir.storage import replace_file
from spot_jax.prompts.base import slots_of
from spot_jax.reading import as_json, path_of
from spot_jax.scoring import saved_prompts
from spot_jax.scoring.evaluator import Evaluator
from spot_jax.settings import Data, Evaluation, Model
from spot_jax.t5.decode import EOS_ID, check_search


def infer(
    *,
    output: str,
    model: Model,
    data: Data,
    evaluation: Evaluation,
    prompt_file: str | None,
    text_file: str | None = None,
) -> list[dict]:
    """Answers every input.

    Args:
        output: INFER_OUTPUT, the file to write.
        model: the frozen model.
        data: one task whose split is answered, unless there is a text_file; with one,
            the task gives the labels where they are ranked.
        evaluation: split and method.
        prompt_file: the prompt; None asks the model alone.
        text_file: INFER_INPUT, a text file with one input a line ("-": standard input),
            in the form the prompt was trained on.

    Returns:
        The lines written.

    Raises:
        InputError: for anything wrong with the settings or files.
    """
    # Whatever can be wrong is found before the model is loaded, the cheapest first.
    path = _writable(output, text_file)
    if len(data.names) != 1:
        raise InputError(f"infer answers one task, not {', '.join(data.names)}.")
    if data.tokenized:
        raise InputError("infer reads text or a SeqIO task: unset TOKENIZED_DATA_DIR.")
    paths = [] if prompt_file is None else [prompt_file]
    saved = saved_prompts.read(paths, model.config)
    if evaluation.method == "decode":
        check_search(evaluation.search, model.config.vocab_size)
    texts = None if text_file is None else _read_lines(text_file)
    vocabulary = set_up_tasks(data, model.config.vocab_size)
    saved_prompts.check_vocabulary(saved, vocabulary_story(data))
    if texts is None:
        name = data.names[0]
        task = eval_tasks.load_task(name, evaluation, data, is_scored=False)
    else:
        task = _task_of(texts, text_file, data, vocabulary)
        eval_tasks.check_method(task, evaluation)

    loaded = weights.load(model)
    with sharding.on_mesh(loaded.mesh):
        prompts, binding = saved_prompts.bank_of(saved, loaded)
        slots = slots_of(prompts)
        evaluator = Evaluator(loaded, binding, evaluation, data.lengths, slots)
        answers = evaluator.predict(prompts, loaded.params, task, [0])[0]
    lines = [
        {
            "input": eval_tasks.input_text(task, example),
            "prediction": answer.text,
            "score": answer.score,
        }
        for example, answer in zip(task.examples, answers, strict=True)
    ]
    text = "".join(as_json(line, indent=None) + "\n" for line in lines)
    replace_file(path, text.encode("utf-8"))
    return lines


def _writable(output: str, text_file: str | None) -> pathlib.Path:
    """Returns the path of INFER_OUTPUT, when a file can be written there."""
    # Not pathlib's parent: a url keeps its slashes.
    claim.writable(os.path.dirname(output) or ".", "--gin.INFER_OUTPUT")
    path = path_of(output)
    if path.is_dir():
        raise InputError(
            f"INFER_OUTPUT {output} is a folder. Give the file to write: "
            "--gin.INFER_OUTPUT=predictions.jsonl."
        )
    if text_file not in (None, "-") and path.exists():
        there = path_of(text_file)
        if there.exists() and there.samefile(path):
            raise InputError(
                f"INFER_OUTPUT {output} is INFER_INPUT, whose lines would be lost. "
                "Give another file to write."
            )
    return path


def _read_lines(path: str) -> list[str]:
    """Returns the lines of INFER_INPUT, each an input."""
    cure = "Give INFER_INPUT a text file, UTF-8, one input a line, or '-'."
    if path == "-":
        text = reading.decode(sys.stdin.buffer.read(), "The standard input", cure)
    else:
        text = reading.read_text(path_of(path), cure)
    # A blank line is an input too: the answers stay in step with the lines.
    lines = reading.lines_of(text)
    if not any(line.strip() for line in lines):
        raise InputError(f"INFER_INPUT {path} has no line of text.")
    return lines


def _task_of(
    texts: Sequence[str], path: str, data: Data, vocabulary: Any
) -> eval_tasks.EvalTask:
    """Makes examples of texts, which have no targets."""
    check = LengthCheck(path, data.lengths, data.truncate, seen=len(texts))
    examples = [
        {
            "inputs_pretokenized": text.encode("utf-8"),
            "inputs": check(
                "inputs", np.asarray([*vocabulary.encode(text), EOS_ID], np.int32)
            ),
        }
        for text in texts
    ]
    check.report()
    return eval_tasks.EvalTask(
        path, None, examples, labels_of(data.names[0]), vocabulary
    )


def main(argv: Sequence[str]) -> None:
    """Runs `spot_jax infer`."""
    config.parse_flags("infer", argv)
    lines = config.configured(infer)()
    print(f"{len(lines)} predictions written.")
