"""What a header's configuration becomes: values, and never code that runs."""

import json
import pathlib
import shlex
import subprocess
import sys

import pytest

from spot_jax import config, transfer
from spot_jax.model_dir.described import described
from spot_jax.prompts import files
from spot_jax.prompts.library import Library
from spot_jax.retrieval import next_runs, recipes
from spot_jax.settings import Training
from tests import library_on_disk
from tests.bundles import soft
from tests.library_on_disk import entry, towards, write_target

MODEL = "gin/models/t5_1_1_base.gin"
STARTS = [
    f"gin/prompts/{name}.gin"
    for name in ("class_labels", "from_file", "random_uniform", "sampled_vocabulary")
]
GIVEN = {
    "MIXTURE_OR_TASK_NAME": "rte",
    "TASK_FEATURE_LENGTHS": "{'inputs': 512, 'targets': 8}",
    "INITIAL_CHECKPOINT_PATH": "t5",
    "MODEL_DIR": "/run",
    "VOCABULARY": "/v",
}
# A run, and what it is given besides.
RUNS = [
    *(([MODEL, start, "gin/runs/prompt_tune.gin"], {}) for start in STARTS),
    ([MODEL, STARTS[0], "gin/runs/source_prompt.gin"], {"OPTIMIZER": "@optim.adamw"}),
    ([MODEL, STARTS[0], "gin/runs/target_prompt.gin"], {"MIXTURES": "{'a': ['rte']}"}),
    ([STARTS[0], "gin/runs/miniature_prompt.gin"], {"RANDOM_SEED": "[0, 1, 2]"}),
    (["gin/prompts/sampled_vocabulary.gin", "gin/runs/demo.gin"], {}),
    *(
        ([MODEL, "gin/runs/prompt_tune.gin", f"gin/prompts/{kind}.gin"], {})
        for kind in ("p_tuning_v2", "prefix_tuning", "p_tuning", "deep_prompt")
    ),
    (
        [MODEL, STARTS[0], "gin/runs/prompt_tune.gin"],
        {
            "DECODING": "@beam.beam_search",
            "SCHEDULE": "@optim.linear_warmup_decay()",
            "BANK": "[('rte', 0, None), ('cb', 1, 'a/best.safetensors')]",
            "adafactor.decay_rate": 0.5,
            "CLASS_LABELS": "['it\\'s', 'd\u00e9j\u00e0 @os.system() %X # no']",
        },
    ),
]


def parsed(gin, values) -> str:
    given = {k: v for k, v in GIVEN.items() if "spot_tiny" not in str(gin)} | values
    given = {"PROMPT_FILE": "/p"} | given
    config.parse(gin, [f"{name}={value}" for name, value in given.items()])
    return config.text()


@pytest.mark.parametrize(("gin", "values"), RUNS)
def test_a_run_of_ours_goes_on_as_it_was(gin, values, tmp_path):
    before = parsed(gin, values)
    recipe = recipes.read(before)
    assert recipe.left_out == ()
    assert recipe.values["TRAIN_STEPS"] > 0
    (tmp_path / "target.gin").write_text(recipe.text)
    # The start and the folder are the next run's own.
    own = {"MODEL_DIR": "/run", "PROMPT_FILE": "/p"}
    start = next(path for path in gin if path.startswith("gin/prompts"))
    again = [str(tmp_path / "target.gin"), start]
    config.parse(again, [f"{name}={value}" for name, value in own.items()])
    assert config.text() == before


def test_the_run_of_a_study_goes_on_without_its_study():
    config.parse(["gin/runs/study.gin"], ["STUDY_DIR=/study", "VOCABULARY=/v"])
    recipe = recipes.read(config.text())
    assert recipe.left_out == () and "plan." not in recipe.text


def test_what_is_no_gin_is_no_recipe():
    begun = described(Training(steps=3))
    for text in ("", begun):
        assert recipes.read(text) == recipes.Recipe("", {}, ())


def test_a_kind_of_ones_own_is_left_out_and_named():
    own = ["tests/demo_model.gin", *STARTS[:1], "gin/runs/prompt_tune.gin"]
    text = parsed([*own, "tests/low_rank.gin"], {})
    recipe = recipes.read(text)
    assert set(recipe.left_out) == {
        "from tests import low_rank",
        "PROMPT = @low_rank.LowRankPrompt",
        "low_rank.LowRankPrompt.rank = 3",
    }
    assert "low_rank" not in recipe.text and "d_model = 64" in recipe.text
    told = recipes.remark("rte-seed0", recipe, next_runs.CODE)
    assert "PROMPT = @low_rank.LowRankPrompt" in told and "YOUR_CODE.gin" in told


HOSTILE = [
    "MIXTURE_OR_TASK_MODULE = 'evil'",
    "MIXTURE_OR_TASK_MODULE = %LABELS",
    "settings.Data.modules = ['evil']",
    "spot_jax.settings.Data.modules = %EVIL",
    "import os",
    "import evil",
    "from spot_jax.model_dir import storage\nX = @storage.remove_folder()",
    "from os import system as spot_jax",
    "import spot_jax, os",
    "include '/etc/passwd'",
    "include 'evil.gin'",
    "LEARNING_RATE = @os.system()",
    "LEARNING_RATE = @settings.os.system()",
    "LEARNING_RATE = @evil/settings.Model()",
    "LEARNING_RATE = [@os.system()]",
    "LEARNING_RATE = {'a': @os.system()}",
    "LEARNING_RATE = (1).__class__",
    "LEARNING_RATE = __import__('os').mkdir('made')",
    "LEARNING_RATE = 1\\\n  import os",
    "LEARNING_RATE = 1e999",
    "LEARNING_RATE = b'1'",
    "LEARNING_RATE = {1, 2}",
    "LEARNING_RATE = " + "[" * 3000,
    "LEARNING_RATE = " + "9" * 5000,
    "os.system.command = 'touch made'",
    "settings:\n  x = 1",
    "train.train.model_dir = '/elsewhere'",
    "train.train.model_dir = %VOCABULARY",
    "train.train.model = @settings.Data()",
    "x/train.train.seed = 3",
    "settings.Model.class = 3",
    "gin.macro.value = 3",
    "x = 1",
    "\x0bimport os",
    "\u2028import os",
    "TRAIN_STEPS",
    "@os.system()",
]


@pytest.mark.parametrize("statement", HOSTILE, ids=lambda text: repr(text[:40]))
def test_what_is_no_value_of_a_setting_is_left_out(statement):
    recipe = recipes.read(f"TRAIN_STEPS = 7\n{statement}\nBATCH_SIZE = 2\n")
    assert recipe.left_out
    assert recipe.text == "\n".join(
        [recipes._IMPORTS, "TRAIN_STEPS = 7", "BATCH_SIZE = 2", ""]
    )
    told = recipes.remark("rte-seed0", recipe, "YOURS.gin")
    assert told.isprintable() and len(told) < 500


def test_text_that_looks_like_code_stays_text(tmp_path):
    text = "a'\n\"import os\n@os.system() %X \\ \u2028 \x1b"
    path = tmp_path / "target.gin"
    recipe = recipes.read(f"MIXTURE_OR_TASK_NAME = {text!r}\n")
    path.write_text(recipe.text, encoding="utf-8")
    gin = [MODEL, STARTS[0], "gin/runs/prompt_tune.gin", str(path)]
    given = GIVEN | {"MIXTURE_OR_TASK_NAME": "rte"}
    del given["MIXTURE_OR_TASK_NAME"]
    config.parse(gin, [f"{name}={value}" for name, value in given.items()])
    assert config.value("MIXTURE_OR_TASK_NAME") == text


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """A folder that appears when a header's code has run, and that code."""
    made = tmp_path / "made"
    code = f"import pathlib\npathlib.Path({str(made)!r}).mkdir(exist_ok=True)\n"
    (tmp_path / "evil.py").write_text(code)
    (tmp_path / "evil.gin").write_text("import evil\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield (
        made,
        "from __gin__ import dynamic_registration\nimport os\nimport evil\n"
        f"include {str(tmp_path / 'evil.gin')!r}\n"
        f"x = @os.mkdir()\nLEARNING_RATE = @os.mkdir()\nos.mkdir.path = {str(made)!r}\n"
        "TRAIN_STEPS = 7\n",
    )
    sys.modules.pop("evil", None)


@pytest.mark.parametrize("method", ["best", "mixture"])
def test_the_code_in_a_header_never_runs(method, evil, tmp_path):
    made, text = evil
    library = library_on_disk.small_library(tmp_path / "library")
    library.add(entry("wic-seed0", "wic", 1, configuration=text))
    target = write_target(tmp_path / "target.safetensors", configuration=text)
    call = library_on_disk.caller(library, tmp_path)
    out, record = call(method, k=1, target=target)
    (told,) = record["targets"]
    for name in ("import os", "import evil", "x = @os.mkdir()"):
        assert name in " ".join(told["notes"])
    assert "--gin_file=YOUR_CODE.gin" in shlex.split(told["commands"][0])
    for path in out.glob("*.gin"):
        assert "evil" not in path.read_text() and "mkdir" not in path.read_text()
        if path.name != "mixture.gin":
            assert "TRAIN_STEPS = 7" in path.read_text()
    gin = [*sorted(map(str, out.glob("*.gin"))), STARTS[0], "gin/runs/prompt_tune.gin"]
    config.parse([MODEL, *gin], [f"{name}={value}" for name, value in GIVEN.items()])
    assert not made.exists()


NASTY = "a'; touch made; $(touch made) `touch made` \"%X @os.system() ../.. [b"


def test_a_command_is_one_command_whatever_headers_say(tmp_path):
    """A shell is asked what it would call, and gin what it would set."""
    library = Library(tmp_path / "library")
    model = {"fingerprint": "0123456789abcdef", "source": NASTY}
    for n, task in enumerate((NASTY, "@settings.Model()", "None", "7")):
        made = entry(f"a-seed{n}", task, 10 * n, model=model, configuration="")
        library.add(made)
    for number, task in enumerate((NASTY, "@settings.Model()", "[None]", "%X", "8")):
        target = write_target(
            tmp_path / f"{number}.safetensors", task=task, model=model
        )
        out = tmp_path / f"a 'b' $(touch made) {number}"
        of = [str(library.folder), "--target", str(target), "--out", str(out)]
        transfer.main([*of, "--method", "mixture", "--k", "2", "--include_target"])
        record = json.loads((out / "ranking.json").read_text())
        for command in record["targets"][0]["commands"]:
            called = subprocess.run(
                ["bash", "-c", f'spot_jax() {{ printf "%s\\0" "$@"; }}; {command}'],
                capture_output=True,
                check=True,
                cwd=tmp_path,
            ).stdout.decode("utf-8")
            words = called.split("\0")[:-1]
            assert ["spot_jax", *words] == shlex.split(command.replace("\\\n", ""))
            assert words[0] == "train" and all(w.startswith("--") for w in words[1:])
        tune = [word.partition("=")[2] for word in words if "TASK_NAME" in word]
        config.parse([MODEL, *STARTS[:1], "gin/runs/prompt_tune.gin"], _given(tune[0]))
        assert config.value("MIXTURE_OR_TASK_NAME") == task
    names = {path.name for path in tmp_path.iterdir()}
    assert "made" not in names
    assert not (pathlib.Path.cwd() / "made").exists()


def _given(task: str) -> list[str]:
    values = GIVEN | {"MIXTURE_OR_TASK_NAME": task}
    return [f"{name}={value}" for name, value in values.items()]


def test_what_is_written_lies_in_out(tmp_path):
    library = library_on_disk.small_library(tmp_path / "library")
    out = tmp_path / "new" / "out"
    targets = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    for path, name in zip(targets, ("rte-seed1", ".."), strict=True):
        files.write(path, soft(towards(0)), {"name": name, "task": "rte"})
    of = [str(library.folder), "--target", *map(str, targets), "--out", str(out)]
    with pytest.raises(ValueError, match="calls itself '..', which cannot name"):
        transfer.main([*of, "--method", "best", "--k", "1"])
    assert not out.parent.exists()
