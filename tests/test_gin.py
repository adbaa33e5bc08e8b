"""Every gin file parses, and sets what exists and the code does not say already."""

import collections
import importlib
import itertools
import subprocess
import sys

import pytest
from gin import config_parser

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
GIN = config.root() / "gin"
# Files that others include.
PARTS = {"shared.gin", "training.gin"}


def files(folder: str) -> list[str]:
    paths = sorted((GIN / folder).glob("*.gin"))
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


# Studies say themselves where their prompts start.
STUDIES = {
    f"gin/runs/{study}{world}.gin"
    for study in ("study", "prompt_study")
    for world in ("", "_miniature")
}


@pytest.mark.parametrize("path", sorted({*files("runs")} - STUDIES))
def test_the_order_of_model_prompt_and_run_does_not_matter(path):
    model = "gin/models/spot_tiny.gin"
    texts = set()
    for order in itertools.permutations([model, PROMPT, path]):
        config.parse(order, GIVEN)
        texts.add(config.text())
        assert config.value("VOCABULARY") == "spot_tiny"
    assert len(texts) == 1


KINDS = {"p_tuning_v2", "prefix_tuning", "p_tuning", "deep_prompt"}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_optimizer_of_a_kind_wins_wherever_its_file_stands(kind, tmp_path):
    run, kind = "gin/runs/prompt_tune.gin", f"gin/prompts/{kind}.gin"
    config.parse([MODEL, run, kind], GIVEN)
    after = config.text()
    config.parse([kind, MODEL, run], GIVEN)
    assert config.text() == after
    rate = config.value("LEARNING_RATE")
    assert (rate < 0.3) == ("deep_prompt" not in kind)
    (tmp_path / "own.gin").write_text("LEARNING_RATE = 7.0\n")
    config.parse([kind, MODEL, run, str(tmp_path / "own.gin")], GIVEN)
    assert config.value("LEARNING_RATE") == 7.0


@pytest.mark.parametrize("path", files("prompts"))
def test_every_starting_value_is_a_function(path):
    from spot_jax.settings import Prompts

    # A kind of prompt need not say where it starts.
    config.parse([MODEL, PROMPT, path, "gin/runs/prompt_tune.gin"], GIVEN)
    made = config.configured(Prompts)()
    length = config.value("PROMPT_LENGTH")
    assert made.length == length
    assert (length == 100) == (path.split("/")[-1].removesuffix(".gin") not in KINDS)
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
        "SCHEDULE=@optim.linear_decay()",
        "SCHEDULE=@optim.exponential_decay()",
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


def test_a_forgotten_macro_is_missed_although_the_code_has_a_default():
    given = [binding for binding in GIVEN if not binding.startswith("PROMPT_FILES")]
    with pytest.raises(ValueError, match="macro PROMPT_FILES is not set; --gin.PROM"):
        config.parse([MODEL, "gin/runs/evaluate.gin"], given)


# What each run sets, or leaves to the code; from the papers unless small.
PROMPT_TUNING = {
    "TRAIN_STEPS": 30_000,
    "BATCH_SIZE": 32,
    "LEARNING_RATE": 0.3,
    # The model's own.
    "DROPOUT_RATE": None,
    "PROMPT_LENGTH": 100,
    "RANDOM_SEED": 0,
    "BANK": None,
    "EVAL_PERIOD": 1000,
    "CHECKPOINT_PERIOD": 1000,
    "LOG_PERIOD": 100,
    "EMBEDDING_STEP": 10_000,
    "OPTIMIZER_CLOCK": "checkpoint",
    "PACK": True,
    "MICROBATCHES": 1,
    "Z_LOSS": 1e-4,
    "LABEL_SMOOTHING": 0.0,
    "LOSS_NORMALIZING_FACTOR": "NUM_REAL_TARGET_TOKENS",
    "WARMUP_STEPS": 1000,
    "ACTIVATION_DTYPE": None,
    # Decided by the model's size and by what computes it.
    "WEIGHTS_DTYPE": None,
    "NUM_PARTITIONS": None,
    "SCAN_LAYERS": None,
    "ATTENTION": None,
    "REMAT_POLICY": None,
    "PARAMETER_PARTITIONING_DIMS": 1,
    "VOCABULARY": None,
    "EXTRA_IDS": None,
    "TRUNCATE": False,
    "TOKENIZED_DATA_DIR": None,
    "MIXING_LIMIT": 524_288,
    "MIXTURES": {},
    "EVALUATION": "decode",
    "EVAL_SPLIT": "validation",
    "EVALUATOR_NUM_EXAMPLES": None,
    "EVAL_BATCH_SIZE": 32,
    "DECODING_SEED": 0,
    "TEMPERATURE": 1.0,
    "TOP_K": 0,
    "TOP_P": 1.0,
    "BEAMS": 4,
    "BEAM_ALPHA": 0.6,
    "CLASS_LABELS": None,
}
TINY = {
    "BATCH_SIZE": 32,
    "EVAL_PERIOD": 1000,
    "CHECKPOINT_PERIOD": 1000,
    "DROPOUT_RATE": 0.0,
    "OPTIMIZER_CLOCK": 0,
    "WARMUP_STEPS": 300,
}
EXPECTED = {
    "prompt_tune": PROMPT_TUNING,
    "source_prompt": PROMPT_TUNING | {"TRAIN_STEPS": 262_144},
    "target_prompt": PROMPT_TUNING | {"TRAIN_STEPS": 100_000, "EVAL_PERIOD": 500},
    "model_tune": {"TRAIN_STEPS": 30_000, "LEARNING_RATE": 0.001, "BATCH_SIZE": 32},
    "multitask_model_tune": {"TRAIN_STEPS": 262_144, "TARGET_TRAIN_STEPS": 30_000},
    "evaluate": {"DROPOUT_RATE": 0.0, "EVAL_BATCH_SIZE": 32, "TRUNCATE": False},
    "infer": {"DROPOUT_RATE": 0.0, "INFER_INPUT": None, "DECODING_SEED": 0},
    "domain_shift": {"HOME_TASK": None, "DROPOUT_RATE": 0.0},
    "nearest_pieces": {"NEAREST_PIECES": 5},
    "pretrain_tiny": TINY | {"TRAIN_STEPS": 2600, "LEARNING_RATE": 0.02},
    "adapt_tiny": TINY | {"TRAIN_STEPS": 13_500, "LEARNING_RATE": 0.01},
    "revise_tiny": TINY | {"TRAIN_STEPS": 3600, "LEARNING_RATE": 0.005},
    "lm_adapt": {
        **{"TRAIN_STEPS": 100_000, "SAVE_MODEL_PERIOD": 10_000, "BATCH_SIZE": 128},
        **{"LEARNING_RATE": 0.001, "DROPOUT_RATE": 0.0},
    },
    "model_tune_top": {"TUNED_LAYERS": 2, "LEARNING_RATE": 0.001},
    "prompt_study": PROMPT_TUNING
    | {"PROMPT_LENGTH": [1, 5, 20, 100, 150], "RANDOM_SEED": [0, 1, 2]},
    "miniature_prompt": {"BATCH_SIZE": 8, "PROMPT_LENGTH": 32, "Z_LOSS": 1e-4},
    "miniature_model": {"BATCH_SIZE": 16, "LEARNING_RATE": 0.003, "PACK": True},
    "demo": {"EVALUATOR_NUM_EXAMPLES": 128, "EMBEDDING_STEP": 30, "RANDOM_SEED": 0},
    "study": {"EMBEDDING_STEP": 10_000, "SIMILARITY": "per_token", "BATCH_SIZE": 32},
    "study_miniature": {"EMBEDDING_STEP": 40, "BATCH_SIZE": 4, "SEEDS": [0, 1, 2]},
}


@pytest.mark.parametrize(("run", "expected"), EXPECTED.items())
def test_a_run_has_these_values(run, expected):
    config.parse([MODEL, PROMPT, f"gin/runs/{run}.gin"], GIVEN)
    assert {macro: config.value(macro) for macro in expected} == expected


@pytest.mark.parametrize("path", files("runs"))
def test_the_text_of_a_run_is_the_same_run(path, tmp_path):
    config.parse([MODEL, PROMPT, path], GIVEN)
    before = config.text()
    (tmp_path / "config.gin").write_text(before)
    config.parse([str(tmp_path / "config.gin")])
    assert config.text() == before


def test_the_text_of_a_run_shows_what_gin_leaves_to_the_code():
    config.parse([MODEL, PROMPT, "gin/runs/prompt_tune.gin"], GIVEN)
    lines = config.text().splitlines()
    assert "EVAL_PERIOD = 1000" in lines
    assert "DECODING = @decode.greedy" in lines
    assert "# spot_jax.optim.adafactor.weight_decay_rate = 1e-05" in lines
    assert "# spot_jax.t5.config.T5Config.vocab_size = 32128" in lines


class _Names(config_parser.ParserDelegate):
    """Makes text of what gin files refer to."""

    def configurable_reference(self, scoped_selector, evaluate):
        return f"@{scoped_selector}{'()' if evaluate else ''}"

    def macro(self, name):
        return f"%{name}"


def statements(path: str) -> list[tuple[object, str, object]]:
    """Returns (function, or None for a macro; its name; value) of a file's bindings."""
    modules, found = {}, []

    def look_up(selector: str) -> object:
        module, _, name = selector.partition(".")
        return getattr(modules[module], name)

    text = (config.root() / path).read_text(encoding="utf-8")
    for statement in config_parser.ConfigParser(text, _Names()):
        match statement:
            case config_parser.ImportStatement(module=module):
                if not module.startswith("__gin__"):
                    modules[statement.bound_name()] = importlib.import_module(module)
            case config_parser.BindingStatement(_, selector, parameter, value, _):
                if isinstance(value, str) and value.startswith("@"):
                    value = value if value.endswith("()") else look_up(value[1:])
                function = look_up(selector) if parameter else None
                found.append((function, parameter or selector, value))
    return found


def test_no_gin_file_repeats_a_default_of_the_code():
    found = {
        path: statements(path)
        for folder in ("models", "prompts", "runs")
        for path in [f"gin/{folder}/{p.name}" for p in (GIN / folder).glob("*.gin")]
    }
    # A macro's defaults are those of all that it is bound to, whichever file does it.
    defaults = collections.defaultdict(list)
    bound = [statement for file in found.values() for statement in file]
    # The second round is for macros that are bound to macros.
    for function, name, value in bound + bound:
        if isinstance(value, str) and value.startswith("%"):
            if function is None:
                defaults[value[1:]] += defaults[name]
            else:
                defaults[value[1:]].append(config.default_of(function, name))
    repeated = []
    for path, file in found.items():
        for function, name, value in file:
            known = defaults[name]
            if function is not None:
                known = [config.default_of(function, name)]
            if value in known:
                repeated.append(f"{path}: {name} = {value!r}")
    assert not repeated, repeated


@pytest.mark.parametrize(
    ("binding", "expected"),
    [
        ("A=/tmp/run", "A = '/tmp/run'"),
        ("A='x'", "A = 'x'"),
        ("A=3", "A = 3"),
        ("A=[1, 2]", "A = [1, 2]"),
        ("A=@decode.sample", "A = @decode.sample"),
        ("A=[@a/init.text, @b/init.text]", "A = [@a/init.text, @b/init.text]"),
        ("A=%B", "A = %B"),
        ("A=[sst2, mrpc]", "A = ['sst2', 'mrpc']"),
        ("A=(50% off)", "A = '(50% off)'"),
        ("A={'inputs': 8}", "A = {'inputs': 8}"),
    ],
)
def test_a_shell_need_not_quote_text_twice(binding, expected):
    files = [MODEL, "gin/prompts/text.gin", "gin/runs/prompt_tune.gin"]
    config.parse(files, [*GIVEN, "B=1", binding])
    assert expected in config.text().splitlines()


def test_a_command_line_may_name_what_no_file_does():
    """In a process of its own: what a file has named once is known from then on."""
    program = (
        "from spot_jax import config\n"
        "from spot_jax.settings import Evaluation\n"
        "given = ['DECODING=@decode.greedy', 'INITIAL_CHECKPOINT_PATH=x']\n"
        "given += ['MODEL_DIR=x', 'PROMPT_START=@init.random_uniform']\n"
        "files = ['gin/prompts/class_labels.gin', 'gin/runs/prompt_tune.gin']\n"
        "config.parse(files, given)\n"
        "print(config.configured(Evaluation)().search.__name__)\n"
        "text = config.text()\n"
        "assert '@decode.greedy' in text, text\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout == "greedy\n", done.stderr
