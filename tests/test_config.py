import re
from collections.abc import Sequence

import pytest

from spot_jax import config
from spot_jax.campaign.cost import Sizes
from spot_jax.campaign.plan import Study
from spot_jax.errors import InputError
from spot_jax.scoring.domain_shift import DomainShift
from spot_jax.scoring.nearest_pieces import Nearest
from spot_jax.settings import Data, Evaluation, Prompts, Training
from spot_jax.t5 import T5Config, decode
from spot_jax.train import train
from tests import runs

_MODEL = {
    "INITIAL_CHECKPOINT_PATH": "/nowhere",
    "TASK_FEATURE_LENGTHS": "{'inputs': 32, 'targets': 8}",
}
# The shape of gin/models/spot_tiny.gin.
_TINY = T5Config(
    **dict(d_model=128, heads=4, d_head=32, d_mlp=256, vocab_size=1344),
    **dict(encoder_layers=3, decoder_layers=3),
)
_HEAD = "from __gin__ import dynamic_registration\nfrom spot_jax import settings\n"
# From files of the time before `scoring` and `campaign`, shortened.
_OLD = {
    "domain_shift": """
from spot_jax import domain_shift
from spot_jax import evaluate

HOME_TASK = None
LABEL_MAPS = {'mrpc': {'a': 'b'}}
evaluate.evaluate.domain_shift = @domain_shift.DomainShift()
domain_shift.DomainShift.home = %HOME_TASK
domain_shift.DomainShift.label_maps = %LABEL_MAPS
""",
    "nearest": """
from spot_jax import evaluate
from spot_jax import nearest  # For its pieces.

NEAREST_PIECES = 5
evaluate.evaluate.data = None
evaluate.evaluate.nearest = @nearest.Nearest()
nearest.Nearest.count = %NEAREST_PIECES
nearest.Nearest.vocabulary = %VOCABULARY
""",
    "study": """
from spot_jax.studies import cost
from spot_jax.studies import plan
from spot_jax.prompts import init
from spot_jax import study

BANK_SIZE = 8
BATCH_SIZE = 32
EVALUATOR_NUM_EXAMPLES = None
EXPECTED_LENGTHS = {'inputs': 200, 'targets': 8}
SIMILARITY = 'per_token'
cost.Sizes.batch_size = %BATCH_SIZE
cost.Sizes.config = %ARCHITECTURE
cost.Sizes.examples = %EVALUATOR_NUM_EXAMPLES
cost.Sizes.lengths = %EXPECTED_LENGTHS
cost.Sizes.prompt_length = 100
plan.Study.average_ks = [1]
plan.Study.bank_size = %BANK_SIZE
plan.Study.best_ks = [1]
plan.Study.embedding_step = 10
plan.Study.measure = %SIMILARITY
plan.Study.mixture_eval_examples = None
plan.Study.mixture_ks = [1]
plan.Study.seeds = [0]
plan.Study.source_eval_examples = None
plan.Study.source_eval_period = 5
plan.Study.source_steps = 20
plan.Study.sources = ['qqp']
plan.Study.stages = ['sources']
plan.Study.target_eval_period = 5
plan.Study.target_steps = 10
plan.Study.targets = ['rte']
study.study.plan = @plan.Study()
study.study.sizes = @cost.Sizes()
study.study.source_start = @init.sampled_vocabulary
""",
}


def test_a_run_of_a_program_has_a_configuration_of_its_own(tmp_path):
    config.parse(runs.FILES, runs.bindings(tmp_path, _MODEL))
    config.override(["TRAIN_STEPS=5", "BANK=[('a', 0, None)]", "RANDOM_SEED=%EVERY"])
    config.override(["TRAIN_STEPS=6", "EVERY=[3]"])
    assert config.configured(Training)().steps == 6
    made = config.configured(Prompts)()
    assert made.bank == [("a", 0, None)]
    assert made.seeds == (3,)
    assert made.length == 5
    assert "TRAIN_STEPS = 6" in config.text()


def test_an_override_that_does_not_parse_is_one_message():
    with pytest.raises(ValueError, match="does not parse"):
        config.override(["train.train.=3"])


def parse(tmp_path, text: str, *bindings: str) -> None:
    """Parses the text of a file."""
    (tmp_path / "one.gin").write_text(_HEAD + text)
    config.parse([str(tmp_path / "one.gin")], bindings)


def test_a_macro_that_nobody_sets_has_the_default_of_its_parameter(tmp_path):
    text = "settings.Training.log_period = %N\nsettings.Training.steps = 1"
    parse(tmp_path, text)
    assert config.value("N") == config.configured(Training)().log_period == 100
    parse(tmp_path, text, "N=7")
    assert config.configured(Training)().log_period == 7


def test_a_default_goes_through_macros_that_are_bound_to_macros(tmp_path):
    parse(tmp_path, "settings.Evaluation.rows = %INNER\nINNER = %OUTER\n")
    assert config.value("OUTER") == config.configured(Evaluation)().rows == 32


def test_a_default_is_a_fresh_value_or_a_function(tmp_path):
    parse(
        tmp_path,
        "settings.Evaluation.search = %SEARCH\nsettings.Data.mixtures = %MIXTURES\n"
        "settings.Data.names = 'a'\nsettings.Data.vocabulary = 'v'\n"
        "settings.Data.lengths = {'inputs': 1, 'targets': 1}\n",
    )
    assert config.configured(Evaluation)().search.__wrapped__ is decode.greedy
    assert config.configured(Data)().mixtures == {}
    assert "SEARCH = @decode.greedy" in config.text()


@pytest.mark.parametrize(
    "bindings",
    [
        "settings.Training.steps = %N",
        "settings.Training.log_period = %N\nsettings.Training.keep = %N",
        "settings.Training.steps = [%N]",
    ],
)
def test_a_macro_without_a_default_or_with_two_is_not_set(tmp_path, bindings):
    with pytest.raises(ValueError, match=r"macro N is not set; --gin.N=VALUE"):
        parse(tmp_path, bindings)


def test_a_default_counts_where_another_parameter_has_none(tmp_path):
    parse(tmp_path, "settings.Training.log_period = %N\nsettings.Training.steps = %N")
    assert config.configured(Training)().steps == 100


def test_none_gives_way_to_the_default_of_another(tmp_path):
    """A Model's rate of None is its config's, which has one."""
    head = "from spot_jax.t5 import config as t5\nsettings.Model.dropout_rate = %RATE\n"
    parse(tmp_path, head + "t5.T5Config.dropout_rate = %RATE")
    assert config.value("RATE") == 0.1
    parse(tmp_path, head)
    assert config.value("RATE") is None


def test_an_override_that_refers_to_a_new_macro_has_its_default(tmp_path):
    parse(tmp_path, "settings.Training.steps = 1\n")
    config.override(["settings.Training.pack=%PACK"])
    assert config.value("PACK") is True


def test_a_default_may_be_a_class_and_no_address_is_written(tmp_path):
    parse(
        tmp_path,
        "settings.Prompts.kind = %KIND\nsettings.Prompts.length = 1\n"
        "settings.Prompts.starts = []",
    )
    assert "KIND = @soft.SoftPrompt" in config.text()
    assert " at 0x" not in config.text()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("domain_shift", DomainShift(None, {"mrpc": {"a": "b"}})),
        ("nearest", Nearest(5, "spot_tiny")),
        (
            "study",
            Study(
                **dict(sources=["qqp"], targets=["rte"], seeds=[0], stages=["sources"]),
                **dict(source_steps=20, target_steps=10, embedding_step=10),
                **dict(source_eval_period=5, target_eval_period=5, bank_size=8),
                **dict(best_ks=[1], average_ks=[1], mixture_ks=[1]),
            ),
        ),
        ("study", Sizes(_TINY, 100, 32, {"inputs": 200, "targets": 8})),
    ],
)
def test_old_names_of_modules_are_read_also_in_files_that_are_included(
    tmp_path, given, expected
):
    (tmp_path / "old.gin").write_text(_HEAD + _OLD[given])
    (tmp_path / "new.gin").write_text(f"include '{tmp_path}/old.gin'\n")
    config.parse(["gin/models/spot_tiny.gin", str(tmp_path / "new.gin")])
    assert config.configured(type(expected))() == expected
    (tmp_path / "again.gin").write_text(config.text())
    config.parse([str(tmp_path / "again.gin")])
    assert config.configured(type(expected))() == expected


def test_an_old_file_beside_a_new_one_leaves_one_name_of_a_module(tmp_path):
    (tmp_path / "old.gin").write_text(_HEAD + _OLD["nearest"])
    given = ["PROMPT_FILES=[]", "EVAL_OUTPUT_DIR=/nowhere", "NEAREST_PIECES=3"]
    model = "gin/models/spot_tiny.gin"
    run = "gin/runs/nearest_pieces.gin"
    given += ["INITIAL_CHECKPOINT_PATH=spot_tiny"]
    config.parse([model, str(tmp_path / "old.gin"), run], given)
    assert config.configured(Nearest)().count == 3
    assert "from spot_jax.scoring import nearest_pieces\n" in config.text()
    assert "@nearest_pieces.Nearest()" in config.text()


DAMAGED = {
    "files in a circle": ("include 'one.gin'", "circle"),
    "macros in a circle": ("A = %B\nB = %A", "A = %B = %A are set to each other"),
    "a macro of itself": ("A = [%A]", "A = %A are set to each other"),
    "brackets": ("A = " + "[" * 3000, "one.gin, line 2: EOF"),
    "nested brackets": ("A = " + "[" * 3000 + "]" * 3000, "nest without end"),
    "an open bracket": ("A = 1\nB = (2,\n", "one.gin, line 3: EOF in multi-line"),
    "an open string": ("A = '''b\n", "one.gin, line 1: EOF in multi-line"),
    "another indent": ("  A = 1\n B = 2\n", "one.gin, line 2: unindent"),
    "a number without end": ("A = " + "9" * 5000, "4300 digits"),
    "what nothing imports": (
        "from __gin__ import dynamic_registration\nA = @os.system()",
        "'os' was not provided by an import",
    ),
    "UTF-16": ("A = 1".encode("utf-16"), "one.gin is UTF-16; save it as UTF-8"),
    "no text": (b"A = '\xff'", "one.gin is not UTF-8"),
    "nothing to set": ("", "A sets nothing; write A=VALUE"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_configuration_is_one_message(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, message = DAMAGED[case]
    path = tmp_path / "one.gin"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=re.escape(message)):
        config.parse([str(path)], [] if text else ["A"])


def test_a_byte_order_mark_is_no_part_of_a_configuration(tmp_path):
    path = tmp_path / "one.gin"
    path.write_bytes(b"\xef\xbb\xbfA = 1\n")
    config.parse([str(path)])
    assert config.value("A") == 1


def _write(labels: str | Sequence[str] | None, folder: str, rate: float = 0.1):
    return labels, folder, rate


_WRITE = """
from __gin__ import dynamic_registration
from tests import test_config
test_config._write.labels = %LABELS
test_config._write.folder = %FOLDER
test_config._write.rate = %RATE
"""


@pytest.mark.parametrize(
    ("bindings", "given"),
    [
        (["LABELS=yes", "FOLDER=a"], ("yes", "a", 0.1)),
        (["LABELS=[yes, no]", "FOLDER=20241126"], (["yes", "no"], "20241126", 0.1)),
        (["LABELS=None", "FOLDER=1_0", "RATE=1"], (None, "1_0", 1)),
        (["LABELS=True", "FOLDER=1e5"], ("True", "1e5", 0.1)),
    ],
)
def test_numbers_are_text_where_text_is_wanted(bindings, given, tmp_path):
    path = tmp_path / "one.gin"
    path.write_text(_WRITE)
    config.parse([str(path)], bindings)
    assert config.configured(_write)() == given


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("LABELS=[True, False]", r"LABELS is \[True, False\]; it takes str \| Sequ"),
        ("LABELS=[[1]]", r"LABELS is \[\[1\]\]"),
        ("FOLDER=None", "FOLDER is None; it takes str"),
        ("FOLDER=[a]", "FOLDER is .'a'.; it takes str"),
        ("RATE=None", "RATE is None; it takes float"),
        ("RATE=True", "RATE is True; it takes float"),
        ("RATE=1e999", "RATE is inf; it takes float, and finite numbers"),
        ("RATE='1'", "RATE is '1'; it takes float"),
    ],
)
def test_a_value_of_another_type_is_refused(binding, message, tmp_path):
    path = tmp_path / "one.gin"
    path.write_text(_WRITE)
    config.parse([str(path)], ["FOLDER=a", "LABELS=None", binding])
    with pytest.raises(InputError, match=message):
        config.configured(_write)
    # What is not called may have any value.
    config.configured(Training)


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("CLASS_LABELS=[True, False]", "CLASS_LABELS is .True, False.; it takes"),
        ("LEARNING_RATE=None", "LEARNING_RATE is None; it takes float"),
        ("LEARNING_RATE='0.3'", "LEARNING_RATE is '0.3'; it takes float"),
        ("TEMPERATURE=hot", "TEMPERATURE is 'hot'; it takes float"),
        ("TOP_K=2.5", "TOP_K is 2.5; it takes int"),
        ("T5Config.heads=four", "heads is 'four'; it takes int"),
        ("TRAIN_STEPS=True", "TRAIN_STEPS is True; it takes int"),
        ("DROPOUT_RATE=x", "DROPOUT_RATE is 'x'; it takes float"),
    ],
)
def test_what_a_run_calls_in_the_end_is_checked_before_it_begins(
    binding, message, tmp_path
):
    more = ["DECODING=@decode.sample"]
    config.parse(runs.FILES, [*runs.bindings(tmp_path, _MODEL), *more, binding])
    with pytest.raises(InputError, match=message):
        config.configured(train)
