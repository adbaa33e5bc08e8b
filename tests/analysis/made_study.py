"""Writes a study of known effects: who helps whom is decided here, not found.

Every task has a skill; tasks of one skill have similar embeddings. A source helps a
target of its own skill, does a little harm to others, and there is luck. Other worlds
have a gain of their own.
"""

import itertools
import json
import pathlib

import numpy as np
import pandas as pd

SKILLS = {
    "nli": ("mnli", "doc_nli", "qnli", "rte", "cb"),
    "sentiment": ("yelp_polarity", "sst2", "cr"),
    "similarity": ("qqp", "cxc", "stsb", "mrpc"),
    "qa": ("record", "squad", "drop", "multirc", "race", "boolq", "copa"),
    "commonsense": ("winogrande", "hellaswag", "cosmos_qa", "wsc"),
    "language": ("c4_prefix_lm", "cola", "wic"),
}
SKILL = {task: skill for skill, tasks in SKILLS.items() for task in tasks}
TARGETS = ("boolq", "cola", "stsb", "wic", "cr", "mrpc", "rte", "wsc", "copa", "cb")
SOURCES = tuple(task for task in SKILL if task not in TARGETS)
MEASURES = ("average_tokens", "per_token")
STAGES = (
    *("sources", "baselines", "transfers", "averages", "mixtures", "mixture_targets"),
    *("longer_baselines", "longer_transfers"),
)
LONGER = ("longer", "longer_similar", "longer_random", "longer_unrelated")


def usual_gain(source: str, target: str, luck: float) -> float:
    """Returns how much of the error a source takes away."""
    return 0.4 * nearness(source, target) - 0.1 + luck


def write(
    folder: pathlib.Path,
    sources=SOURCES,
    targets=TARGETS,
    seeds=(0, 1, 2),
    evaluations=8,
    gain=usual_gain,
    longer: dict[str, float] | None = None,
) -> pathlib.Path:
    """Writes study.json, scores.csv, similarities.csv, curves.csv.

    Args:
        folder: where to.
        sources, targets, seeds: of the plan.
        evaluations: points of a curve.
        gain: (source, target, luck) -> how much of the error is taken away.
        longer: method of LONGER -> the same of it; None: the study has no such runs.
    """
    rng = np.random.default_rng(0)
    prompts = len(sources) * len(seeds)
    plan = {
        "sources": list(sources),
        "targets": list(targets),
        "seeds": list(seeds),
        "best_ks": [k for k in (1, 3, 6, 9, 12, 15) if k <= prompts],
        "average_ks": [k for k in (3, 6, 9, 12) if k <= prompts],
        "mixture_ks": [k for k in (3, 6, 9, 12) if k <= prompts],
        "measures": list(MEASURES),
        "measure": "per_token",
        "source_steps": 2000,
        "target_steps": 800,
        "embedding_step": 400,
        "model": {"source": "spot_tiny", "fingerprint": "5f1d"},
        "commands": ["spot_jax study --gin_file=gin/runs/study_miniature.gin"],
        "versions": {"jax": "0.10.2", "spot_jax": "0.1.0"},
        "machine": "2 CPU cores",
        "wall_seconds": 3123.4,
        "peak_memory_gb": 2.41,
    }
    if longer is not None:
        plan |= {"stages": list(STAGES)}
    runs = _runs(rng, plan, gain, longer or {})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.json").write_text(json.dumps(plan), encoding="utf-8")
    runs.to_csv(folder / "scores.csv", index=False)
    _similarities(rng, plan).to_csv(folder / "similarities.csv", index=False)
    _curves(runs, evaluations).to_csv(folder / "curves.csv", index=False)
    return folder


def edit(folder: pathlib.Path, name: str, change) -> None:
    """Rewrites a CSV file of the study by a function of its frame."""
    path = folder / name
    change(pd.read_csv(path, dtype=object)).to_csv(path, index=False)


def change_plan(folder: pathlib.Path, **changes) -> None:
    """Rewrites entries of study.json."""
    path = folder / "study.json"
    plan = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(plan), encoding="utf-8")


def nearness(first: str, second: str) -> float:
    """Returns 1 for one skill, 0.2 for two."""
    return 1.0 if SKILL[first] == SKILL[second] else 0.2


def _runs(rng, plan, gain_of, longer) -> pd.DataFrame:
    rows, seeds = [], plan["seeds"]
    scratch = {t: 60 + 3 * i for i, t in enumerate(plan["targets"])}
    for target, seed in itertools.product(plan["targets"], seeds):
        rows.append(_run("baseline", target, seed, scratch[target] + rng.normal(0, 1)))
    for target, source, seed in itertools.product(
        plan["targets"], plan["sources"], seeds
    ):
        gain = gain_of(source, target, rng.normal(0, 0.12))
        score = scratch[target] + gain * (100 - scratch[target])
        rows.append(_run("transfer", target, seed, score, source, seed))
    # The mixture is better than the average by construction, and 6 the best k of both.
    for method, share in (("average", 0.10), ("mixture", 0.25)):
        for target, seed, k in itertools.product(
            plan["targets"], seeds, plan[f"{method}_ks"]
        ):
            gain = share - 0.01 * abs(k - 6) + rng.normal(0, 0.005)
            score = scratch[target] + gain * (100 - scratch[target])
            rows.append(_run(method, target, seed, score, k=k, measure="per_token"))
    for (method, gain), target, seed in itertools.product(
        longer.items(), plan["targets"], seeds
    ):
        score = scratch[target] + gain * (100 - scratch[target])
        of = () if method == "longer" else (plan["sources"][0], seed)
        rows.append(_run(method, target, seed, score, *of))
    return pd.DataFrame(rows)


def _run(method, target, seed, score, source="", source_seed="", k="", measure=""):
    return {
        "method": method,
        "target": target,
        "seed": seed,
        "source": source,
        "source_seed": source_seed,
        "k": k,
        "measure": measure,
        "score": round(float(np.clip(score, 0, 100)), 4),
        "step": 600,
    }


def _similarities(rng, plan) -> pd.DataFrame:
    tasks = [*plan["sources"], *plan["targets"]]
    embeddings = list(itertools.product(tasks, plan["seeds"]))
    rows = []
    # Per-token similarity is smaller and noisier.
    for measure, scale, noise in (
        ("average_tokens", 1, 0.05),
        ("per_token", 0.4, 0.08),
    ):
        for (a, i), (b, j) in itertools.combinations_with_replacement(embeddings, 2):
            same = 0.9 if a == b else 0.6 * nearness(a, b)
            value = scale * (same + rng.normal(0, 3 * noise * (a != b)))
            if (a, i) == (b, j):
                value = 1.0 if measure == "average_tokens" else 0.45
            rows.append((measure, a, i, b, j, round(float(np.clip(value, -1, 1)), 5)))
    names = "measure first first_seed second second_seed similarity".split()
    return pd.DataFrame(rows, columns=names)


def _curves(runs: pd.DataFrame, evaluations: int) -> pd.DataFrame:
    parts = []
    for number in range(1, evaluations + 1):
        part = runs.drop(columns="score").assign(step=800 * number // evaluations)
        start = np.where(runs["method"] == "baseline", 40.0, 0.92 * runs["score"])
        risen = 1 - np.exp(-4 * number / evaluations)
        part["score"] = (start + (runs["score"] - start) * risen).round(4)
        parts.append(part)
    return pd.concat(parts)
