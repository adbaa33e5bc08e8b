"""What a study planned and does not have yet."""

import dataclasses
import itertools
from collections.abc import Iterator

import pandas as pd

from spot_jax.analysis import methods, source_prompts
from spot_jax.analysis.study import RUN_KEY, Study


@dataclasses.dataclass(frozen=True)
class Missing:
    """Lines of one kind that are not there.

    Attributes:
        what: of which kind they are.
        count, planned: how many are missing, out of how many.
        names: each of them.
    """

    what: str
    count: int
    planned: int
    names: tuple[str, ...]


def of_study(study: Study) -> list[Missing]:
    """Returns what is missing, one entry a kind, nothing for what is complete."""
    kinds = [
        ("baseline scores", *_runs(study, "baseline", _baselines(study))),
        ("transfer scores", *_runs(study, "transfer", _transfers(study))),
    ]
    for method, ks in (("average", study.average_ks), ("mixture", study.mixture_ks)):
        planned = _retrieved(study, method, ks)
        kinds.append((f"{method} scores", *_runs(study, method, planned)))
    for method, what in _LONGER.items():
        planned = (
            run for run in _baselines(study) if _is_planned(study, method, run[2][0])
        )
        kinds.append((what, *_runs(study, method, planned)))
    diverged = [f"{source} seed {seed}" for source, seed in study.diverged]
    every = len(study.sources) * len(study.seeds)
    kinds.append(("source prompts (they diverged)", diverged, every))
    kinds += [
        (f"similarities ({measure})", *_similarities(study, measure))
        for measure in study.measures
    ]
    kinds.append(("learning curves", *_curves(study)))
    kinds.append(("facts in study.json", *_facts(study)))
    return [
        Missing(what, len(names), planned, tuple(names))
        for what, names, planned in kinds
        if names
    ]


# Of these a target has a run for each seed, as it has baselines.
_LONGER = {
    "longer": "scores from scratch with a source's steps added",
    "longer_similar": "longer transfer scores from the most similar source",
    "longer_random": "longer transfer scores from a random source",
    "longer_unrelated": "longer transfer scores from an unrelated source",
}


def _is_planned(study: Study, method: str, target: str) -> bool:
    return method != "longer_unrelated" or study.unrelated(target) is not None


def _baselines(study: Study) -> Iterator[tuple]:
    for target, seed in itertools.product(study.targets, study.seeds):
        yield f"{target} seed {seed}", ("target", "seed"), (target, seed)


def _transfers(study: Study) -> Iterator[tuple]:
    every = itertools.product(study.sources, study.seeds)
    sources = [prompt for prompt in every if prompt not in study.diverged]
    prompts = [(target, *source) for target in study.targets for source in sources]
    key = ("target", "source", "source_seed")
    # A single source prompt with two target seeds means that all are to have them.
    if not source_prompts.is_crossed(study):
        for target, source, seed in prompts:
            yield f"{source} seed {seed} → {target}", key, (target, source, seed)
        return
    for (target, source, seed), own in itertools.product(prompts, study.seeds):
        name = f"{source} seed {seed} → {target} seed {own}"
        yield name, (*key, "seed"), (target, source, seed, own)


def _retrieved(study: Study, method: str, ks: tuple[int, ...]) -> Iterator[tuple]:
    measures = methods.measures_of(study, method)
    key = ("target", "seed", "k", "measure")
    for run in itertools.product(study.targets, study.seeds, ks, measures):
        yield "{} seed {}, k = {}, {}".format(*run), key, run


def _runs(study: Study, method: str, planned: Iterator[tuple]) -> tuple[list[str], int]:
    """Returns the names of planned runs without a score, and how many are planned."""
    planned = list(planned)
    if not planned or not study.plans(method):
        return [], 0
    columns = list(planned[0][1])
    found = set(study.of(method)[columns].itertuples(index=False, name=None))
    return [name for name, _, run in planned if run not in found], len(planned)


def _similarities(study: Study, measure: str) -> tuple[list[str], int]:
    """Pairs of different embeddings, in either order."""
    pairs = study.similarities[study.similarities["measure"] == measure]
    columns = ["first", "first_seed", "second", "second_seed"]
    found = {
        frozenset([(a, i), (b, j)])
        for a, i, b, j in pairs[columns].itertuples(index=False, name=None)
    }
    every = itertools.product(study.tasks, study.seeds)
    runs = [run for run in every if run not in study.diverged]
    planned = list(itertools.combinations(runs, 2))
    names = [
        f"{a} seed {i} – {b} seed {j}"
        for (a, i), (b, j) in planned
        if frozenset([(a, i), (b, j)]) not in found
    ]
    return names, len(planned)


def _curves(study: Study) -> tuple[list[str], int]:
    """Finished tunings without a curve."""
    known = study.curves[RUN_KEY].drop_duplicates()
    runs = study.scores[RUN_KEY].merge(known, how="left", indicator=True)
    without = runs[runs["_merge"] == "left_only"]
    return [_run_name(run) for _, run in without.iterrows()], len(runs)


def _run_name(run: pd.Series) -> str:
    name = f"{run['method']}, {run['target']} seed {run['seed']}"
    if run["source"]:
        name += f" from {run['source']} seed {run['source_seed']}"
    return name if pd.isna(run["k"]) else f"{name}, k = {run['k']}, {run['measure']}"


_FACTS = ("model", "commands", "versions", "machine", "wall_seconds", "peak_memory_gb")


def _facts(study: Study) -> tuple[list[str], int]:
    empty = [fact for fact in _FACTS if study.about.get(fact) in (None, "", [], {})]
    return empty, len(_FACTS)
