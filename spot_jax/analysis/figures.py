"""The figures of a report, by matplotlib and seaborn, and where their values are."""

import contextlib
from collections.abc import Iterator, Sequence

import matplotlib
import numpy as np
import pandas as pd
import seaborn
from matplotlib.figure import Figure as Drawing

from spot_jax.analysis import curves, tasks
from spot_jax.analysis.contents import Figure, ends, number
from spot_jax.analysis.tables import measure_name, method_name
from spot_jax.analysis.transfers import Transfers

INK, GREY = "#222222", "#888888"
COLOURS = ("#1f5f99", "#c2571a", "#3f7f4f", "#7a4fa3", "#a33a4f")
_SEQUENTIAL = seaborn.light_palette("#17456f", as_cmap=True)
_DIVERGING = seaborn.blend_palette(["#c2571a", "#ffffff", "#1f5f99"], as_cmap=True)
# A picture of thousands of vector cells takes a browser seconds to draw.
_RASTERIZED_FROM = 40


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Draws as on a page of print: serif letters, thin lines, no frame."""
    settings = {
        "font.family": "STIXGeneral",
        "font.size": 10,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": GREY,
        "axes.facecolor": "none",
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "xtick.color": INK,
        "ytick.color": INK,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "lines.linewidth": 1.3,
        "legend.frameon": False,
        # Otherwise matplotlib draws the ids of an SVG file anew every time.
        "svg.hashsalt": "spot_jax",
    }
    # No window is opened, also where there is a screen.
    matplotlib.use("agg")
    with matplotlib.rc_context(settings):
        yield


def growth(comparison: pd.DataFrame) -> Figure:
    """Relative error reduction against k, a line a method and measure."""
    drawing = Drawing(figsize=(6.4, 4.2), layout="constrained")
    axes, points = drawing.subplots(), []
    # The baseline and the oracle have no k, which is 0.
    lines = comparison[comparison["k"] > 0].groupby(["method", "measure"], sort=False)
    for colour, ((method, measure), rows) in zip(_cycle(), lines, strict=False):
        name = ", ".join(filter(None, [method_name(method), measure_name(measure)]))
        axes.plot(rows["k"], rows["percent_mean"], "o-", ms=3.5, c=colour, label=name)
        band = rows["percent_low"].astype(float), rows["percent_high"].astype(float)
        axes.fill_between(rows["k"], *band, color=colour, alpha=0.12, lw=0)
        for row in rows.dropna(subset=["percent_mean"]).itertuples():
            told = f"{name}, k = {row.k}: {_percent(row)}"
            points.append((axes, row.k, row.percent_mean, told))
    oracle = comparison.loc[comparison["method"] == "oracle", "percent_mean"]
    if oracle.notna().any():
        axes.axhline(oracle.iloc[0], c=INK, lw=0.8, ls=(0, (5, 3)), label="Oracle")
    axes.axhline(0, c=GREY, lw=0.6)
    axes.set(xlabel="k", ylabel="relative error reduction (%)")
    axes.set_xticks(sorted(comparison.loc[comparison["k"] > 0, "k"].unique()))
    drawing.legend(loc="outside lower center", ncols=2, fontsize=9)
    return Figure(
        "growth_with_k",
        "Relative error reduction against k, mean over the targets; bands are 95% "
        "bootstrap intervals, resampling the targets.",
        "Lines of relative error reduction against k; the table above has the numbers.",
        drawing,
        _marks(drawing, points),
    )


def _cycle() -> Iterator[str]:
    while True:
        yield from COLOURS


def _percent(row) -> str:
    interval = ends(row.percent_low, row.percent_high)
    return f"{number(row.percent_mean, sign=True)}% {interval}".strip()


def reductions(found: Transfers) -> Figure:
    """The heatmap of all transfers; the page has it as a table."""
    table = found.wide("percent")
    size = (1.5 + 0.55 * table.shape[1], 0.8 + 0.27 * table.shape[0])
    drawing = Drawing(figsize=size, layout="constrained")
    axes = drawing.subplots()
    seaborn.heatmap(
        table,
        ax=axes,
        # The colours of the paper's Figure 3, as in the table.
        vmin=-25,
        vmax=25,
        cmap=_DIVERGING,
        annot=True,
        fmt=".0f",
        annot_kws={"size": 8},
        cbar=False,
    )
    axes.set(xlabel="", ylabel="")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.tick_params(axis="x", rotation=45)
    caption = "Relative error reduction (%), colours full at ±25."
    nothing = {"grids": [], "points": []}
    name = "relative_error_reduction"
    return Figure(name, caption, caption, drawing, nothing, in_page=False)


def scatter(cloud: pd.DataFrame, found: pd.DataFrame, measure: str) -> Figure:
    """Similarity against relative error reduction, a panel a target."""
    found = found[found["measure"] == measure]
    drawing, panels = _panels(found["target"], sharey=False)
    points = []
    for axes, row in zip(panels, found.itertuples(index=False), strict=False):
        there = (cloud["measure"] == measure) & (cloud["target"] == row.target)
        part = cloud[there]
        seaborn.regplot(
            x=part["similarity"].to_numpy(),
            y=part["percent"].to_numpy(),
            ax=axes,
            ci=None,
            # Of few or equal points there is no r, and a line would say nothing.
            fit_reg=not np.isnan(row.r),
            color=COLOURS[0],
            scatter_kws={"s": 10, "alpha": 0.75, "linewidths": 0},
            line_kws={"lw": 0.9, "color": COLOURS[1]},
        )
        axes.set_title(f"{row.target}   r = {number(row.r, 2)}", loc="left")
        points += [
            (axes, p.similarity, p.percent, _point(p)) for p in part.itertuples()
        ]
    drawing.supxlabel("cosine similarity of the task embeddings", fontsize=10)
    drawing.supylabel("relative error reduction (%)", fontsize=10)
    return Figure(
        f"similarity_and_transfer_{measure}",
        f"Similarity ({measure_name(measure)}) of a source prompt to a target, and "
        "the relative error reduction it brings. A dot is one source prompt.",
        "Scatter plots, one a target; the table above has their correlations.",
        drawing,
        _marks(drawing, points),
        data=cloud[cloud["measure"] == measure],
    )


def _point(point) -> str:
    told = f"{point.source} seed {point.source_seed} → {point.target}: similarity "
    return f"{told}{number(point.similarity, 2)}, {number(point.percent, sign=True)}%"


def learning_curves(lines: pd.DataFrame, called: str, caption: str) -> Figure:
    """Score against steps, a panel a target, a line a starting point."""
    names = list(dict.fromkeys([curves.SCRATCH, *lines["line"]]))
    colours = dict(zip(names, (INK, *COLOURS, *COLOURS), strict=False))
    drawing, panels = _panels(lines["target"].unique(), sharey=False)
    points, drawn = [], {}
    for axes, target in zip(panels, lines["target"].unique(), strict=False):
        axes.set_title(target, loc="left")
        for name, rows in lines[lines["target"] == target].groupby("line", sort=False):
            rows, colour = rows.sort_values("step"), colours[name]
            (drawn[name],) = axes.plot(rows["step"], rows["mean"], c=colour)
            band = rows["low"].astype(float), rows["high"].astype(float)
            axes.fill_between(rows["step"], *band, color=colour, alpha=0.13, lw=0)
            points += [
                (axes, r.step, r.mean, _evaluation(r)) for r in rows.itertuples()
            ]
    order = [name for name in names if name in drawn]
    drawing.legend(
        [drawn[name] for name in order],
        order,
        loc="outside upper left",
        ncols=len(order),
        fontsize=9,
    )
    drawing.supxlabel("steps", fontsize=10)
    drawing.supylabel("score", fontsize=10)
    return Figure(
        called,
        caption,
        f"Learning curves, one panel a target; {called}.csv has the numbers.",
        drawing,
        _marks(drawing, points),
        data=lines,
    )


def _evaluation(row) -> str:
    told = f"{row.target}, {row.line}, step {row.step}: {number(row.mean)} "
    return f"{told}{ends(row.low, row.high)}".strip()


def clusters(table: pd.DataFrame, measure: str, kind: str) -> Figure:
    """The similarities [tasks, tasks] or [runs, runs], clustered, with dendrogram."""
    labels = [_label(label) for label in table.index]
    grid = _clustermap(table.set_axis(labels, axis=0).set_axis(labels, axis=1))
    order = grid.dendrogram_row.reordered_ind
    ordered = [labels[place] for place in order]
    values = table.to_numpy()[np.ix_(order, order)]
    averaged = ", each cell the mean over its pairs of runs" if kind == "tasks" else ""
    low, high = number(values.min(), 2), number(values.max(), 2)
    data = pd.DataFrame(values, index=ordered, columns=ordered)
    return Figure(
        f"similarity_of_{kind}_{measure}",
        f"Cosine similarity ({measure_name(measure)}) of {len(labels)} {kind}"
        f"{averaged}; colours from {low} to {high}. Average linkage.",
        f"Clustered heatmap; the leaves in order: {', '.join(ordered)}.",
        grid.figure,
        _grid(grid.figure, grid.ax_heatmap, ordered, values),
        data=data.rename_axis(kind.removesuffix("s")).reset_index(),
    )


def _clustermap(table: pd.DataFrame) -> seaborn.matrix.ClusterGrid:
    is_large = len(table) >= _RASTERIZED_FROM
    linkage = tasks.cluster(table)
    inches = 11 if is_large else 4.2 + 0.12 * len(table)
    grid = seaborn.clustermap(
        table,
        row_linkage=linkage,
        col_linkage=linkage,
        cmap=_SEQUENTIAL,
        vmin=min(0.0, float(table.min(axis=None))),
        vmax=float(table.max(axis=None)),
        figsize=(inches, inches),
        dendrogram_ratio=0.12,
        cbar_pos=None,
        xticklabels=1,
        yticklabels=1,
        rasterized=is_large,
        tree_kws={"linewidths": 0.6, "colors": INK},
    )
    grid.ax_heatmap.set(xlabel="", ylabel="")
    grid.ax_heatmap.tick_params(length=0, labelsize=6 if is_large else 8.5)
    return grid


def _label(label) -> str:
    return label if isinstance(label, str) else f"{label[0]} {label[1]}"


def _panels(names: Sequence[str], **more) -> tuple[Drawing, list]:
    # The paper's ten targets fill two rows.
    columns = min(5, max(1, len(names)))
    rows = -(-max(1, len(names)) // columns)
    size = (0.6 + 2.0 * columns, 0.9 + 1.75 * rows)
    drawing = Drawing(figsize=size, layout="constrained")
    panels = list(drawing.subplots(rows, columns, squeeze=False, **more).flat)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    return drawing, panels[: len(names)]


def _marks(drawing: Drawing, points: list[tuple]) -> dict:
    """Returns points (axes, x, y, text) as parts of the picture."""
    # The layout is settled when the figure is drawn; once is enough.
    drawing.draw_without_rendering()
    drawing.set_layout_engine("none")
    width, height = drawing.bbox.width, drawing.bbox.height
    marks = []
    for axes, x, y, text in points:
        across, up = axes.transData.transform((float(x), float(y)))
        # matplotlib counts from the bottom, the page from the top.
        marks.append([round(across / width, 4), round(1 - up / height, 4), text])
    return {"grids": [], "points": marks}


def _grid(drawing: Drawing, axes, labels: list[str], values: np.ndarray) -> dict:
    drawing.draw_without_rendering()
    box = axes.get_window_extent()
    width, height = drawing.bbox.width, drawing.bbox.height
    sides = [box.x0 / width, 1 - box.y1 / height, box.x1 / width, 1 - box.y0 / height]
    grid = {
        "box": [round(side, 5) for side in sides],
        "rows": labels,
        "columns": labels,
        "values": np.round(values, 3).tolist(),
    }
    return {"grids": [grid], "points": []}
