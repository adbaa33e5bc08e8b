import pandas as pd

from spot_jax.measure_spot_tiny import markdown


def test_the_table_counts_tasks_that_prompts_lift_above_the_majority_class():
    lines = [("majority", "rte", 0, 50.0), ("majority", "cr", 0, 60.0)]
    lines += [("prompt tuning", "rte", seed, 59.0 + seed) for seed in range(2)]
    lines += [("prompt tuning", "cr", seed, 70.0 + seed) for seed in range(2)]
    text = markdown(pd.DataFrame(lines, columns=["method", "task", "seed", "score"]))
    assert "| rte | 50.0 | 59.5 (0.7) |" in text
    assert "| mean | 55.0 | 65.0 |" in text
    assert text.endswith("above the majority class on 1 of 2 tasks.")
