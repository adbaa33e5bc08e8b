"""Program: score saved prompts, or a model alone, on whole splits.

Writes into EVAL_OUTPUT_DIR

    metrics.json             {prompt: {task: {metric: value}}}
    prompts.json             {prompt: its file}
    PROMPT.TASK.jsonl        a line an example: input, target, output, prediction
"""

import json
from collections.abc import Sequence

from spot_jax import config, frozen, run_dir, saved, scoring
from spot_jax import data as examples
from spot_jax.evaluation import Evaluator
from spot_jax.prompts.files import replace_file
from spot_jax.settings import Data, Evaluation, Model


def evaluate(
    *,
    output_dir: str,
    model: Model,
    data: Data,
    evaluation: Evaluation,
    prompt_files: str | Sequence[str] = (),
) -> dict[str, dict[str, dict[str, float]]]:
    """Scores every prompt on every task.

    Args:
        output_dir: EVAL_OUTPUT_DIR.
        model: the frozen model.
        data: the tasks; a mixture stands for its members.
        evaluation: split and method.
        prompt_files: PROMPT_FILES, one or several; none evaluates the model alone.

    Returns:
        {prompt: {task: {metric: value}}}.

    Raises:
        ValueError: for anything wrong with the settings or files.
    """
    folder = run_dir.writable(output_dir, "EVAL_OUTPUT_DIR")
    paths = [prompt_files] if isinstance(prompt_files, str) else list(prompt_files)
    examples.set_up_tasks(data)
    tasks = _load_tasks(data, evaluation)
    loaded = frozen.load(model)
    names, prompts, split, length = saved.read_bank(paths, loaded)
    evaluator = Evaluator(loaded, split, evaluation, data.lengths, length)
    results, predictions = evaluator.evaluate(
        prompts, loaded.params, {index: tasks for index in range(len(names))}
    )
    by_name = {task.name: task for task in tasks}
    for (index, task), answers in predictions.items():
        lines = _lines(by_name[task], answers)
        path = folder / f"{names[index]}.{task}.jsonl"
        replace_file(path, "".join(lines).encode("utf-8"))
    table = {name: results[index] for index, name in enumerate(names)}
    files = dict(zip(names, paths, strict=False))
    replace_file(folder / "prompts.json", json.dumps(files, indent=1).encode("utf-8"))
    replace_file(folder / "metrics.json", json.dumps(table, indent=1).encode("utf-8"))
    return table


def _load_tasks(data: Data, how: Evaluation) -> list[scoring.EvalTask]:
    names = {
        task: None for name in data.names for task in examples.task_names(name, data)
    }
    return [scoring.load_task(name, how, data) for name in names]


def _lines(task: scoring.EvalTask, answers: Sequence) -> list[str]:
    lines = []
    for example, answer in zip(task.examples, answers, strict=True):
        processed = task.task.postprocess_fn(
            answer.text, example=example, is_target=False
        )
        line = {
            "input": example["inputs_pretokenized"].decode("utf-8"),
            "target": scoring.target_text(task, example),
            "output": answer.text,
            "prediction": processed,
            "score": answer.score,
        }
        lines.append(json.dumps(line, default=str, ensure_ascii=False) + "\n")
    return lines


def main(argv: Sequence[str]) -> None:
    """Runs `spot_jax evaluate`."""
    config.parse_flags("evaluate", argv)
    table = config.configured(evaluate)()
    print(json.dumps(table, indent=1))
