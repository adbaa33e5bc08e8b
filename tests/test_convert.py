import json
import subprocess
import sys

import pytest
import tensorflow_datasets as tfds

from spot_jax import convert
from spot_jax.errors import InputError


def rows_file(folder, *rows) -> str:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_rows_become_prepared_data(tmp_path, capsys):
    rows = [{"sentence": "a gem .", "label": "positive", "stars": 4}]
    path = rows_file(tmp_path, *rows, {"sentence": "x", "label": 0})
    convert.main(
        ["sst2", "--data_dir", str(tmp_path / "data")]
        + ["--rows", f"train={path}", "--rows", f"validation={path}"]
    )
    builder = tfds.builder("glue/sst2:2.0.0", data_dir=tmp_path / "data")
    found = list(tfds.as_numpy(builder.as_dataset("validation")))
    assert [row["sentence"] for row in found] == [b"a gem .", b"x"]
    assert [row["idx"] for row in found] == [0, 1]
    output = capsys.readouterr().out
    assert "2 rows for train" in output and f"TFDS_DATA_DIR={tmp_path}/data" in output
    assert "stars" in output


def test_a_split_has_the_name_that_tfds_gives_it(tmp_path):
    path = rows_file(tmp_path, {"text": "x", "label": "negative"})
    convert.main(
        ["yelp_polarity", "--data_dir", str(tmp_path), "--rows", f"validation={path}"]
    )
    builder = tfds.builder("yelp_polarity_reviews:0.2.0", data_dir=tmp_path)
    assert list(builder.info.splits) == ["test"]


def test_publishers_files_become_prepared_data(tmp_path, capsys):
    for name in ("custrev.pos", "custrev.neg"):
        lines = [f"{name} {number}\n" for number in range(40)]
        (tmp_path / name).write_text("".join(lines))
    convert.main(["cr", "--data_dir", str(tmp_path / "data"), "--from", str(tmp_path)])
    builder = tfds.builder("customer_reviews:1.0.0", data_dir=tmp_path / "data")
    sizes = [split.num_examples for split in builder.info.splits.values()]
    assert sum(sizes) == 80 and len(sizes) == 2


@pytest.mark.parametrize(
    "row, message",
    [
        (
            '{"sentence": "x", "label": 1, "idx": 1180591620717411303424}',
            "1: idx is 11",
        ),
        ('{"sentence": "\\ud800", "label": 1}', "1 is no JSON"),
        ('{"sentence": "x", "label": ' + "[" * 20_000, "1 is nested too deep"),
        ("sentence,label\nx,1", "1 is no JSON: .* JSON lines are expected"),
    ],
    ids=["large", "surrogate", "deep", "csv"],
)
def test_a_hostile_row_is_one_message(row, message, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(row)
    with pytest.raises(InputError, match=f"{path}:{message}"):
        convert.main(["sst2", "--data_dir", str(tmp_path), "--rows", f"train={path}"])
    assert not list(tmp_path.rglob("*.json"))


def test_paths_may_begin_at_home(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    rows_file(tmp_path, {"sentence": "x", "label": 0})
    convert.main(["sst2", "--data_dir", "~/d", "--rows", "train=~/rows.jsonl"])
    assert (tmp_path / "d/glue/sst2/2.0.0/dataset_info.json").exists()


def test_files_are_looked_at_before_tensorflow_is_waited_for(tmp_path):
    (tmp_path / "a.csv").write_text("sentence,label\nx,1\n")
    arguments = ["sst2", "--data_dir", str(tmp_path), "--rows", "train=a.csv"]
    code = (
        f"import sys; from spot_jax import convert\ntry: convert.main({arguments})\n"
        "except ValueError as error: print(error)\n"
        "heavy = {'tensorflow', 'seqio', 'jax'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        **{"check": True, "capture_output": True, "text": True, "cwd": tmp_path},
    )
    assert "a.csv:1 is no JSON" in said.stdout and "pandas.read_csv" in said.stdout


def test_the_columns_are_shown(capsys):
    convert.main(["sst2", "--columns"])
    output = capsys.readouterr().out
    lines = dict(line.strip().split(": ", 1) for line in output.splitlines()[1:])
    assert lines["sentence"].endswith("(needed)")
    assert lines["idx"].endswith("(filled in if missing)")


def test_help_tells_what_a_row_is(capsys):
    with pytest.raises(SystemExit) as end:
        convert.main(["--help"])
    assert end.value.code == 0
    assert "JSON object" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["sst3"], "no task or mixture 'sst3'"),
        (["glue_mixture"], "convert its members: cola, sst2"),
        (["sst2"], "--data_dir DIR is missing"),
        (["sst2", "--data_dir", "D"], "either --rows"),
        (["sst2", "--data_dir", "D", "--from", "F"], "tfds build glue/sst2:2.0.0"),
        (["sst2", "--data_dir", "D", "--rows", "a.jsonl"], "SPLIT=FILE"),
        (["sst2", "--data_dir", "D", "--rows", "dev=a"], "train, validation, test"),
        (["cr", "--data_dir", "D", "--from", "F", "--rows", "train=a"], "either"),
        (["cr", "--data_dir", "D", "--from", "nowhere"], "made from custrev.pos"),
        (
            ["sst2", "--data_dir", "D", "--rows", "train=a", "--rows", "train=b"],
            "train twice",
        ),
        (["sst2", "--data_dir", "D", "--rows", "train=nowhere.jsonl"], "no such file"),
        (["sst2", "--data_dir", "D", "--rows", "train=."], "is a folder"),
    ],
)
def test_wrong_options_are_one_message(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        convert.main(arguments)
    assert not list(tmp_path.rglob("*.json"))


def test_a_wrong_line_leaves_no_data(tmp_path):
    path = rows_file(tmp_path, {"sentence": "x", "label": 1}, {"sentence": "x"})
    with pytest.raises(ValueError, match=r"rows.jsonl:2: column label is missing"):
        convert.main(["sst2", "--data_dir", str(tmp_path), "--rows", f"train={path}"])
    assert not list(tmp_path.rglob("*.json"))
