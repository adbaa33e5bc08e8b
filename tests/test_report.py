"""The report as a user gets it: files, messages, and the page in a browser."""

import pathlib
import re

import pandas as pd
import pytest

from spot_jax import report
from tests import browser
from tests.analysis import made_study

TABLE6 = (
    pathlib.Path(__file__).resolve().parents[1] / "../shared/reference/spot_table6.csv"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small study with one target not tuned from one source, and its report."""
    folder = made_study.write(
        tmp_path_factory.mktemp("study"),
        sources=("mnli", "doc_nli", "sst2", "qqp"),
        targets=("rte", "cr", "mrpc"),
        evaluations=3,
    )
    made_study.edit(
        folder,
        "scores.csv",
        lambda f: f[~((f["source"] == "sst2") & (f["target"] == "rte"))],
    )
    report.main([str(folder)])
    return folder / "report"


def test_everything_is_written(folder):
    tables = {path.stem for path in folder.glob("*.csv")}
    assert tables >= {
        *(
            "methods",
            "transfers",
            "sources",
            "best_sources",
            "correlations",
            "findings",
        ),
        *("relative_error_reduction", "learning_curves"),
        *("controls", "steps_to_scratch", "curves_to_the_end"),
        *("similarity_of_tasks_per_token", "similarity_of_runs_average_tokens"),
    }
    pictures = {path.name for path in (folder / "figures").iterdir()}
    assert {name for name in pictures if name.endswith(".png")} == {
        name.replace(".svg", ".png") for name in pictures if name.endswith(".svg")
    }
    assert "growth_with_k.png" in pictures


def test_the_page_needs_no_other_file(folder):
    html = (folder / "report.html").read_text()
    assert not re.search(r"<link|\bsrc=|@import|<iframe", html)
    assert not re.search(r'href="(?!#|data:)', html)
    names = re.findall(r'\bid="([^"]+)"', html)
    repeated = {name for name in names if names.count(name) > 1}
    assert not {name for name in repeated if f"#{name}" in html}


@pytest.mark.slow
def test_a_narrow_window_scrolls_tables_and_drawings_and_not_the_page(folder):
    html = (folder / "report.html").read_text()
    assert (
        '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    )
    body = html.partition("<body>")[2]
    for tag in ("table", "svg"):
        found = len(re.findall(f"<{tag}[ >]", body))
        boxed = (
            r'class="scroll"[^>]*>\s*(?:<div class="marked"[^>]*>)?\s*' + f"<{tag}[ >]"
        )
        assert found and len(re.findall(boxed, body)) == found
    rules = dict(re.findall(r"^([^\s@/{}][^{}]*?) \{([^{}]*)\}", html, re.MULTILINE))
    for box in (".scroll", "pre"):
        assert "overflow-x: auto" in rules[box]
    assert "max-width: 100%" in rules[".marked svg"]
    assert "overflow-wrap: anywhere" in rules["dd"]
    narrow = html.partition("@media (max-width: 40rem) {")[2].partition("\n}")[0]
    assert re.search(r'th\[scope="row"\] \{ white-space: normal; max-width: ', narrow)
    # Nothing is wider than such a window: 400 px are 25rem.
    for rule in rules.values():
        widths = re.findall(r"(?<![-\w])(?:min-)?width: ([\d.]+)rem", rule)
        assert all(float(width) < 25 for width in widths)


def test_what_is_missing_is_named_everywhere(folder):
    for name in ("report.html", "report.md"):
        text = (folder / name).read_text()
        assert "3 of 36 transfer scores are missing" in text
        assert "sst2 seed 2 → rte" in text


def test_markdown_has_the_tables_and_their_intervals(folder):
    text = (folder / "report.md").read_text()
    assert re.search(
        r"\| Top-k multi-task mixture \| per token \| 3 \| [\d.]+ \(", text
    )
    assert re.search(r"\*\*Table 2\.\*\* Retrieval methods", text)
    for name in re.findall(r"\]\((figures/[^)]+)\)", text):
        assert (folder / name).exists()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) > 40


def test_the_same_study_makes_the_same_files(folder, tmp_path):
    report.main([str(folder.parent), "--out", str(tmp_path)])
    for path in folder.rglob("*"):
        if path.suffix in (".csv", ".svg", ".png"):
            again = tmp_path / path.relative_to(folder)
            assert path.read_bytes() == again.read_bytes(), path.name


def test_a_table_of_scores_makes_a_report(tmp_path):
    if not TABLE6.exists():
        pytest.skip("the paper's Table 6 (../shared/reference) is not here")
    report.main(["--scores", str(TABLE6), "--out", str(tmp_path / "out")])
    found = pd.read_csv(tmp_path / "out" / "relative_error_reduction.csv")
    assert list(found.columns) == ["source", "target", "percent"]
    assert len(found) == 160
    percent = found.set_index(["source", "target"])["percent"]
    assert percent["MNLI", "CB"] == pytest.approx(58.904, abs=1e-3)
    text = (tmp_path / "out" / "report.md").read_text()
    assert "scores 74.68 [" in text and "averages 79.42 [" in text
    assert "93 of 160 transfers" in text
    assert "The 30 transfers with more than 10%" in text
    # A source at random brings nothing there, and so the most similar one its gain.
    assert "minus scratch: 0.0 points [−2.2, 1.4] over 10 targets: not shown" in text
    assert "is +1.5 points (average tokens) and +2.0 points (per token)" in text
    assert f"spot_jax report --scores {TABLE6}" in text


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ([], "either STUDY_DIR or --scores"),
        (["a", "--scores", "b"], "either STUDY_DIR or --scores"),
        (["--scores", "b"], "--scores needs --out DIR"),
        (["nowhere"], "there is no nowhere/study.json"),
        (["--scores", "nowhere.csv", "--out", "x"], "nowhere.csv cannot be read"),
    ],
)
def test_wrong_options_are_one_message(argv, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=told):
        report.main(argv)


def test_a_folder_that_cannot_be_written_is_one_message(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="name another folder with --out"):
        report.main([str(folder.parent), "--out", str(tmp_path / "file")])


def test_a_study_of_baselines_alone_makes_a_report(small_study, tmp_path):
    made_study.edit(small_study, "scores.csv", lambda f: f[f["method"] == "baseline"])
    (small_study / "similarities.csv").unlink()
    (small_study / "curves.csv").unlink()
    report.main([str(small_study), "--out", str(tmp_path / "out")])
    text = (tmp_path / "out" / "report.md").read_text()
    assert "No transfer is finished yet." in text
    assert "transfer scores: 4 of 4" in text


@pytest.fixture
def small_study(tmp_path):
    return made_study.write(
        tmp_path / "small", sources=("mnli", "sst2"), targets=("rte",), seeds=(0, 1)
    )


def test_the_page_works_in_a_browser(folder):
    with browser.launched() as chromium:
        page = chromium.new_page(viewport={"width": 1400, "height": 900})
        errors = []
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: errors.append(request.url))
        page.goto((folder / "report.html").as_uri())
        assert page.locator("table").count() == 9
        assert page.locator("table caption").count() == 9
        assert page.locator("figure.drawing svg").count() == 9
        assert page.get_by_text("What is missing", exact=True).is_visible()
        check_sorting(page)
        check_hover(page)
        check_windows(page)
        assert errors == [(folder / "report.html").as_uri()]


def check_sorting(page):
    table = page.locator("#transfers table")
    column = table.locator("tbody tr td:nth-child(2)")
    head = table.get_by_role("button", name="rte")
    head.click()
    found = [text.split(" ")[0] for text in column.all_inner_texts()]
    # The cell of sst2 is missing, and stays last whichever way.
    assert found[-1] == "–"
    assert found[:-1] == sorted(found[:-1], key=float, reverse=True)
    head.click()
    found = [text.split(" ")[0] for text in column.all_inner_texts()]
    assert found[-1] == "–"
    assert found[:-1] == sorted(found[:-1], key=float)
    assert table.locator("th[aria-sort=ascending]").inner_text() == "rte"


def check_hover(page):
    hover = page.locator("#hover")
    cells = page.locator("#relative_error_reduction_by_target td")
    cells.first.hover()
    assert re.match(r"mnli → rte: [\d.]+ \([\d.]+\) from [\d.]+", hover.inner_text())
    heatmap = page.locator("#similarity_of_tasks_average_tokens .marked")
    heatmap.hover()
    assert re.match(r"\w+ – \w+: −?[01]\.\d\d", hover.inner_text())
    page.locator("#growth_with_k .scroll").focus()
    page.keyboard.press("ArrowRight")
    assert hover.inner_text().startswith("Best of k sources at random, k = 1: ")


def check_windows(page):
    for width in (400, 1400):
        for scheme, lightness in (("light", 240), ("dark", 40)):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            # Wide tables scroll for themselves, never the page.
            assert page.evaluate("document.documentElement.scrollWidth") == width
            colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
            red = int(re.findall(r"\d+", colour)[0])
            assert red > lightness if scheme == "light" else red < lightness
    page.set_viewport_size({"width": 400, "height": 900})
    # On a telephone rows' names leave room for values, and text does not scroll.
    shares = page.evaluate(
        """[...document.querySelectorAll("th[scope=row]")].map(
            (head) => head.offsetWidth / head.closest(".scroll").clientWidth)"""
    )
    assert shares and max(shares) < 0.45
    findings = page.locator("#findings .scroll")
    assert findings.evaluate("box => box.scrollWidth <= box.clientWidth")


def test_a_mean_of_the_best_sources_is_compared_over_the_same_targets(tmp_path):
    table = tmp_path / "scores.csv"
    lines = ["source,target,mean,std", ",a,50,", ",b,90,", "s,a,70,"]
    table.write_text("\n".join(lines) + "\n")
    report.main(["--scores", str(table), "--out", str(tmp_path / "one")])
    text = (tmp_path / "one" / "report.md").read_text()
    assert "Over 1 targets" in text and "scores 50.00" in text and "70.00" in text
    table.write_text("\n".join(lines[:3]) + "\n")
    report.main(["--scores", str(table), "--out", str(tmp_path / "none")])
    text = (tmp_path / "none" / "report.md").read_text()
    assert "has baselines only" in text
