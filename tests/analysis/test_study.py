import pytest

from spot_jax.analysis import study
from tests.analysis import made_study


def test_a_study_is_read_whole(whole):
    assert len(whole.of("transfer")) == 16 * 10 * 3
    assert len(whole.of("baseline")) == 30
    assert len(whole.tasks) == 26
    assert len(whole.similarities) == 2 * 78 * 79 // 2


def test_a_study_without_similarities_and_curves_is_read_too(small):
    (small / "similarities.csv").unlink()
    (small / "curves.csv").unlink()
    read = study.read(small)
    assert read.similarities.empty and read.curves.empty


def plan(**changes):
    return lambda folder: made_study.change_plan(folder, **changes)


def change_line(name, column, value):
    def change(folder):
        def rewrite(frame):
            frame.loc[frame.index[-1], column] = value
            return frame

        made_study.edit(folder, name, rewrite)

    return change


def without_baseline(folder):
    made_study.edit(folder, "scores.csv", lambda f: f[f["method"] != "baseline"])


def without_plan(folder):
    (folder / "study.json").unlink()


def without_scores(folder):
    (folder / "scores.csv").unlink()


def broken_plan(folder):
    (folder / "study.json").write_text('{"sources": [')


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without_plan, "there is no .*study.json; give the folder of"),
        (broken_plan, "study.json is no JSON"),
        (lambda folder: (folder / "study.json").write_text("[]"), "`object`, got `arr"),
        (plan(seeds=None), r"got `null` - at `\$.seeds`. `spot_jax study` writes it"),
        (plan(seeds=[True]), r"got `bool` - at `\$.seeds"),
        (plan(sources="mnli"), r"got `str` - at `\$.sources`"),
        (plan(stages=3), r"got `int` - at `\$.stages`"),
        (plan(commands=7), r"got `int` - at `\$.commands`"),
        (plan(wall_seconds="long"), r"got `str` - at `\$.wall_seconds`"),
        (plan(best_ks=[1, 9]), "best_ks is .* from 1 to 6"),
        (without_scores, "scores.csv cannot be read"),
        (without_baseline, "no line of the method baseline"),
        (
            change_line("scores.csv", "target", "rta"),
            "target 'rta' is not of this study",
        ),
        (change_line("scores.csv", "seed", "7"), "the seed '7' is not of this study"),
        (change_line("scores.csv", "method", "magic"), "the method 'magic' is not of"),
        (change_line("scores.csv", "k", ""), "of the method mixture needs a k"),
        (
            change_line("scores.csv", "source", "mnli"),
            "of the method mixture has no so",
        ),
        (change_line("scores.csv", "score", "0.9e3"), "score is '0.9e3'; expected"),
        (change_line("similarities.csv", "similarity", "1.2"), "a number from -1 to 1"),
        (change_line("similarities.csv", "first", "cb"), "the first 'cb' is not of"),
        (
            change_line("curves.csv", "step", "100.5"),
            "step is '100.5'; expected a whole",
        ),
    ],
)
def test_what_is_wrong_is_one_message_with_the_cure(small, change, told):
    change(small)
    with pytest.raises(ValueError, match=told):
        study.read(small)
