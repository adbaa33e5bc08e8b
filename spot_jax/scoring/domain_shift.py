"""Domain shift: prompts evaluated on other tasks than the one they were trained on.

Lester et al. 2021, §5. Where tasks call the same thing by different names (QQP says
"duplicate", MRPC "equivalent"), a label map translates a prompt's answers.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from spot_jax.data.eval_tasks import EvalTask
from spot_jax.data.loading import labels_of
from spot_jax.errors import InputError
from spot_jax.model_dir.score import task_score
from spot_jax.prompts.files import SavedPrompt


@dataclasses.dataclass(frozen=True)
class DomainShift:
    """Where prompts come from, and how their answers are understood elsewhere.

    Attributes:
        home: HOME_TASK, what every prompt was trained on; None: what their files say.
        label_maps: LABEL_MAPS, {task: {label of a home task: label of this task}}. A
            map is for prompts of other tasks; at home a prompt's answers stay as they
            are.
    """

    home: str | None
    label_maps: Mapping[str, Mapping[str, str]]

    def __post_init__(self):
        is_right = isinstance(self.label_maps, Mapping) and all(
            isinstance(label_map, Mapping) for label_map in self.label_maps.values()
        )
        if not is_right or not isinstance(self.home, str | None):
            raise InputError(
                f"HOME_TASK is {self.home!r} and LABEL_MAPS {self.label_maps!r}. Give "
                "the name of a task or None, and {'mrpc': {'duplicate': 'equivalent', "
                "'not_duplicate': 'not_equivalent'}}, or {}."
            )


def homes_of(saved: Sequence[SavedPrompt], shift: DomainShift) -> list[str]:
    """Returns the task each prompt was trained on.

    Raises:
        InputError: when neither HOME_TASK nor a prompt's file names one.
    """
    homes = []
    for prompt in saved:
        home = shift.home or prompt.story.get("task")
        if home is None:
            raise InputError(
                f"{prompt.path} does not say which task it was trained on. Name it: "
                "--gin.HOME_TASK=TASK."
            )
        homes.append(home)
    return homes


def seen_from(
    homes: Sequence[str],
    tasks: Sequence[EvalTask],
    label_maps: Mapping[str, Mapping[str, str]],
) -> dict[int, list[EvalTask]]:
    """Returns the tasks as each prompt answers them.

    Args:
        homes: the task each prompt was trained on.
        tasks: those to evaluate on, all homes among them.
        label_maps: see `DomainShift`.

    Returns:
        {prompt: tasks}; where a label map has labels of its home, the task is one that
        takes these labels and translates them.

    Raises:
        InputError: when a home is not evaluated, or a label map does not fit the tasks.
    """
    names = [task.name for task in tasks]
    for home in homes:
        if home not in names:
            raise InputError(
                f"A prompt of {home} is compared with its score on {home}, and the "
                f"tasks are {', '.join(names)}. Add {home} to MIXTURE_OR_TASK_NAME, or "
                "name the home of all prompts: --gin.HOME_TASK=TASK."
            )
    for name, label_map in label_maps.items():
        _check_labels(name, label_map)
        away = [home for home in homes if home != name]
        # A map that nothing needs is no mistake: a gin file may have many.
        if name in names and away:
            _check_sources(name, label_map, away)
    # One object for all prompts of a home, which the evaluator then asks together.
    seen = {
        home: [_translated(task, home, label_maps.get(task.name, {})) for task in tasks]
        for home in dict.fromkeys(homes)
    }
    return {index: seen[home] for index, home in enumerate(homes)}


def _check_labels(name: str, label_map: Mapping[str, str]) -> None:
    labels = labels_of(name)
    wrong = [label for label in label_map.values() if label not in labels]
    if wrong:
        raise InputError(
            f"LABEL_MAPS translates to {_listed(wrong)} for {name}, whose labels are "
            f"{_listed(labels)}. Write {{'{name}': {{'label of the home task': 'label "
            f"of {name}'}}}}."
        )


def _check_sources(
    name: str, label_map: Mapping[str, str], homes: Sequence[str]
) -> None:
    known = {label: None for home in homes for label in labels_of(home)}
    wrong = [label for label in label_map if label not in known]
    if wrong:
        raise InputError(
            f"LABEL_MAPS translates {_listed(wrong)} for {name}; the prompts are of "
            f"{', '.join(dict.fromkeys(homes))}, whose labels are {_listed(known)}. "
            "Name labels of these."
        )


def _translated(task: EvalTask, home: str, label_map: Mapping[str, str]) -> EvalTask:
    labels = labels_of(home)
    if home == task.name or not set(labels) & set(label_map):
        return task
    # A label that both tasks have needs no translation.
    lost = [x for x in labels if label_map.get(x, x) not in task.labels]
    if lost:
        raise InputError(
            f"LABEL_MAPS for {task.name} leaves out {_listed(lost)} of {home}, which "
            f"would always be wrong: the labels of {task.name} are "
            f"{_listed(task.labels)}. Translate every label."
        )
    return dataclasses.replace(task, labels=labels, translation=dict(label_map))


def _listed(labels: Sequence[str] | Mapping[str, None]) -> str:
    return ", ".join(map(repr, labels)) or "none"


def rows(
    table: Mapping[str, Mapping[str, Mapping[str, float]]], homes: Sequence[str]
) -> list[list]:
    """Compares each prompt's scores with the one on its home task.

    Args:
        table: {prompt: {task: {metric: value}}}.
        homes: the task each prompt was trained on.

    Returns:
        A table, a row for each prompt and task; a score is the mean of the metrics.
    """
    made: list[list] = [["prompt", "home", "task", "score", "home score", "difference"]]
    for (prompt, results), home in zip(table.items(), homes, strict=True):
        at_home = task_score(results[home])
        for task, metrics in results.items():
            score = task_score(metrics)
            made.append([prompt, home, task, score, at_home, score - at_home])
    return made
