"""`spot_jax infer`: an answer for every line, as people mean lines."""

import io
import json
import logging

import numpy as np
import pytest

from spot_jax import config
from spot_jax.__main__ import main
from spot_jax.infer import infer
from spot_jax.model import weights
from spot_jax.prompts import files
from spot_jax.settings import Data, Evaluation, Model
from spot_jax.t5.decode import sample
from tests import own_tasks, runs
from tests.bundles import soft

# One line each, whatever str.splitlines says, and the second is empty.
LINES = ["Ada ate\u2028 the\x85 soup\x0c.", "", "Ben saw\x1c Orion\v. \r?", "lovely"]


@pytest.fixture(scope="module")
def given(demo_model):
    """What every call shares."""
    bindings = [f"{name}={value}" for name, value in demo_model.items()]
    bindings += ["DROPOUT_RATE=0.0", "MIXTURE_OR_TASK_NAME=x"]
    config.parse(["tests/demo.gin", "gin/runs/shared.gin"], bindings)
    lengths = {"inputs": 64, "targets": 8}
    return {
        "model": config.configured(Model)(),
        "data": Data("demo_food", lengths, demo_model["VOCABULARY"]),
        "evaluation": Evaluation(method="rank"),
        "prompt_file": None,
    }


@pytest.fixture
def unloaded(monkeypatch):
    """To load the model is an error: what is wrong has to be found before."""

    def load(*_):
        raise AssertionError("the model is loaded")

    monkeypatch.setattr(weights, "load", load)


def lines_of(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("place", ["file", "stdin"])
def test_a_line_ends_where_people_end_it(place, bom, end, given, tmp_path, monkeypatch):
    data = (bom + end.join(LINES) + end).encode("utf-8")
    (tmp_path / "inputs.txt").write_bytes(data)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    # HOME is written as people write it.
    monkeypatch.setenv("HOME", str(tmp_path))
    said = infer(
        output="~/out.jsonl",
        text_file="~/inputs.txt" if place == "file" else "-",
        **given,
    )
    assert [line["input"] for line in said] == LINES
    assert lines_of(tmp_path / "out.jsonl") == said


def test_lines_of_text_are_answered_as_the_task_is(given, tmp_path):
    files.write(tmp_path / "a.safetensors", soft(np.ones((5, 64))), {})
    options = given | {"prompt_file": str(tmp_path / "a.safetensors")}
    options["evaluation"] = Evaluation(method="rank", examples=6)
    of_task = infer(output=str(tmp_path / "a.jsonl"), **options)
    text = tmp_path / "inputs.txt"
    text.write_text("\n".join(line["input"] for line in of_task) + "\n")
    output = str(tmp_path / "b.jsonl")
    of_text = infer(output=output, text_file=str(text), **options)
    assert [line["prediction"] for line in of_text] == [
        line["prediction"] for line in of_task
    ]
    assert len(of_text) == 6


@pytest.mark.parametrize("content", [None, b"", b"\n\n", b"\xef\xbb\xbf \n"])
def test_text_that_is_not_there_is_refused(given, tmp_path, content, unloaded):
    path = tmp_path / "inputs.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="INFER_INPUT"):
        infer(output=str(tmp_path / "out.jsonl"), text_file=str(path), **given)


@pytest.mark.parametrize("data", [b"\xff\xfea\0\n\0", b"caf\xe9\n"])
@pytest.mark.parametrize("place", ["file", "stdin"])
def test_what_is_no_utf_8_is_one_message(
    place, data, given, tmp_path, monkeypatch, unloaded
):
    (tmp_path / "in.txt").write_bytes(data)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    text_file = str(tmp_path / "in.txt") if place == "file" else "-"
    with pytest.raises(ValueError, match="UTF.*Give INFER_INPUT a text file"):
        infer(output=str(tmp_path / "out.jsonl"), text_file=text_file, **given)


def test_a_split_whose_labels_are_hidden_is_answered(given, tmp_path):
    own_tasks.add("hidden_food", ["good", "<unk>"], ("bad", "good"))
    # A hidden target has more pieces than a label.
    short = own_tasks.options(given) | {"lengths": {"inputs": 64, "targets": 2}}
    options = given | {"data": Data("hidden_food", **short)}
    said = infer(output=str(tmp_path / "out.jsonl"), **options)
    assert [line["prediction"] in ("bad", "good") for line in said] == [True, True]


def test_inputs_that_were_not_kept_as_text_are_decoded(given, tmp_path):
    own_tasks.add("ids_food", ["good", "bad"], ("bad", "good"), keep=False)
    options = given | {"data": Data("ids_food", **own_tasks.options(given))}
    said = infer(output=str(tmp_path / "out.jsonl"), **options)
    assert [line["input"] for line in said] == own_tasks.INPUTS


def colder(**options):
    return lambda *given, **more: sample(*given, **options, **more)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"output": "{}"}, "INFER_OUTPUT .* is a folder"),
        ({"output": "{}/in.txt", "text_file": "{}/in.txt"}, "INFER_INPUT, whose lines"),
        ({"output": "gs://bucket/out.jsonl"}, "INFER_OUTPUT is gs://bucket"),
        ({"prompt_file": "{}/typo.safetensors"}, "no prompt file .*typo"),
        ({"prompt_file": "{}/wide.safetensors"}, r"wide.* \[2, 65\].*another size"),
        ({"text_file": "{}"}, "cannot be read"),
        ({"evaluation": Evaluation(search=colder(top_k=10**6))}, "top_k.* 1000000"),
        ({"evaluation": Evaluation(search=colder(temperature=0))}, "Use greedy"),
        ({"data": "demo_text"}, "demo_text has no set of labels to rank"),
        ({"data": "demo_text", "text_file": "{}/in.txt"}, "no set of labels to rank"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_is_found_before_the_model_is_loaded(
    more, words, given, tmp_path, unloaded
):
    (tmp_path / "in.txt").write_text("a\n")
    files.write(tmp_path / "wide.safetensors", soft(np.ones((2, 65))), {})
    told = {
        name: value.replace("{}", str(tmp_path)) if isinstance(value, str) else value
        for name, value in more.items()
    }
    if "data" in told:
        told["data"] = Data(told["data"], **own_tasks.options(given), truncate=True)
    with pytest.raises(ValueError, match=words):
        infer(**{"output": str(tmp_path / "out.jsonl")} | given | told)
    assert (tmp_path / "in.txt").read_text() == "a\n"


def test_a_mistyped_prompt_costs_no_model(demo_model, tmp_path, capsys):
    values = demo_model | {
        **{"MIXTURE_OR_TASK_NAME": "demo_food", "INFER_INPUT": "None"},
        **{"PROMPT_FILE": "typo", "INFER_OUTPUT": tmp_path / "out.jsonl"},
    }
    bindings = [f"{name}={value}" for name, value in values.items()]
    with pytest.raises(SystemExit) as stopped:
        main(
            runs.command("infer", bindings, ["tests/demo.gin", "gin/runs/infer.gin"])[
                3:
            ]
        )
    logging.getLogger("spot_jax").handlers.clear()
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "no prompt file typo" in said
    assert "Loading the T5" not in said


def test_a_prompt_of_another_vocabulary_is_refused_before_the_model_is_loaded(
    given, unloaded, tmp_path
):
    path = tmp_path / "best.safetensors"
    told = {"fingerprint": "b" * 64, "path": "theirs.model", "extra_ids": 0}
    files.write(path, soft(np.ones((5, 64), np.float32)), {"vocabulary": told})
    with pytest.raises(ValueError, match="made with the vocabulary theirs.model"):
        infer(output=str(tmp_path / "out"), **{**given, "prompt_file": str(path)})
