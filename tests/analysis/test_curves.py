from spot_jax.analysis import curves, methods, sections, study, transfers
from tests.analysis import made_study


def drawn(found):
    comparison = methods.compare(found, methods.outcomes(found))
    best = transfers.best_by_target(transfers.of_study(found))
    best = best.set_index("target")["source"].to_dict()
    return curves.lines(found, comparison, best), best


def test_a_line_is_the_mean_of_its_runs_at_every_step(whole):
    lines, best = drawn(whole)
    assert set(lines["line"]) == {
        *(curves.ANY, curves.BEST_SOURCE, curves.SCRATCH),
        *("average, k = 6", "mixture, k = 6"),
    }
    assert lines.groupby(["target", "line"]).size().eq(8).all()
    raw = whole.curves[
        (whole.curves["target"] == "rte") & (whole.curves["step"] == 300)
    ]
    of_method = dict(list(raw.groupby("method")))
    transfer, mixture = of_method["transfer"], of_method["mixture"]
    expected = {
        curves.SCRATCH: of_method["baseline"],
        curves.ANY: transfer,
        curves.BEST_SOURCE: transfer[transfer["source"] == best["rte"]],
        "mixture, k = 6": mixture[mixture["k"] == 6],
    }
    here = lines[(lines["target"] == "rte") & (lines["step"] == 300)].set_index("line")
    for line, runs in expected.items():
        assert abs(here.loc[line, "mean"] - runs["score"].mean()) < 1e-9
        assert here.loc[line, "count"] == len(runs)


def test_a_single_step_is_no_curve(small):
    made_study.edit(small, "curves.csv", lambda c: c[c["step"].astype(float) == 800])
    report = sections.of_study(study.read(small), {})
    (told,) = [s for s in report.sections if s.title == "Learning curves"]
    assert not told.blocks and "evaluated at one step" in told.paragraphs[0]
