"""Rows from every kind of file, and one message for what is none."""

import gzip
import json

import pyarrow
import pyarrow.parquet
import pytest

from spot_jax.errors import InputError
from spot_jax.rows import files

ROWS = [{"text": 'good, "really"\ngood', "n": "1"}, {"text": "é\u2028x", "n": "2"}]
CSV = 'text,n\n"good, ""really""\ngood",1\né\u2028x,2\n'


def csv(path):
    path.write_text(CSV, newline="")


def tsv(path):
    path.write_text('text\tn\n"good, ""really""\ngood"\t1\né\u2028x\t2\n', newline="")


def windows_csv(path):
    path.write_bytes(b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode())


def jsonl(path):
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))


def zipped(path):
    path.write_bytes(gzip.compress(CSV.encode()))


def parquet(path):
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)


def arrow(path):
    table = pyarrow.Table.from_pylist(ROWS)
    with pyarrow.ipc.new_file(path, table.schema) as file:
        file.write(table)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", csv),
        ("a.tsv", tsv),
        ("a.jsonl", jsonl),
        ("A.CSV.GZ", zipped),
        ("a.parquet", parquet),
        ("a.arrow", arrow),
    ],
)
def test_a_file_of_every_kind_is_read(name, write, tmp_path):
    write(tmp_path / name)
    assert [row.cells for row in files.read(str(tmp_path / name))] == ROWS


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        *((f"a.{kind}", True) for kind in ("csv", "tsv", "jsonl", "ndjson", "arrow")),
        *(("A.CSV", True), ("a.jsonl.GZ", True), ("a.b.tsv", True), ("set", True)),
        *(("a.parquet", True), ("splits", True), ("folder", False)),
        *(("a.txt", False), ("a.txt.gz", False)),
        *(("csv", False), (".gz", False), ("-", False), ("a.csv.txt", False)),
    ],
)
def test_what_has_rows_is_told_by_its_name(name, wanted, tmp_path, monkeypatch):
    saved_by_datasets(tmp_path / "set", [{"text": "a"}])
    saved_by_datasets(tmp_path / "splits" / "test", [{"text": "a"}])
    (tmp_path / "folder").mkdir()
    assert files.is_table(f"{tmp_path}/{name}") is wanted
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.is_table(f"~/{name}") is wanted


def test_a_file_of_windows_is_read(tmp_path):
    windows_csv(tmp_path / "a.csv")
    rows = [row.cells for row in files.read(str(tmp_path / "a.csv"))]
    assert rows[1] == ROWS[1]
    assert rows[0]["text"].split() == ROWS[0]["text"].split()


def saved_by_datasets(folder, rows, names=None):
    """Writes what Dataset.save_to_disk writes."""
    folder.mkdir(parents=True)
    table = pyarrow.Table.from_pylist(rows)
    if names:
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        told = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": told})
    with pyarrow.ipc.new_stream(folder / "data-0.arrow", table.schema) as file:
        file.write(table)
    state = {"_data_files": [{"filename": "data-0.arrow"}], "_fingerprint": "x"}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")


def test_a_folder_of_the_datasets_library_is_read_with_its_classes(tmp_path):
    rows = [{"text": "a", "label": 1}, {"text": "b", "label": 0}]
    saved_by_datasets(tmp_path / "set" / "train", rows, ["bad", "good"])
    read = [row.cells for row in files.read(str(tmp_path / "set" / "train"))]
    assert [row["label"] for row in read] == ["good", "bad"]
    with pytest.raises(InputError, match="several data sets, train.*--rows train="):
        files.read(str(tmp_path / "set"))
    (tmp_path / "set/train/data-0.arrow").write_bytes(b"x")
    with pytest.raises(InputError, match="damaged"):
        files.read(str(tmp_path / "set" / "train"))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("none.csv", None, "cannot be read .No such file"),
        ("a.txt", b"x", "of no kind that rows are read from; give .csv"),
        ("a.csv", b"", "has no rows"),
        ("a.csv", b"text,n\n", "has no rows"),
        ("a.csv", b"text,n\na\n", "a.csv:2 has 1 cells, the first line names 2"),
        ("a.csv", b"text,n\na,1\n\nb,2,3\n", "a.csv:4 has 3 cells"),
        ("a.csv", b'text,n\n"a\n', "a.csv:2 or after it: unexpected end of data"),
        ("a.csv", b"text,text\na,b\n", "'text' stands there twice"),
        ("a.csv", b"text,\na,b\n", "one has none"),
        ("a.csv", b"text\tn\na\t1\n", "cells are separated otherwise.*.tsv"),
        ("a.csv", "text\né\n".encode("latin-1"), "not UTF-8"),
        ("a.csv", "text\na\n".encode("utf-16"), "is UTF-16"),
        ("a.csv.gz", b"text\na\n", "is no gzip file"),
        ("a.jsonl", b"[1]\n", "a.jsonl:1 is not what it should be"),
        ("a.jsonl", b'{"a": 1}\n{"b": 1}\n', "a.jsonl:2 has no 'a'"),
        ("a.jsonl", b'{"a": NaN}\n', "a.jsonl:1 is no JSON"),
        ("a.parquet", b"PAR1", "not what its name says"),
        ("a.arrow", b"x", "not what its name says"),
    ],
)
def test_what_is_none_is_one_message(name, data, message, tmp_path):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message):
        files.read(str(tmp_path / name))
