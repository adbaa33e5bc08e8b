import dataclasses

import pytest

from spot_jax import study
from spot_jax.campaign import cost, plan
from spot_jax.campaign.plan import Study, asked_for, runs
from tests import study_process

PAPER = Study(
    sources=[f"source{n}" for n in range(16)],
    targets=[f"target{n}" for n in range(10)],
    seeds=[0, 1, 2],
    stages=list(plan.STAGES),
    source_steps=262_144,
    target_steps=100_000,
    source_eval_period=1000,
    target_eval_period=500,
    embedding_step=10_000,
    best_ks=[1, 3, 6, 9, 12, 15],
    average_ks=[3, 6, 9, 12],
    mixture_ks=[3, 6, 9, 12],
)


@pytest.fixture(scope="module", autouse=True)
def snack():
    """The task that the study adds to the demo's."""
    study_process.add_task()
    yield
    study_process.remove_task()


def test_the_papers_study_has_918_tunings_and_controls():
    count = {stage: len(list(plan.tunings(stage, PAPER))) for stage in plan.STAGES}
    assert count == {
        "sources": 48,
        "baselines": 30,
        "transfers": 480,
        "averages": 120,
        "mixtures": 120,
        "mixture_targets": 120,
        # Of these no source is known to be of another family.
        "longer_baselines": 30,
        "longer_transfers": 60,
    }


def test_controls_stand_behind_the_runs_that_earlier_versions_numbered():
    names = [run.name for run in runs(PAPER)]
    first = next(i for i, name in enumerate(names) if name.startswith("longer"))
    assert all(name.startswith("longer") for name in names[first:])


REAL = dataclasses.replace(
    PAPER,
    sources=["mnli", "sst2", "qqp"],
    targets=["rte"],
    **dict.fromkeys(("best_ks", "average_ks", "mixture_ks"), [1]),
)


def test_longer_transfers_are_of_the_similar_one_of_one_drawn_and_of_one_unrelated():
    found = list(plan.tunings("longer_transfers", REAL))
    of = {t.method: t for t in found if t.seed == 1}
    assert list(of) == ["longer_similar", "longer_random", "longer_unrelated"]
    # Which one is most similar, embeddings tell.
    assert of["longer_similar"].source is None
    assert of["longer_random"].source in REAL.sources
    assert of["longer_unrelated"].source in ("sst2", "qqp")
    assert of["longer_unrelated"].source_seed == 1
    assert found == list(plan.tunings("longer_transfers", REAL))


@pytest.mark.parametrize(
    ("sources", "targets", "period", "expected"),
    [
        # The paper's; the miniature's, whose targets are evaluated at their end alone.
        (262_144, 100_000, 500, 500),
        (160, 60, 60, 30),
        (1200, 300, 100, 100),
        (4, 1, 1, 1),
    ],
)
def test_longer_runs_take_both_steps_and_are_evaluated_often(
    sources, targets, period, expected
):
    steps = {"source_steps": sources, "target_steps": targets, "embedding_step": 1}
    some = dataclasses.replace(PAPER, **steps, target_eval_period=period)
    longer = [run for run in runs(some) if run.stage.startswith("longer")]
    assert {run.steps for run in longer} == {sources + targets}
    assert {run.eval_period for run in longer} == {expected}
    assert targets % expected == 0


@pytest.mark.parametrize("bank_size", [1, 7, 48, 1000])
def test_every_tuning_is_in_one_run_of_its_stage(bank_size):
    planned = runs(dataclasses.replace(PAPER, bank_size=bank_size))
    for stage in plan.STAGES:
        its_own = [run for run in planned if run.stage == stage]
        chunks = [run.tunings for run in its_own]
        assert sum(chunks, ()) == tuple(plan.tunings(stage, PAPER))
        assert all(len(chunk) == bank_size for chunk in chunks[:-1])
    assert [run.number for run in planned] == list(range(len(planned)))
    assert len({run.name for run in planned}) == len(planned)


@pytest.mark.parametrize("workers", [1, 2, 5, 40])
def test_workers_do_every_run_once(workers):
    study_ = dataclasses.replace(PAPER, bank_size=48)
    dealt = [asked_for(study_, (i, workers)) for i in range(1, workers + 1)]
    numbers = sorted(run.number for its_own in dealt for run in its_own)
    assert numbers == list(range(len(runs(study_))))
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


def test_stages_choose_among_the_same_runs():
    some = dataclasses.replace(PAPER, stages=["transfers"], bank_size=48)
    chosen = asked_for(some)
    assert len(chosen) == 10
    assert {run.stage for run in chosen} == {"transfers"}
    assert set(chosen) <= set(runs(PAPER))
    # One target each: its data is read once.
    assert [len({t.target for t in run.tunings}) for run in chosen] == [1] * 10


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"SOURCES": ["demo_food", "demo_food"]}, "SOURCES is .* name each once"),
        ({"TARGETS": ["demo_film", "demo_food"]}, "demo_food is among SOURCES and"),
        ({"TARGETS": ["demo_movie"]}, "no task or mixture 'demo_movie'; did you mean"),
        ({"TARGETS": ["glue_mixture"]}, "glue_mixture is a mixture"),
        ({"TARGETS": []}, "TARGETS is an empty list"),
        ({"SEEDS": [0, 0]}, "SEEDS is"),
        ({"SEEDS": ["a"]}, "SEEDS is .* Expected int, got str"),
        ({"MIXTURE_KS": [5]}, "MIXTURE_KS has 5; there are 4 source prompts"),
        ({"BEST_KS": [0]}, "BEST_KS has 0"),
        ({"EMBEDDING_STEP": 5}, "EMBEDDING_STEP is 5, and tuning ends at step 4"),
        ({"STAGES": ["transfer"]}, "STAGES has 'transfer'; choose from sources, "),
        ({"STAGES": ["transfers"]}, "which needs sources, and 1 of their runs"),
        ({"SIMILARITY": "cosine"}, "SIMILARITY has 'cosine'"),
        ({"BANK_SIZE": 0}, "BANK_SIZE is 0"),
        ({"SOURCE_START": "noise"}, "SOURCE_START is 'noise'; it takes .*Start"),
    ],
)
def test_mistakes_are_found_before_anything_is_made(
    demo_model, tmp_path, change, words
):
    folder = tmp_path / "study"
    with pytest.raises(ValueError, match=words):
        study.main(study_process.arguments(folder, demo_model, change))
    assert not folder.exists()


@pytest.mark.parametrize("worker", ["3/2", "0/2", "1", "a/b"])
def test_a_worker_that_cannot_be_is_refused(worker):
    with pytest.raises(ValueError, match=f"--worker {worker}: give i/n"):
        study.main(["--worker", worker, "--gin_file=gin/runs/study.gin"])


def test_a_dry_run_lists_runs_and_hours_and_touches_nothing(tmp_path, capsys):
    folder = tmp_path / "study"
    study.main(
        [
            *("--gin_file=gin/runs/study.gin", f"--gin.STUDY_DIR={folder}"),
            *("--gin.BANK_SIZE=48", "--dry_run", "--machine=tpu-v3-8"),
        ]
    )
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert len(lines) == 1 + 22 + 2 + 1 + 4
    assert lines[1].split()[:3] == ["sources-000", "48", "262144"]
    # Baselines with the steps of sources added are controls, and are counted.
    assert lines[22].split()[:3] == ["longer_baselines-000", "30", "362144"]
    assert lines[23].split()[:2] == ["all", "948"]
    assert "492 TFLOP/s at 35 %" in said
    assert not folder.exists()


def test_a_dry_run_of_a_worker_lists_its_own_runs(demo_model, tmp_path, capsys):
    given = study_process.arguments(tmp_path, demo_model)
    study.main([*given, "--dry_run", "--worker=2/2", "--machine=cpu-2"])
    said = capsys.readouterr().out
    assert "baselines-000" in said
    assert "sources-000" not in said
    assert list(cost.MACHINES) and "0.28 TFLOP/s at 100 %" in said


def test_sources_and_mixtures_are_evaluated_on_numbers_of_their_own():
    some = dataclasses.replace(PAPER, source_eval_examples=9, mixture_eval_examples=3)
    examples = {run.stage: run.examples for run in runs(some)}
    assert examples.pop("sources") == 9 and examples.pop("mixtures") == 3
    assert set(examples.values()) == {None}
