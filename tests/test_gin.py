"""Every gin file parses, and everything it sets exists."""

import pytest

from spot_jax import config

GIVEN = [
    "MODEL_DIR=/nowhere",
    "STUDY_DIR=/nowhere",
    "INITIAL_CHECKPOINT_PATH=/nowhere",
    "MIXTURE_OR_TASK_NAME=sst2",
    "TASK_FEATURE_LENGTHS={'inputs': 512, 'targets': 8}",
    "PROMPT_FILE=/nowhere",
    "PROMPT_FILES=[]",
    "PROMPT_TEXT=is it good or bad",
    "EVAL_OUTPUT_DIR=/nowhere",
    "INFER_OUTPUT=/nowhere/out.jsonl",
    "TARGET_TASK_NAME=rte",
]
MODEL, PROMPT = "gin/models/t5_1_1_small.gin", "gin/prompts/class_labels.gin"
# Files that others include.
PARTS = {"shared.gin", "training.gin"}


def files(folder: str) -> list[str]:
    paths = sorted((config.root() / "gin" / folder).glob("*.gin"))
    return [f"gin/{folder}/{path.name}" for path in paths if path.name not in PARTS]


@pytest.mark.parametrize("path", files("runs"))
def test_every_run_parses(path):
    config.parse([MODEL, PROMPT, path], GIVEN)
    assert "ARCHITECTURE" in config.text()


@pytest.mark.parametrize("path", files("models"))
def test_every_model_makes_a_t5_config(path):
    from spot_jax.t5 import T5Config

    config.parse([path, PROMPT, "gin/runs/prompt_tune.gin"], GIVEN)
    made = config.configured(T5Config)()
    assert made.d_model > 0
    assert made.dropout_rate == 0.1


@pytest.mark.parametrize("path", files("prompts"))
def test_every_starting_value_is_a_function(path):
    from spot_jax.settings import Prompts

    config.parse([MODEL, path, "gin/runs/prompt_tune.gin"], GIVEN)
    made = config.configured(Prompts)()
    assert made.length == 100
    assert all(callable(start) for start in made.starts)


def test_the_papers_steps_are_what_runs_ask_for():
    from spot_jax.settings import Training

    for run, steps in (
        ("source_prompt", 262_144),
        ("target_prompt", 100_000),
        ("prompt_tune", 30_000),
    ):
        config.parse([MODEL, PROMPT, f"gin/runs/{run}.gin"], GIVEN)
        made = config.configured(Training)()
        assert (made.steps, made.batch_size) == (steps, 32)
        assert made.embedding_step == 10_000


@pytest.mark.parametrize(
    "value",
    [
        "DECODING=@decode.greedy",
        "DECODING=@decode.sample",
        "DECODING=@beam.beam_search",
        "OPTIMIZER=@optim.adafactor",
        "OPTIMIZER=@optim.adamw",
        "SCHEDULE=@optim.linear_warmup()",
        "SCHEDULE=@optim.reciprocal_square_root()",
        "SCHEDULE=@optim.linear_warmup_rsqrt()",
    ],
)
def test_searches_optimizers_and_schedules_are_chosen_on_the_command_line(value):
    from spot_jax import optim
    from spot_jax.settings import Evaluation

    config.parse([MODEL, PROMPT, "gin/runs/prompt_tune.gin"], [*GIVEN, value])
    assert callable(config.configured(Evaluation)().search)
    for make in (optim.adafactor, optim.adamw):
        made = config.configured(make)(base_step=0)
        assert float(made.learning_rate(10_000)) > 0


def test_later_files_and_the_command_line_win():
    from spot_jax.settings import Training

    config.parse([MODEL, PROMPT, "gin/runs/prompt_tune.gin"], [*GIVEN, "BATCH_SIZE=7"])
    assert config.configured(Training)().batch_size == 7


def test_an_unset_macro_is_named_with_the_cure():
    with pytest.raises(
        ValueError, match=r"macro MODEL_DIR is not set; --gin.MODEL_DIR"
    ):
        config.parse([MODEL, PROMPT, "gin/runs/prompt_tune.gin"], GIVEN[1:])


def test_a_missing_file_and_a_wrong_name_are_one_message():
    with pytest.raises(ValueError, match="nowhere.gin"):
        config.parse(["gin/runs/nowhere.gin"])
    with pytest.raises(ValueError, match="stepps"):
        config.parse(
            [MODEL, PROMPT, "gin/runs/prompt_tune.gin"],
            [*GIVEN, "settings.Training.stepps=3"],
        )


@pytest.mark.parametrize(
    ("binding", "expected"),
    [
        ("A=/tmp/run", "A='/tmp/run'"),
        ("A='x'", "A='x'"),
        ("A=3", "A=3"),
        ("A=[1, 2]", "A=[1, 2]"),
        ("A=@decode.greedy", "A=@decode.greedy"),
        ("A=[@a/init.text, @b/init.text]", "A=[@a/init.text, @b/init.text]"),
        ("A=%B", "A=%B"),
        ("A=[sst2, mrpc]", "A=['sst2', 'mrpc']"),
        ("A=(50% off)", "A='(50% off)'"),
        ("A={'inputs': 8}", "A={'inputs': 8}"),
    ],
)
def test_a_shell_need_not_quote_text_twice(binding, expected):
    assert config._quoted(binding) == expected
