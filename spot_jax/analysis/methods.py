"""The comparison of retrieval methods, the paper's Table 3 (SPoT §3.3)."""

import numpy as np
import pandas as pd

from spot_jax.analysis import source_prompts, statistics
from spot_jax.analysis.study import Study

BASELINE, ORACLE, BEST = "baseline", "oracle", "best"
# Controls: more steps and no source, a source of another family, sources at random.
LONGER, UNRELATED, RANDOM = "longer", "unrelated", "random"
CONTROLS = (LONGER, UNRELATED, RANDOM)
# Where a row has no measure or no k they are "" and 0: groupby drops what is nan.
_ROW = ["method", "measure", "k"]


def outcomes(study: Study) -> pd.DataFrame:
    """Returns what every method brings for every target run that it is known for.

    The columns: method, measure, k, target, seed, score. "best" (BEST OF TOP-k),
    "random" (the best of k that are drawn at random, as is to be expected), "unrelated"
    and "oracle" (the best of all) are read off the transfers; where one of the
    transfers or similarities they need is missing, so are they.
    """
    scores = source_prompts.scores(study)
    tuned = (BASELINE, LONGER, "average", "mixture")
    parts = [_tuned(study, method) for method in tuned]
    parts.append(_outcome(UNRELATED, "", 0, source_prompts.unrelated(study)))
    for k in best_ks(study):
        drawn = statistics.best_of_drawn(scores, k)
        parts.append(_outcome(RANDOM, "", k, pd.Series(drawn, scores.index)))
    parts.append(_outcome(ORACLE, "", 0, scores.max(axis=1, skipna=False)))
    for measure in study.measures:
        best = best_of_top(scores, source_prompts.similarities(study, measure))
        parts += [_outcome(BEST, measure, k, best[k]) for k in best_ks(study)]
    return pd.concat(parts, ignore_index=True).dropna(subset=["score"])


def best_ks(study: Study) -> list[int]:
    """Returns the k of BEST OF TOP-k, and 1, by which retrieval is judged.

    Where prompts diverged there may be fewer than a k.
    """
    count = len(study.source_prompts)
    return [k for k in sorted({1, *study.best_ks}) if k <= count]


def best_of_top(scores: pd.DataFrame, similarities: pd.DataFrame) -> pd.DataFrame:
    """Returns the best score among the k most similar source prompts.

    Args:
        scores: [target runs, source prompts].
        similarities: [target runs, source prompts]; ties go to the first column.

    Returns:
        [target runs, k], k from 1 up; nan where a score among the k is missing, and
        everywhere in a row that lacks a similarity, which cannot be ranked.
    """
    order = np.argsort(-similarities.to_numpy(), axis=1, kind="stable")
    ranked = np.take_along_axis(scores.to_numpy(), order, axis=1)
    # maximum, unlike fmax, hands nan on.
    best = np.maximum.accumulate(ranked, axis=1)
    best[similarities.isna().any(axis=1).to_numpy()] = np.nan
    return pd.DataFrame(best, index=scores.index, columns=range(1, best.shape[1] + 1))


def _tuned(study: Study, method: str) -> pd.DataFrame:
    runs = study.of(method).copy()
    runs["k"] = runs["k"].fillna(0).astype(int)
    return runs[[*_ROW, "target", "seed", "score"]]


def _outcome(method: str, measure: str, k: int, scores: pd.Series) -> pd.DataFrame:
    frame = scores.rename("score").reset_index()
    return frame.assign(method=method, measure=measure, k=k)


def compare(study: Study, known: pd.DataFrame) -> pd.DataFrame:
    """Returns a line a method, k and measure, as Table 3 does, with intervals.

    A target run is compared with the baseline of the same seed. Means are over targets,
    each the mean of its seeds; std is over seeds (of the mean over targets), intervals
    resample the targets.

    Args:
        study: for the order of the rows and the runs there should be.
        known: what `outcomes` returns.

    Returns:
        The columns method, measure, k; {score,change,percent}_{mean,std,low,high};
        cut_{mean,low,high} (percent of the mean error that is taken away, in which
        targets near 100 weigh little); share_{mean,low,high} (percent of the oracle's
        change that is kept); over_{mean,low,high} (above what is drawn at random: for
        the best of k the best of so many, else one source; its interval resamples the
        seeds within the targets too), over_targets (of how many), chance (percent, that
        what is drawn is better); spread (mean over the targets of the std over seeds;
        nan where seeds only choose among the same runs);
        runs, planned (target runs); is_best (of the k of an average or a mixture).
    """
    tables = {row: matrix(study, part) for row, part in known.groupby(_ROW)}
    nothing = matrix(study, known[:0])
    sources = source_prompts.scores(study)
    baseline = tables.get((BASELINE, "", 0), nothing)
    oracle = tables.get((ORACLE, "", 0), nothing)
    # What is chosen among the same transfers for every seed has no spread of its own.
    chosen = () if source_prompts.is_crossed(study) else (ORACLE, BEST, RANDOM)
    rows = []
    for key in _rows(study, known):
        scores = tables.get(key, nothing)
        row = dict(zip(_ROW, key, strict=True)) | _columns("score", scores)
        row["spread"] = np.nan if key[0] in chosen else scores.std(axis=1).mean()
        if key[0] != BASELINE:
            row |= _columns("change", scores - baseline)
            row |= _columns("percent", _percent(scores, baseline))
            # Parts and wholes have to be of the same runs.
            known_both = baseline.where(scores.notna())
            row |= _ratio("cut", scores - baseline, 100.0 - known_both)
            row |= _ratio("share", scores - baseline, oracle - baseline)
        if key[0] != RANDOM:
            k = key[2] if key[0] == BEST else 1
            row |= _over(scores, tables.get((RANDOM, "", k), nothing))
        if key[0] not in (RANDOM, ORACLE):
            row["chance"] = 100 * chances(scores, sources, k).mean(axis=1).mean()
        row["runs"], row["planned"] = int(scores.notna().sum().sum()), scores.size
        rows.append(row)
    frame = pd.DataFrame(rows)
    frame["over_targets"] = frame["over_targets"].fillna(0).astype(int)
    return frame.assign(is_best=_is_best(frame))


def matrix(study: Study, part: pd.DataFrame) -> pd.DataFrame:
    """Returns the scores [targets, seeds] of one row."""
    table = part.pivot(index="target", columns="seed", values="score")
    return table.reindex(index=study.targets, columns=study.seeds).astype(float)


def _over(scores: pd.DataFrame, drawn: pd.DataFrame) -> dict[str, float]:
    found = statistics.nested_mean(scores - drawn)
    ends = {"mean": found.mean, "low": found.low, "high": found.high}
    over = {f"over_{name}": value for name, value in ends.items()}
    return over | {"over_targets": found.count}


def chances(scores: pd.DataFrame, sources: pd.DataFrame, k: int = 1) -> pd.DataFrame:
    """Returns how likely the best of k sources at random is better, from 0 to 1.

    Args:
        scores: [targets, seeds] what is to be beaten.
        sources: [target runs, source prompts] their scores.
        k: how many are drawn.

    Returns:
        [targets, seeds].
    """
    reached = scores.stack(future_stack=True).reindex(sources.index)
    found = statistics.chance_of_better(sources, reached, k)
    return pd.Series(found, sources.index).unstack().reindex_like(scores)


def _percent(scores: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    return statistics.relative_error_reduction(scores, baseline)


def _ratio(name: str, parts: pd.DataFrame, wholes: pd.DataFrame) -> dict[str, float]:
    """Returns mean(parts) / mean(wholes) over the targets, in percent."""
    ratio = statistics.ratio_of(100 * parts.mean(axis=1), wholes.mean(axis=1))
    return {f"{name}_{end}": getattr(ratio, end) for end in ("mean", "low", "high")}


def _columns(name: str, table: pd.DataFrame) -> dict[str, float]:
    mean = statistics.mean_of(table.mean(axis=1))
    complete = table.loc[table.notna().any(axis=1)]
    # The spread of seeds that lack a target would be that of the targets.
    by_seed = complete.mean(axis=0, skipna=False).dropna()
    return {
        f"{name}_mean": mean.mean,
        f"{name}_std": by_seed.std(ddof=1) if len(by_seed) > 1 else np.nan,
        f"{name}_low": mean.low,
        f"{name}_high": mean.high,
    }


def _rows(study: Study, known: pd.DataFrame) -> list[tuple[str, str, int]]:
    rows = [(BASELINE, "", 0)]
    if study.plans(LONGER) or not study.of(LONGER).empty:
        rows.append((LONGER, "", 0))
    if any(map(study.unrelated, study.targets)):
        rows.append((UNRELATED, "", 0))
    rows += [(RANDOM, "", k) for k in best_ks(study)]
    rows.append((ORACLE, "", 0))
    rows += [(BEST, measure, k) for measure in study.measures for k in best_ks(study)]
    planned = (("average", study.average_ks), ("mixture", study.mixture_ks))
    for method, ks in planned:
        # Scores of a stage that is no longer asked for are shown all the same.
        if not study.plans(method) and study.of(method).empty:
            continue
        for measure in measures_of(study, method):
            there = known[(known["method"] == method) & (known["measure"] == measure)]
            rows += [(method, measure, k) for k in sorted({*ks, *there["k"]})]
    return rows


def measures_of(study: Study, method: str) -> tuple[str, ...]:
    """Returns the measures that averages or mixtures were retrieved by.

    Those of the finished runs, and the one that study.json names as its "measure".
    """
    used = {*study.of(method)["measure"], study.about.get("measure")}
    return tuple(measure for measure in study.measures if measure in used)


def _is_best(frame: pd.DataFrame) -> pd.Series:
    """Whether a row's k has the best score among those of its method and measure.

    Only complete rows are candidates: others are means over other targets.
    """
    is_best = pd.Series(False, index=frame.index)
    tuned = frame[frame["method"].isin(["average", "mixture"])]
    complete = tuned[(tuned["runs"] == tuned["planned"])]
    for _, rows in complete.groupby(["method", "measure"]):
        is_best[rows["score_mean"].idxmax()] = True
    return is_best
