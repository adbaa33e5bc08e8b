import numpy as np
import pandas as pd
import pytest
from scipy.cluster import hierarchy

from spot_jax.analysis import study, tasks
from tests.analysis import made_study


def test_78_runs_and_26_tasks_are_symmetric(whole):
    runs = tasks.between_runs(whole, "average_tokens")
    assert runs.shape == (78, 78)
    assert np.allclose(runs, runs.T)
    averaged = tasks.between_tasks(runs)
    assert averaged.shape == (26, 26)
    assert np.allclose(averaged, averaged.T)
    pairs = runs.loc["mnli", "rte"].to_numpy()
    assert pairs.shape == (3, 3)
    assert averaged.loc["mnli", "rte"] == pytest.approx(pairs.mean())


def test_tasks_cluster_by_skill_as_they_were_made(whole):
    averaged = tasks.between_tasks(tasks.between_runs(whole, "average_tokens"))
    found = hierarchy.fcluster(tasks.cluster(averaged), 6, "maxclust")
    clusters = dict(zip(averaged.index, found, strict=True))
    for members in made_study.SKILLS.values():
        assert len({clusters[task] for task in members}) == 1
    near = tasks.nearest(averaged)
    assert all(made_study.SKILL[a] == made_study.SKILL[b] for a, b in near.items())


def test_runs_of_a_task_are_nearest_to_each_other(whole):
    near = tasks.nearest(tasks.between_runs(whole, "average_tokens"))
    same = [first[0] == second[0] for first, second in near.items()]
    assert np.mean(same) > 0.6


def test_only_what_stands_in_the_way_is_left_out():
    table = pd.DataFrame(np.ones((4, 4)))
    table.loc[1, 2] = table.loc[2, 1] = table.loc[1, 3] = table.loc[3, 1] = np.nan
    assert list(tasks.complete(table).index) == [0, 2, 3]


def test_a_run_without_an_embedding_is_left_out(small):
    made_study.edit(
        small,
        "similarities.csv",
        lambda f: f[~((f["second"] == "cr") & (f["second_seed"] == "1"))],
    )
    runs = tasks.complete(tasks.between_runs(study.read(small), "average_tokens"))
    assert ("cr", 1) not in runs.index and len(runs) == 11
