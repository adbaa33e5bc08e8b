"""The tables of a report."""

import itertools

import numpy as np
import pandas as pd

from spot_jax.analysis import methods, transfers
from spot_jax.analysis.contents import Cell, Table, ends, mean_cell, number, with_std
from spot_jax.analysis.statistics import CONFIDENCE, RESAMPLES
from spot_jax.analysis.transfers import Transfers

# The colours of the paper's Figure 3 go from -25 to +25 percent.
_FULL_COLOUR = 25.0
_METHODS = {
    "baseline": "Prompt tuning from scratch",
    "longer": "From scratch, a source's steps added",
    "unrelated": "An unrelated source",
    "random": "Best of k sources at random",
    "oracle": "Oracle (best of all)",
    "best": "Best of top-k",
    "average": "Top-k weighted average",
    "mixture": "Top-k multi-task mixture",
}
_MEASURES = {"average_tokens": "average tokens", "per_token": "per token", "": ""}
RESAMPLED = "Brackets: 95% bootstrap interval, resampling the targets."
INTERVALS = (
    f"Intervals in brackets are {CONFIDENCE:.0%} percentile bootstrap intervals "
    f"({RESAMPLES} resamples, scipy.stats.bootstrap) of the targets or of the runs, as "
    "said with each; of three runs such an interval is their range."
)


def measure_name(measure: str) -> str:
    """Returns "per token" for "per_token"."""
    return _MEASURES.get(measure, measure.replace("_", " "))


def method_name(method: str) -> str:
    """Returns what a method is called in print."""
    return _METHODS[method]


def reductions(found: Transfers) -> Table:
    """Relative error reduction of all transfers, coloured (the paper's Figure 3)."""
    rows = [
        [Cell(source), *(_reduction(found, source, target) for target in found.targets)]
        for source in found.sources
    ]
    return Table(
        "relative_error_reduction_by_target",
        "Relative error reduction (%) of each source (rows) on each target (columns). "
        f"Colours are full at ±{_FULL_COLOUR:g}. Point at a cell for the scores.",
        ["source", *found.targets],
        rows,
        found.wide("percent").rename_axis("source").reset_index(),
    )


def _reduction(found: Transfers, source: str, target: str) -> Cell:
    cell = _lookup(found.cells, source, target)
    if cell is None:
        return Cell("–", sort=np.nan, hover=f"{source} → {target}: missing")
    against = found.baseline.loc[target]
    told = f"{source} → {target}: {number(cell['mean'])}{_over_std(cell['std'])}"
    told += f" from {number(against['mean'])}{_over_std(against['std'])}; "
    told += f"{number(cell['percent'], sign=True)}%"
    if interval := ends(cell["percent_low"], cell["percent_high"]):
        told += f" {interval}"
    shade = float(np.clip(cell["percent"] / _FULL_COLOUR, -1, 1))
    return Cell(
        number(cell["percent"], 0, sign=True),
        sort=float(cell["percent"]),
        # A baseline of 100 leaves no error to reduce, and so no percent.
        shade=None if np.isnan(shade) else shade,
        hover=told,
    )


def _over_std(std: float) -> str:
    return "" if pd.isna(std) else f" ({number(std)})"


def _lookup(cells: pd.DataFrame, source: str, target: str) -> pd.Series | None:
    there = cells[(cells["source"] == source) & (cells["target"] == target)]
    return None if there.empty else there.iloc[0]


def scores(found: Transfers) -> Table:
    """Scores of all transfers, mean and std (the paper's Table 6)."""
    baseline = [_score(found.baseline.loc[target]) for target in found.targets]
    # A blank sorts before all names.
    rows = [[Cell("from scratch", sort=" ", strong=True), *baseline]]
    for source in found.sources:
        cells = (_lookup(found.cells, source, target) for target in found.targets)
        rows.append([Cell(source), *(_score(cell) for cell in cells)])
    note = ""
    if not found.cells["low"].isna().all():
        note = " Brackets: 95% bootstrap interval, resampling the runs."
    columns = ["source", "target", "mean", "std", "low", "high", "count"]
    scratch = found.baseline.rename_axis("target").reset_index().assign(source="")
    data = pd.concat([scratch[columns], found.cells[columns]], ignore_index=True)
    return Table(
        "transfers",
        "Scores on each target: mean (standard deviation)." + note,
        ["source", *found.targets],
        rows,
        data,
    )


def _score(cell: pd.Series | None) -> Cell:
    if cell is None:
        return Cell("–", sort=np.nan)
    return mean_cell(cell["mean"], cell["low"], cell["high"], std=cell["std"])


def sources(found: Transfers) -> Table:
    """Each source's average over the targets."""
    data = transfers.by_source(found)
    rows = [
        [
            Cell(row.source),
            mean_cell(row.mean, row.low, row.high),
            mean_cell(row.percent, row.percent_low, row.percent_high, sign=True),
            Cell(f"{row.above} of {row.count}", sort=float(row.above)),
        ]
        for row in data.itertuples()
    ]
    return Table(
        "sources",
        f"Sources, by their mean score over the targets. {RESAMPLED}",
        ["source", "mean score", "error reduction (%)", "targets above scratch"],
        rows,
        data,
    )


def best_sources(found: Transfers) -> Table:
    """The best source of each target."""
    data = transfers.best_by_target(found)
    rows = []
    for row in data.itertuples():
        against = found.baseline.loc[row.target]
        percent = (row.percent, row.percent_low, row.percent_high)
        rows.append(
            [
                Cell(row.target),
                _score(against),
                Cell(row.source),
                mean_cell(row.mean, row.low, row.high, std=row.std),
                mean_cell(*percent, sign=True),
            ]
        )
    return Table(
        "best_sources",
        "The source with the best mean score for each target.",
        ["target", "from scratch", "best source", "score", "error reduction (%)"],
        rows,
        data,
    )


def comparison(data: pd.DataFrame) -> Table:
    """Retrieval methods (the paper's Table 3)."""
    rows = [_comparison_row(row) for _, row in data.iterrows()]
    return Table(
        "methods",
        "Retrieval methods: mean over the targets (standard deviation over the seeds). "
        f"{RESAMPLED} The spread is the mean over the targets of the deviation over "
        "the seeds, where each seed is a run of its own; an average of k = 1 is the "
        "most similar prompt, tuned with each seed; the error reduction is averaged "
        "over the targets, as in the paper; the mean error cut is that of the mean "
        "over the targets, in which one near 100 weighs little. Minus random: a row's "
        "score less that of sources drawn at random in place of those retrieved, the "
        "best of k of them beside a best of top-k and one beside all others; what is "
        "above 0 there is due to the choice. Then how often such a draw is better (a "
        "tie is half). The best k of an average or a mixture, chosen on these same "
        "scores, is in bold.",
        [
            *("method", "similarity", "k", "score", "spread of seeds", "change"),
            *("minus random", "random is better (%)"),
            *("error reduction (%)", "mean error cut (%)", "oracle's gain kept (%)"),
            "target runs",
        ],
        rows,
        data,
    )


def _comparison_row(row: pd.Series) -> list[Cell]:
    cells = [
        Cell(method_name(row["method"]), strong=row["is_best"]),
        Cell(measure_name(row["measure"])),
        Cell(str(row["k"]) if row["k"] else "", sort=float(row["k"])),
        _with_interval(row, "score", strong=row["is_best"]),
        Cell(number(row["spread"]), sort=float(row["spread"])),
    ]
    is_baseline = row["method"] == methods.BASELINE
    nothing = Cell("", sort=np.nan)
    cells += [
        nothing if is_baseline else _with_interval(row, "change", sign=True),
        _of_three(row, "over", sign=True),
        Cell(number(row["chance"], 0), sort=float(row["chance"])),
    ]
    if is_baseline:
        cells += [nothing] * 3
    else:
        cells += [
            _with_interval(row, "percent", sign=True),
            _of_three(row, "cut", sign=True),
            _of_three(row, "share", digits=0),
        ]
    runs = f"{row['runs']} of {row['planned']}"
    whole = row["runs"] == row["planned"]
    return [*cells, Cell(str(row["runs"]) if whole else runs, sort=float(row["runs"]))]


def _of_three(row: pd.Series, name: str, **more) -> Cell:
    return mean_cell(*row[[f"{name}_mean", f"{name}_low", f"{name}_high"]], **more)


def _with_interval(row: pd.Series, name: str, **more) -> Cell:
    return _of_three(row, name, std=row[f"{name}_std"], **more)


def correlations(data: pd.DataFrame) -> Table:
    """Similarity against transferability (the paper's Figures 5 and 8)."""
    measures = list(dict.fromkeys(data["measure"]))
    heads, rows = ["target"], []
    for measure in measures:
        heads += [f"r, {measure_name(measure)}", "p", "points"]
    for target in dict.fromkeys(data["target"]):
        of_target = data[data["target"] == target].set_index("measure")
        cells = (_correlation(of_target.loc[measure]) for measure in measures)
        rows.append([Cell(target), *itertools.chain(*cells)])
    return Table(
        "correlations",
        "Pearson's r between similarity and error reduction, two-sided p (bold below "
        "0.05), number of source prompts. Brackets: Fisher's 95% interval.",
        heads,
        rows,
        data,
    )


def _correlation(row: pd.Series) -> list[Cell]:
    return [
        Cell(number(row["r"], 3), ends(row["low"], row["high"], 2), float(row["r"])),
        Cell(p_value(row["p"]), sort=float(row["p"]), strong=bool(row["p"] < 0.05)),
        Cell(str(row["count"]), sort=float(row["count"])),
    ]


def p_value(p: float) -> str:
    """Returns "0.046", "< 0.001" or "–"."""
    return "< 0.001" if p < 0.001 else number(p, 3)


def findings(rows: list[dict[str, str]]) -> Table:
    """What the paper found, and whether this study does."""
    heads = ["finding", "paper", "here", "agrees"]
    return Table(
        "findings",
        "What the paper reports (T5 Base, 16 sources, 10 targets, 3 seeds) and what "
        "this study finds.",
        heads,
        [[Cell(row[head]) for head in heads] for row in rows],
        pd.DataFrame(rows, columns=heads),
    )


def over_ten(found: Transfers) -> Table:
    """Transfers that take away more than a tenth of the error (the paper's Table 7)."""
    data = found.cells[found.cells["percent"] > 10]
    data = data.sort_values("percent", ascending=False)
    data = data[["source", "target", "mean", "std", "percent"]]
    rows = [
        [
            Cell(f"{row.source} → {row.target}"),
            Cell(with_std(row.mean, row.std), sort=float(row.mean)),
            Cell(number(row.percent, sign=True), sort=float(row.percent)),
        ]
        for row in data.itertuples()
    ]
    return Table(
        "over_ten_percent",
        f"The {len(data)} transfers with more than 10% relative error reduction.",
        ["transfer", "score", "error reduction (%)"],
        rows,
        data,
    )
