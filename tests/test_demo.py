import pandas as pd
import pytest

from spot_jax import demo
from spot_jax.analysis.curves import SCRATCH
from spot_jax.demo import SPOT, table
from spot_jax.miniature import folder as miniature_folder
from spot_jax.text.registration import use_data_dir


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


def test_bad_options_are_refused_before_anything_is_tuned(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="--dir .*cannot be written"):
        demo.main(["--dir", str(tmp_path / "file")])
    with pytest.raises(ValueError, match="--seeds 0"):
        demo.main(["--dir", str(tmp_path / "new"), "--seeds", "0"])
    assert not (tmp_path / "new").exists()


def test_a_demo_of_other_seeds_is_refused_before_anything_is_tuned(
    tmp_path, monkeypatch
):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(miniature_folder, "write_once", stop)
    with pytest.raises(KeyboardInterrupt):
        demo.demo(tmp_path, 2)
    with pytest.raises(ValueError, match="--dir .* was begun with seeds 2, not 3"):
        demo.demo(tmp_path, 3)


@pytest.mark.slow
def test_the_whole_demo_with_few_steps(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "SOURCES", ("yelp_polarity", "qqp"))
    monkeypatch.setattr(demo, "_SOURCE_STEPS", 60)
    monkeypatch.setattr(demo, "_TARGET_STEPS", 60)
    try:
        demo.main(["--dir", str(tmp_path), "--seeds", "1"])
        first = capsys.readouterr().out
        for picture in ("learning_curves", "similarity_of_prompts_per_token"):
            assert picture in first
            assert (tmp_path / f"{picture}.png").stat().st_size > 10_000
        # A second demo only shows the results.
        demo.main(["--dir", str(tmp_path), "--seeds", "1"])
        again = capsys.readouterr().out
    finally:
        use_data_dir(None)
    assert first.count(SPOT) == first.count(SCRATCH) == 2
    assert first.splitlines()[:-2] == again.splitlines()[:-2]
