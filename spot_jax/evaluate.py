"""Program: score saved prompts, or a model alone, on whole splits; look into prompts.

Writes into EVAL_OUTPUT_DIR

    metrics.json             {prompt: {task: {metric: value}}}
    scores.csv               prompts x tasks, the mean of a task's metrics
    prompts.json             {prompt: its file}
    PROMPT.TASK.jsonl        a line an example: input, target, output, prediction,
                             where a metric compares answers

and, where the gin file asks for it (also printed, like scores.csv, on stderr),

    ensemble.json            gin/runs/ensemble.gin: the prompts vote; {task: {"average",
                             "best", "ensemble": {metric: value}, "best_prompt"}}
    ensemble/TASK.jsonl      the ensemble's answers, in lines as above
    domain_shift.csv         gin/runs/domain_shift.gin: scores away from home
    nearest_pieces.json      gin/runs/nearest_pieces.gin, which scores nothing: {prompt:
                             for each vector [{"piece", "cosine"}]}
"""

import pathlib
import sys
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from spot_jax import config, tables
from spot_jax.config.bound import bound_to
from spot_jax.data import eval_tasks, loading, own_rows, set_up
from spot_jax.data.eval_tasks import EvalTask
from spot_jax.data.model_vocabulary import chosen, with_vocabulary
from spot_jax.data.prompt_design import with_demonstrations
from spot_jax.errors import InputError
from spot_jax.model import architecture, compiled, sharding, weights
from spot_jax.model_dir import claim, storage
from spot_jax.model_dir.score import measured
from spot_jax.model_dir.storage import replace_file
from spot_jax.prompts.base import slots_of
from spot_jax.prompts.files import SavedPrompt
from spot_jax.reading import as_json
from spot_jax.rows import flags
from spot_jax.scoring import domain_shift as shifts
from spot_jax.scoring import ensemble as ensembles
from spot_jax.scoring import grading, head_answers, saved_prompts
from spot_jax.scoring import nearest_pieces as nearby
from spot_jax.scoring.evaluator import Evaluator
from spot_jax.settings import Data, Evaluation, Model
from spot_jax.t5.decode import check_search

# {prompt: {task: {metric: value}}}
Results = dict[str, dict[str, dict[str, float]]]


def evaluate(
    *,
    output_dir: str,
    model: Model,
    data: Data | None,
    evaluation: Evaluation,
    prompt_files: str | Sequence[str],
    ensemble: bool = False,
    domain_shift: shifts.DomainShift | None = None,
    nearest: nearby.Nearest | None = None,
) -> Results:
    """Scores every prompt on every task.

    Args:
        output_dir: EVAL_OUTPUT_DIR.
        model: the frozen model.
        data: the tasks; a mixture stands for its members. None scores nothing.
        evaluation: split and method.
        prompt_files: PROMPT_FILES, one or several; none evaluates the model alone.
        ensemble: whether the prompts also answer together, by majority vote.
        domain_shift: which tasks the prompts come from, for the difference to them.
        nearest: how many pieces of the vocabulary to find for each vector.

    Returns:
        {prompt: {task: {metric: value}}}.

    Raises:
        InputError: for anything wrong with the settings or files.
    """
    # Whatever can be wrong is found before the model is loaded, the cheapest first.
    if data:
        data.check_named()
    folder = claim.writable(output_dir, "--gin.EVAL_OUTPUT_DIR")
    paths = [prompt_files] if isinstance(prompt_files, str) else list(prompt_files)
    _check_prompts(paths, ensemble, bool(domain_shift or nearest))
    description = architecture.described(model)
    model = architecture.resolved(model, description)
    saved = saved_prompts.read(paths, model.config)
    evaluation = head_answers.evaluated(saved_prompts.head_of(saved), evaluation)
    names = saved_prompts.names_of(saved)
    if evaluation.method == "decode":
        check_search(evaluation.search, model.config.vocab_size)
    if domain_shift:
        homes = shifts.homes_of(saved, domain_shift)
    if nearest:
        vectors = saved_prompts.vectors_of(saved)
        pieces = nearby.read_pieces(chosen(nearest.vocabulary, None, description)[0])
        nearby.check_pieces(list(pieces), nearest.count, model.config.vocab_size)
    tasks = []
    if data:
        data = with_vocabulary(data, description)
        data = _set_up(data, saved, model.config.vocab_size)
        tasks = _load_tasks(data, evaluation)
    if ensemble or domain_shift:
        _check_tasks(tasks)
    tasks_of = dict.fromkeys(range(len(names)), tasks)
    if domain_shift:
        tasks_of = shifts.seen_from(homes, tasks, domain_shift.label_maps)
    for number, prompt in enumerate(saved):
        for task in tasks_of[number]:
            head_answers.check_classes(prompt.bundle.head, prompt.path, task)

    loaded = weights.load(model)
    prompts, binding = saved_prompts.bank_of(saved, loaded)
    replace_file(folder / "prompts.json", _json(dict(zip(names, paths, strict=False))))
    if nearest:
        _write_nearest(folder, vectors, loaded, pieces, nearest)
    if not data:
        return {}

    with sharding.on_mesh(loaded.mesh):
        slots = slots_of(prompts)
        evaluator = Evaluator(loaded, binding, evaluation, data.lengths, slots)
        results, predictions = evaluator.evaluate(prompts, loaded.params, tasks_of)
    table = {name: results[index] for index, name in enumerate(names)}
    # What was computed is kept, whatever becomes of the rest.
    _write_scores(folder, table)
    _write_predictions(folder, tasks, names, predictions)
    if ensemble:
        _write_ensemble(folder, tasks, table, predictions)
    if domain_shift:
        _write_table(folder / "domain_shift.csv", shifts.rows(table, homes))
    return table


def _check_prompts(paths: Sequence[str], ensemble: bool, needs_prompts: bool) -> None:
    if ensemble and len(paths) < 2:
        raise InputError(
            f"An ensemble votes with at least two prompts, PROMPT_FILES names "
            f"{len(paths)}. Give several, e.g. of one task with different seeds."
        )
    if needs_prompts and not paths:
        raise InputError(
            "PROMPT_FILES is empty, and this evaluation looks at prompts. Name one or "
            "several: --gin.PROMPT_FILES=\"['a/best.safetensors']\"."
        )


def _check_tasks(tasks: Sequence[EvalTask]) -> None:
    # The scores of targets are no votes, and nothing translates them.
    without = [t.name for t in tasks if t.score_metrics or not t.needs_answers]
    if without or not tasks:
        raise InputError(
            "An ensemble's votes and a domain shift are counted in answers that a "
            f"metric scores; {', '.join(without) or 'no task'} has none, or metrics of "
            "the scores of its targets. Name tasks that have metrics of answers alone "
            "(spot_jax inspect_tasks lists them)."
        )


def _set_up(data: Data, saved: Sequence[SavedPrompt], rows: int) -> Data:
    """Makes tasks ready to be read; what prompts tell of rows and lengths counts."""
    data = own_rows.with_recipes(data, [prompt.story for prompt in saved])
    vocabulary = set_up.set_up_tasks(data, rows)
    saved_prompts.check_vocabulary(saved, set_up.vocabulary_story(data))
    return own_rows.with_lengths(data, vocabulary)


def _load_tasks(data: Data, evaluation: Evaluation) -> list[EvalTask]:
    names = {
        task: None for name in data.names for task in loading.task_names(name, data)
    }
    tasks = [eval_tasks.load_task(name, evaluation, data) for name in names]
    return [with_demonstrations(task, evaluation, data) for task in tasks]


def _write_predictions(
    folder: pathlib.Path,
    tasks: Sequence[EvalTask],
    names: Sequence[str],
    predictions: Mapping[tuple[int, str], list[grading.Prediction]],
) -> None:
    by_name = {task.name: task for task in tasks}
    for (index, task), answers in predictions.items():
        path = folder / f"{names[index]}.{task}.jsonl"
        replace_file(path, _lines(by_name[task], answers))


def _write_nearest(
    folder: pathlib.Path,
    vectors: Mapping[str, np.ndarray],
    loaded: weights.LoadedModel,
    pieces: Mapping[int, str],
    nearest: nearby.Nearest,
) -> None:
    embedding = loaded.embedding()
    found = nearby.nearest_pieces(vectors, embedding, pieces, nearest.count)
    replace_file(folder / "nearest_pieces.json", _json(found))
    _show(nearby.rows(found))


def _write_ensemble(
    folder: pathlib.Path,
    tasks: Sequence[EvalTask],
    table: Results,
    predictions: Mapping[tuple[int, str], list[grading.Prediction]],
) -> None:
    comparisons = {}
    for task in tasks:
        answers = [predictions[index, task.name] for index in range(len(table))]
        decided = ensembles.majority(answers)
        alone = {prompt: results[task.name] for prompt, results in table.items()}
        comparisons[task.name] = ensembles.compare(task, alone, decided)
        replace_file(folder / "ensemble" / f"{task.name}.jsonl", _lines(task, decided))
    replace_file(folder / "ensemble.json", _json(comparisons))
    _show(ensembles.rows(comparisons))


def _write_scores(folder: pathlib.Path, table: Results) -> None:
    replace_file(folder / "metrics.json", _json(table))
    _write_table(folder / "scores.csv", _score_rows(table))


def _score_rows(table: Results) -> list[list]:
    """Returns prompts x tasks: what each prompt scores without being tuned there."""
    first = next(iter(table.values()))
    # A loss is told as one: less is better.
    losses = {task for task, values in first.items() if set(values) == {"loss"}}
    heads = [f"{task} (loss)" if task in losses else task for task in first]
    return [["prompt", *heads]] + [
        [prompt, *(measured({task: results[task]})[1] for task in first)]
        for prompt, results in table.items()
    ]


def _write_table(path: pathlib.Path, rows: list[list]) -> None:
    replace_file(path, tables.as_csv(rows))
    _show(rows)


def _show(rows: list[list]) -> None:
    # stdout is the metrics as JSON, which other programs read. Of processes that share
    # a run one speaks.
    if storage.is_writer():
        print(tables.as_text(rows), file=sys.stderr)


def _json(value: object) -> bytes:
    return as_json(value).encode("utf-8")


def _lines(task: EvalTask, answers: Sequence[grading.Prediction]) -> bytes:
    lines = []
    for example, answer in zip(task.examples, answers, strict=True):
        prediction = grading.processed(task, example, answer)
        line = {
            "input": eval_tasks.input_text(task, example),
            "target": eval_tasks.target_text(task, example),
            "output": answer.text,
            # A task's own postprocessor may give anything.
            "prediction": msgspec.to_builtins(
                prediction, str_keys=True, enc_hook=_plain
            ),
            "score": answer.score,
        }
        lines.append(as_json(line, indent=None) + "\n")
    return "".join(lines).encode("utf-8")


def _plain(value: object) -> object:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def main(argv: Sequence[str]) -> None:
    """Runs `spot_jax evaluate`."""
    config.parse_flags("evaluate", argv, flags)
    compiled.keep(**bound_to(compiled.keep))
    table = config.configured(evaluate)()
    if table:
        print(as_json(table))
