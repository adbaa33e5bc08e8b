"""Prompt ensembling: several prompts of one task answer, the majority decides.

Lester et al. 2021, §6: N prompts over one frozen model are N models at the cost of one;
their rows stand in one batch.
"""

from collections.abc import Mapping, Sequence

from spot_jax.data.eval_tasks import EvalTask
from spot_jax.model_dir.score import comparable, task_score
from spot_jax.scoring import grading
from spot_jax.scoring.grading import Prediction


def majority(answers: Sequence[Sequence[Prediction]]) -> list[Prediction]:
    """Returns the answer that most prompts give to each example.

    Of answers with as many votes the one with the higher sum of its voters' scores
    wins; where these are equal too, the one whose first voter comes first.

    Args:
        answers: for each prompt its answers to the same examples, in their order.

    Returns:
        The answers; the score of each is the mean of its voters' scores.
    """
    decided = []
    for votes in zip(*answers, strict=True):
        scores: dict[str, list[float]] = {}
        for vote in votes:
            scores.setdefault(vote.text, []).append(vote.score)
        # max keeps the first of equals, and a dict the order of first voters.
        text, of_voters = max(
            scores.items(), key=lambda candidate: (len(candidate[1]), sum(candidate[1]))
        )
        mean = sum(of_voters) / len(of_voters)
        decided.append(Prediction(votes[0].example, text, mean))
    return decided


def compare(
    task: EvalTask,
    results: Mapping[str, Mapping[str, float]],
    decided: Sequence[Prediction],
) -> dict:
    """Compares an ensemble with its prompts (Lester et al. 2021, Table 3).

    Args:
        task: the task.
        results: {prompt: {metric: value}}, each prompt alone.
        decided: the ensemble's answers.

    Returns:
        {"average", "best", "ensemble": {metric: value}, "best_prompt": its name}; the
        best prompt is the one whose metrics have the highest mean on this very split.
    """
    best = max(results, key=lambda prompt: comparable(task_score(results[prompt])))
    alone = list(results.values())
    return {
        "average": {
            metric: sum(values[metric] for values in alone) / len(alone)
            for metric in alone[0]
        },
        "best": dict(results[best]),
        "ensemble": grading.score(task, decided),
        "best_prompt": best,
    }


def rows(comparisons: Mapping[str, dict]) -> list[list]:
    """Returns {task: comparison} as a table, a row for each metric."""
    table: list[list] = [["task", "metric", "average", "best", "ensemble"]]
    for task, comparison in comparisons.items():
        for metric in comparison["ensemble"]:
            values = [comparison[how][metric] for how in table[0][2:]]
            table.append([task, metric, *values])
    return table
