"""Program: write predictions for a task's split or for your own text.

INFER_OUTPUT is a JSON-lines file, a line an input: input, prediction, score. It appears
when it is complete.
"""

import json
import pathlib
import sys
from collections.abc import Sequence

import numpy as np

from spot_jax import config
from spot_jax.data import eval_tasks
from spot_jax.data.length_check import LengthCheck
from spot_jax.data.loading import labels_of, set_up_tasks
from spot_jax.errors import InputError
from spot_jax.model import sharding, weights
from spot_jax.model_dir import claim
from spot_jax.model_dir.storage import replace_file
from spot_jax.prompts.base import slots_of
from spot_jax.scoring import saved_prompts
from spot_jax.scoring.evaluator import Evaluator
from spot_jax.settings import Data, Evaluation, Model
from spot_jax.t5.decode import EOS_ID


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
    path = pathlib.Path(output).expanduser()
    claim.writable(str(path.parent), "--gin.INFER_OUTPUT")
    vocabulary = set_up_tasks(data, model.config.vocab_size)
    if len(data.names) != 1:
        raise InputError(f"infer answers one task, not {', '.join(data.names)}.")
    if data.tokenized:
        raise InputError("infer reads text or a SeqIO task: unset TOKENIZED_DATA_DIR.")
    if text_file is None:
        task = eval_tasks.load_task(data.names[0], evaluation, data)
    else:
        task = _read_text(text_file, data, vocabulary)
    loaded = weights.load(model)
    paths = [] if prompt_file is None else [prompt_file]
    with sharding.on_mesh(loaded.mesh):
        _, prompts, binding = saved_prompts.read_bank(paths, loaded)
        slots = slots_of(prompts)
        evaluator = Evaluator(loaded, binding, evaluation, data.lengths, slots)
        answers = evaluator.predict(prompts, loaded.params, task, [0])[0]
    lines = [
        {
            "input": example["inputs_pretokenized"].decode("utf-8"),
            "prediction": answer.text,
            "score": answer.score,
        }
        for example, answer in zip(task.examples, answers, strict=True)
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    replace_file(path, text.encode("utf-8"))
    return lines


def _read_text(path: str, data: Data, vocabulary) -> eval_tasks.EvalTask:
    """Makes examples of the lines of a file, which have no targets."""
    try:
        if path == "-":
            whole = sys.stdin.read()
        else:
            whole = pathlib.Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"INFER_INPUT {path} cannot be read ({error}). Give a text file, UTF-8, "
            "one input a line, or '-'."
        ) from error
    # A blank line is an input too: the answers stay in step with the lines.
    texts = whole.splitlines()
    if not any(text.strip() for text in texts):
        raise InputError(f"INFER_INPUT {path} has no line of text.")
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
