"""`spot_jax infer`: an answer for every line, as people mean lines."""

import io
import json
import logging
import sys

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
from tests.test_tokenized_training import WITHOUT_TENSORFLOW

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
        "prompt_files": None,
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
    options = given | {"prompt_files": str(tmp_path / "a.safetensors")}
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
        ({"output": "s3://bucket/out.jsonl"}, "INFER_OUTPUT is s3://bucket"),
        ({"prompt_files": "{}/typo.safetensors"}, "no prompt file .*typo"),
        ({"prompt_files": "{}/wide.safetensors"}, r"wide.* \[2, 65\].*another size"),
        ({"text_file": "{}"}, "cannot be read"),
        ({"evaluation": Evaluation(search=colder(top_k=10**6))}, "top_k.* 1000000"),
        ({"evaluation": Evaluation(search=colder(temperature=0))}, "Use greedy"),
        ({"data": "demo_text"}, "demo_text has no set of labels to rank"),
        ({"data": "demo_text", "text_file": "{}/in.txt"}, "no set of labels to rank"),
        ({"data": "typo", "text_file": "{}/in.txt"}, "typo"),
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
        infer(output=str(tmp_path / "out"), **{**given, "prompt_files": str(path)})


MOOD = {"input": "mood: {text}", "labels": ["bad", "good"]}
ROWS = {
    "mood": MOOD | {"lengths": {"inputs": 64, "targets": 8}},
    "pair": {
        **{"input": "{one} or {two}", "labels": ["good", "soup"]},
        "lengths": {"inputs": 48, "targets": 4},
    },
    "tiny": MOOD | {"lengths": {"inputs": 4, "targets": 8}},
    "wide": {"input": "{body}", "lengths": {"inputs": 64, "targets": 8}},
    "plain": None,
}


@pytest.fixture(scope="module")
def prompts(tmp_path_factory) -> dict[str, str]:
    """The files of prompts by name; all but "plain" were trained on rows."""
    folder = tmp_path_factory.mktemp("prompts")
    draws = np.random.default_rng(0)
    for name, told in ROWS.items():
        vectors = soft(draws.normal(size=(3, 64)) * 3)
        story = {"name": name, "rows": told, "task": name}
        files.write(folder / f"{name}.safetensors", vectors, story)
    return {name: f"{folder}/{name}.safetensors" for name in ROWS}


@pytest.fixture
def asked(given, demo_model, tmp_path):
    """Asks prompts that were trained on rows; no task and no lengths are named."""
    vocabulary = demo_model["VOCABULARY"]

    def ask(paths, text_file=None, output=None, method="rank", rows=None, **options):
        settings = {
            "data": Data(rows=rows or {}, vocabulary=vocabulary),
            "evaluation": Evaluation(method=method),
            "output": output or str(tmp_path / "out.jsonl"),
        }
        settings |= {"prompt_files": paths, "text_file": text_file} | options
        return infer(**{"model": given["model"]} | settings)

    return ask


def texts_of(said) -> list[str]:
    return [line["input"] for line in said]


def test_a_line_stands_in_the_column_of_the_template(asked, prompts, tmp_path):
    (tmp_path / "in.txt").write_text("a {b}\n\nc\n")
    (tmp_path / "in.csv").write_text('text,more\n"a {b}",1\n"",2\nc,3\n')
    of_lines = asked(prompts["mood"], f"{tmp_path}/in.txt")
    assert texts_of(of_lines) == ["mood: a {b}", "mood: ", "mood: c"]
    assert {line["prediction"] for line in of_lines} <= {"bad", "good"}
    assert {line["prompt"] for line in of_lines} == {"mood"}
    assert lines_of(tmp_path / "out.jsonl") == of_lines
    assert asked(prompts["mood"], f"{tmp_path}/in.csv") == of_lines
    # Nobody has to know the answers, of which the file has no column.
    rows = {"x": {"files": {"test": f"{tmp_path}/in.csv"}}}
    assert asked(prompts["mood"], rows=rows) == of_lines
    told = {"x": rows["x"] | {"input": "{more}", "labels": ["soup", "film"]}}
    said = asked(prompts["mood"], rows=told)
    assert texts_of(said) == ["1", "2", "3"]
    assert {line["prediction"] for line in said} <= {"soup", "film"}


def test_each_row_asks_its_own_prompt(asked, prompts, tmp_path):
    rows = [
        {"text": "a", "one": "b", "two": "c", "who": "pair"},
        {"text": "d", "one": "e", "two": "f", "who": prompts["mood"]},
        {"text": "g", "one": "h", "two": "i", "who": "pair"},
    ]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    both = [prompts["mood"], prompts["pair"]]
    said = asked(both, str(path), prompt_column="who")
    assert texts_of(said) == ["b or c", "mood: d", "h or i"]
    assert [line["prompt"] for line in said] == ["pair", "mood", "pair"]
    assert said[0]["prediction"] in ("good", "soup")
    # Without the column each answers all, and each as it does alone.
    every = asked(both, str(path))
    assert [line["prompt"] for line in every] == ["mood", "pair"] * 3
    alone = [asked(one, str(path)) for one in both]
    for found, wanted in zip(every, sum(zip(*alone, strict=True), ()), strict=True):
        assert found == wanted | {"score": pytest.approx(wanted["score"], abs=1e-4)}
    by_row = [every[1], every[2], every[5]]
    assert [line["prediction"] for line in said] == [
        line["prediction"] for line in by_row
    ]


def test_text_is_cut_to_the_lengths_of_the_header(
    asked, prompts, tmp_path, unloaded, demo_model
):
    (tmp_path / "in.txt").write_text("Ada ate the soup and the soup\nA\n")
    with pytest.raises(ValueError, match=r"in.txt \(.*tiny.*1 of 2 .* than 4 tokens"):
        asked(prompts["tiny"], f"{tmp_path}/in.txt")
    data = Data(vocabulary=demo_model["VOCABULARY"], truncate=True)
    with pytest.raises(AssertionError, match="the model is loaded"):
        asked(prompts["tiny"], f"{tmp_path}/in.txt", data=data)


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        (["mood"], {"text_file": None}, "There is nothing to answer. .*INFER_INPUT"),
        (["pair"], {}, "template of .*pair.* has several columns, .* lines of text"),
        (["mood"], {"text_file": "in.tsv"}, "names the column 'text', .*'txt', 'who'"),
        (["mood"], {"text_file": "none.csv"}, "none.csv cannot be read"),
        (["plain"], {}, "plain.safetensors tells no template .*_TASK_NAME=plain"),
        (["mood", "plain"], {}, "plain.safetensors tells no template"),
        (["wide"], {}, "wide.safetensors has no set of labels to rank"),
        ([], {"prompt_column": "who"}, "The model alone tells no template"),
        (["wide"], {"text_file": "in.tsv", "prompt_column": "who"}, "it has 'wide'"),
        (["mood"], {"text_file": "who.csv", "prompt_column": "who"}, "'nobody', and"),
        (["mood"], {"prompt_column": "who"}, "names the column 'who'"),
        (["mood"], {"rows": {"x": {"files": {"test": "y"}}}}, "leave one of the two"),
        (["mood"], {"labels": ["x", "y"]}, "CLASS_LABELS has the labels 'x', 'y'"),
        (
            ["mood"],
            {"text_file": None, "rows": {"x": {"files": {"a": "b", "c": "d"}}}},
            "--rows gives a, c, of which one is answered",
        ),
    ],
)
def test_what_cannot_be_asked_is_found_before_the_model_is_loaded(
    names, options, words, asked, prompts, tmp_path, unloaded
):
    (tmp_path / "in.txt").write_text("a\n")
    (tmp_path / "in.tsv").write_text("txt\twho\na\tmood\n")
    (tmp_path / "who.csv").write_text("text,who\na,nobody\n")
    told = {"text_file": "in.txt"} | options
    if told["text_file"]:
        told["text_file"] = f"{tmp_path}/{told['text_file']}"
    if "labels" in told:
        told["evaluation"] = Evaluation(method="rank", labels=told.pop("labels"))
    with pytest.raises(ValueError, match=words):
        asked([prompts[name] for name in names], **told)


def test_prompts_of_other_models_are_not_asked_together(asked, tmp_path, unloaded):
    paths = []
    for name in ("0", "1"):
        paths.append(f"{tmp_path}/{name}.safetensors")
        model = {"fingerprint": name * 64, "source": name}
        files.write(paths[-1], soft(np.ones((2, 64))), {"model": model})
    (tmp_path / "in.txt").write_text("a\n")
    with pytest.raises(ValueError, match="no model is right for both"):
        asked(paths, f"{tmp_path}/in.txt")


# What gin/runs/infer.gin set once, and copies of it still do.
EARLIER = "ROWS={'text': {'files': {}}}"


@pytest.mark.parametrize("more", [[], [EARLIER]])
def test_the_command_reads_lines_and_writes_answers_and_nothing_else(
    more, demo_model, prompts
):
    values = [f"{k}={v}" for k, v in demo_model.items() if "LENGTHS" not in k]
    values += [f"PROMPT_FILE={prompts['mood']}", "EVALUATION=rank"]
    values += ["INFER_INPUT=-", "INFER_OUTPUT=-", *more]
    command = runs.command(
        "infer", values, ["tests/demo_model.gin", "gin/runs/infer.gin"]
    )[3:]
    start = [sys.executable, "-c", WITHOUT_TENSORFLOW]
    done = runs.call([*start, *command], input="a soup\nb\n")
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.split("\n")[:-1]]
    assert texts_of(said) == ["mood: a soup", "mood: b"]
    assert "2 predictions written." in done.stderr


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "PROMPT_FILE is not set"),
        (["PROMPT_FILE=a", "PROMPT_FILES=[b]"], "have no use for PROMPT_FILE"),
    ],
)
def test_one_of_the_two_names_of_prompts_is_given(values, words, demo_model, capsys):
    values = [f"{k}={v}" for k, v in demo_model.items() if "LENGTHS" not in k] + values
    gin = ["tests/demo_model.gin", "gin/runs/infer.gin"]
    given = [*values, "INFER_INPUT=-", "INFER_OUTPUT=-"]
    with pytest.raises(SystemExit):
        main(runs.command("infer", given, gin)[3:])
    logging.getLogger("spot_jax").handlers.clear()
    assert words in capsys.readouterr().err
