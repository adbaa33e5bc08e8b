"""--help and --macros: at once, with an example that runs and values that are true."""

import ast
import contextlib
import importlib
import io
import json
import re
import shlex
import subprocess
import sys

import gin
import pytest

from spot_jax import config
from spot_jax.__main__ import EXAMPLES, PROGRAMS, _module_of, main
from spot_jax.config import code, listing
from spot_jax.config.macros import resolved
from spot_jax.errors import InputError
from spot_jax.rows import flags
from tests.test_gin import GIVEN, MODEL, PROMPT, files

CONFIGURED = ("train", "evaluate", "infer")
# Help of all programs in one process, with what it imported so far.
_ALL_HELP = f"""
import contextlib, io, json, sys
from spot_jax.__main__ import main
for program in {[*CONFIGURED, *(p for p in PROGRAMS if p not in CONFIGURED)]}:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        main([program, "--help"])
    heavy = [m for m in ("jax", "pandas", "tensorflow", "seqio") if m in sys.modules]
    print(json.dumps([program, said.getvalue(), heavy]))
"""


@pytest.fixture(scope="module")
def helps():
    """{program: (its help, what was imported until then)}, and stderr."""
    done = subprocess.run(
        [sys.executable, "-c", _ALL_HELP], capture_output=True, text=True
    )
    lines = map(json.loads, done.stdout.splitlines())
    return {program: (said, heavy) for program, said, heavy in lines}, done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_says_what_a_program_does_and_shows_an_example(helps, program):
    said, heavy = helps[0][program]
    assert said.startswith("usage: spot_jax " + program)
    assert re.search(r"^[A-Z].*\.$", said, re.MULTILINE), "no sentence"
    assert said.endswith(f"\nexample:{EXAMPLES[program]}\n")
    # Who asks for help waits for no library of seconds.
    assert not {"tensorflow", "seqio", "pandas"} & {*heavy}
    assert program not in CONFIGURED or not heavy
    assert not helps[1]


def arguments(program: str) -> list[str]:
    """Returns the example's arguments as a shell would give them."""
    first, second, *rest = shlex.split(EXAMPLES[program].replace("\\\n", " "))
    assert [first, second] == ["spot_jax", program]
    return rest


@pytest.mark.parametrize("program", EXAMPLES)
def test_every_example_is_understood(program):
    given = arguments(program)
    if any(argument.startswith("--gin_file") for argument in given):
        config.parse_flags(program, given, None if program == "study" else flags)
        assert config.text()
    else:
        assert importlib.import_module(_module_of(program))._parse(given)
    assert set(EXAMPLES) == set(PROGRAMS)


def test_the_examples_of_rows_of_ones_own_run_one_after_another(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    rows = [f"a {mood} film {n}" for n in range(10) for mood in ("good", "bad")]
    lines = [f"{text},{text.split()[1]}" for text in rows]
    (tmp_path / "my.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    (tmp_path / "texts.txt").write_text("\n".join(rows[:3]) + "\n")
    # As they stand they take three times as long.
    less = ["--gin.EVAL_BATCH_SIZE=2"]
    less = {"train": [*less, "--gin.TRAIN_STEPS=10", "--gin.BATCH_SIZE=2"]} | {
        program: less for program in ("evaluate", "infer")
    }
    for program in (*CONFIGURED, "library"):
        given = [*arguments(program), *less.get(program, [])]
        importlib.import_module(_module_of(program)).main(given)
    assert (tmp_path / "runs/mood/prompts/mood-seed0/embedding.safetensors").exists()
    assert (tmp_path / "runs/mood/scores/metrics.json").exists()
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 1 + 3
    assert "mood-seed0: added" in capsys.readouterr().out


@pytest.mark.parametrize("path", files("runs"))
def test_listed_macros_have_the_values_of_the_run_and_a_meaning(path):
    given = [MODEL, PROMPT, path]
    config.parse(given, GIVEN)
    text = config.text().splitlines()
    macros = listing.macros_of(given, GIVEN)
    used = set(re.findall(r"%([A-Za-z_]\w*)", gin.config_str()))
    assert {macro.name for macro in macros} == used
    for name, value, meaning in macros:
        assert meaning and "\n" not in meaning
        if "@" in value:
            assert f"{name} = {value}" in text
        else:
            # 2**19 is shown as it stands in the code.
            assert eval(value) == resolved(config.value(name)), name


def test_what_has_to_be_given_has_no_value():
    macros = {m.name: m for m in listing.macros_of(["gin/runs/evaluate.gin"])}
    assert macros["PROMPT_FILES"].value is None  # %gin.REQUIRED
    assert macros["INITIAL_CHECKPOINT_PATH"].value is None  # no default
    assert macros["EVAL_SPLIT"].value == "'validation'"
    assert macros["EVAL_SPLIT"].meaning == "which split"
    followed = {m.name: m.value for m in listing.macros_of(["gin/runs/infer.gin"])}
    assert followed["PROMPT_FILES"] == "%PROMPT_FILE"


def shown(*argv: str) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), pytest.raises(SystemExit) as stopped:
        main([*argv])
    assert stopped.value.code == 0
    return said.getvalue()


def test_values_are_of_the_files_and_bindings_of_the_command_line():
    run = "--gin_file=gin/runs/miniature_prompt.gin"
    said = shown("train", "--help", run, "--gin.BATCH_SIZE=3", "--gin.T5Config.heads=2")
    assert "BATCH_SIZE=3" in said.split()
    assert "TASK_FEATURE_LENGTHS={'inputs': 112, 'targets': 24}" in said
    assert "to be given, here or by a gin file: MIXTURE" not in said
    # Without a run, those of the usual one.
    said = shown("train", "--macros", "--gin_file=gin/models/spot_tiny.gin")
    assert "\nTRAIN_STEPS = 30000\n    the run's own" in said
    assert "\nVOCABULARY = 'spot_tiny'\n" in said
    assert "example:" not in said


def test_files_of_ones_own_are_listed_and_not_imported(tmp_path):
    (tmp_path / "mine.gin").write_text(
        "from __gin__ import dynamic_registration\nimport no_such_module\n"
        "include 'gin/runs/shared.gin'\n"
        "no_such_module.Kind.width = %MY_WIDTH\nBEAMS = %MY_BEAMS\nMY_BEAMS = [1]\n"
    )
    macros = {m.name: m for m in listing.macros_of(["mine.gin"], [], [str(tmp_path)])}
    assert macros["MY_WIDTH"] == ("MY_WIDTH", None, "`width` of no_such_module.Kind")
    assert macros["MY_BEAMS"].value == macros["BEAMS"].value == "[1]"
    assert macros["MY_BEAMS"].meaning.startswith("how many hypotheses to keep")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("include 'one.gin'", "circle"),
        ("include 'two.gin'", "There is no gin file two.gin"),
        ("A = [", "does not parse"),
        ("A = \x00", "does not parse"),
    ],
)
def test_a_file_that_cannot_be_listed_is_one_message(text, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.gin").write_text(text)
    with pytest.raises(InputError, match=told):
        config.parse_flags("train", ["--help", "--gin_file=one.gin"], flags)


def test_macros_in_a_circle_are_listed_as_they_stand(tmp_path):
    (tmp_path / "one.gin").write_text("A = %B\nB = %A\nC = %C\n")
    found = listing.macros_of([str(tmp_path / "one.gin")])
    assert {m.name: m.value for m in found} == {"A": "%B", "B": "%A", "C": "%C"}


_CODE = '''
import dataclasses
LIMIT = 2**3
def greedy(x): ...
@dataclasses.dataclass
class Made:
    """Made up.

    Attributes:
        size: SIZE, how
            large. More.
        other: else.
    """
    size: int = LIMIT
    must: str = ...
    maps: dict = dataclasses.field(default_factory=dict)
def act(a, b=1, *, c=greedy, d):
    """Acts at once. And more."""
'''
_SIZE = "`size` of Made: Made up"


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (
            ("Made", "size"),
            ("2 ** 3", "SIZE, how large. More.", "`size` of Made: Made up"),
        ),
        (("Made", "must"), (None, "", "`must` of Made: Made up")),
        (("Made", "maps"), ("{}", "", "`maps` of Made: Made up")),
        (("Made", "gone"), (None, "", "`gone` of Made: Made up")),
        (("act", "a"), (None, "", "`a` of act: Acts at once")),
        (("act", "b"), ("1", "", "`b` of act: Acts at once")),
        (("act", "c"), ("@made.greedy", "", "`c` of act: Acts at once")),
        (("act", "d"), (None, "", "`d` of act: Acts at once")),
    ],
)
def test_the_code_says_defaults_and_meanings(of, expected, monkeypatch):
    trees = {"spot_jax.made": ast.parse(_CODE)}
    monkeypatch.setattr(code, "_tree", trees.get)
    function, name = of
    assert code.parameter(f"spot_jax.made.{function}", name) == expected
