"""Controls of a table of scores, which tells no similarities."""

import numpy as np
import pytest

from spot_jax.analysis import sections, table_controls, transfers
from spot_jax.errors import InputError

HEAD = "source,target,mean,std"


def read(folder, *lines):
    path = folder / "scores.csv"
    path.write_text("\n".join([HEAD, *lines]) + "\n")
    return transfers.read_table(path)


def table(folder, gains, targets=("RTE", "CR", "MRPC", "STS-B")):
    """Sources gain so much on targets of their own family, and so much elsewhere."""
    near = {"RTE": "MNLI", "CR": "SST-2", "MRPC": "QQP", "STS-B": "CxC"}
    lines = [f",{target},{60 + place}," for place, target in enumerate(targets)]
    for place, target in enumerate(targets):
        for source in near.values():
            # A paraphrase is similar: QQP and CxC are both of the family of two.
            is_near = source == near[target] or {source, near[target]} == {"QQP", "CxC"}
            score = 60 + place + gains[0 if is_near else 1] + 0.1 * len(source)
            lines.append(f"{source},{target},{score:.2f},")
    return read(folder, *lines)


def test_a_family_that_helps_is_told_from_sources_that_all_help(tmp_path):
    told = table_controls.abstract(table(tmp_path, (8, 2)))
    assert len(told) == 1
    assert "minus scratch: +4.6 points" in told[0] and "yes, the interval" in told[0]
    assert "minus a random one: +3.8 points" in told[0]
    told = table_controls.abstract(table(tmp_path, (5, 5)))
    first, second = told[0].split(". A source of")
    assert "yes, the interval is above 0" in first and "not shown" in second


def test_the_names_of_publications_are_those_of_the_catalog(tmp_path):
    data = table_controls.by_target(table(tmp_path, (8, 2))).set_index("target")
    assert data.loc["STS-B", "related"] == pytest.approx(63 + 8.3)
    assert data.loc["CR", "related"] == pytest.approx(61 + 8.5)
    assert (data["above"] == 100).all()


def test_tasks_that_nobody_knows_have_no_family(tmp_path):
    found = read(
        tmp_path, ",a,50,", ",b,60,", "s,a,60,", "s,b,60,", "t,a,40,", "t,b,50,"
    )
    data = table_controls.by_target(found)
    assert data["related"].isna().all() and list(data["over"]) == [0, -5]
    assert list(data["above"]) == [50, 25]
    (told,) = table_controls.abstract(found)
    assert "minus a random one: not known: no target has all" in told
    report = sections.of_table(found, {})
    titles = [section.title for section in report.sections]
    assert titles[0] == "Does the choice of a source help?"


def test_a_target_without_one_of_its_scores_is_left_out_and_counted(tmp_path):
    lines = [",a,50,", ",b,60,", ",c,70,", "s,a,60,", "s,b,60,", "s,c,90,", "t,a,40,"]
    found = read(tmp_path, *lines, "t,b,50,")
    data = table_controls.by_target(found).set_index("target")
    assert np.isnan(data.loc["c", ["random", "over", "above"]].astype(float)).all()
    assert "over 2 of 3 targets" in table_controls.abstract(found)[0]
    report = sections.of_table(found, {})
    assert "t → c" in str([section.lists for section in report.sections])


def test_baselines_alone_have_no_controls(tmp_path):
    report = sections.of_table(read(tmp_path, ",a,50,"), {})
    assert "Does the choice" not in str([section.title for section in report.sections])


def test_a_table_that_is_wrong_is_one_message(tmp_path):
    with pytest.raises(InputError, match="no baseline for b"):
        read(tmp_path, ",a,50,", "s,b,60,")
