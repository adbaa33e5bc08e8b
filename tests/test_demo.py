import pandas as pd

from spot_jax.analysis.curves import SCRATCH
from spot_jax.demo import SPOT, table


def scores(seeds):
    return pd.DataFrame(
        [
            ("cr", line, seed, step, base + 10 * seed)
            for line, base in ((SCRATCH, 50.0), (SPOT, 80.0))
            for seed in range(seeds)
            for step in (10, 20, 30)
        ],
        columns=["target", "line", "seed", "step", "score"],
    )


def test_the_table_has_a_line_for_every_start_with_mean_and_deviation():
    lines = table(scores(3)).splitlines()
    assert lines[-2].startswith(f"cr, {SCRATCH}") and "60.0 (10.0)" in lines[-2]
    assert lines[-1].startswith(f"cr, {SPOT}") and "90.0 (10.0)" in lines[-1]


def test_one_seed_has_no_deviation():
    assert "50.0 (0.0)" in table(scores(1))
