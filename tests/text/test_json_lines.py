import gzip
import json
import subprocess
import sys

import pytest

from spot_jax.errors import InputError
from spot_jax.text.json_lines import read_lines


def test_lines_are_read_compressed_or_not(tmp_path):
    text = '{"a": "Zoë"}\n\n{"a": 2}\n'
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-8")
    with gzip.open(tmp_path / "a.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(text)
    for name in ("a.jsonl", "a.jsonl.gz"):
        path = tmp_path / name
        assert list(read_lines(path)) == [
            (f"{path}:1", {"a": "Zoë"}),
            (f"{path}:3", {"a": 2}),
        ]


# Without a time: a test's name has to be the same in every process that collects it.
TRUNCATED_GZIP = gzip.compress(b'{"a": 1}', mtime=0)[:-9]
SPOILT_GZIP = gzip.compress(b'{"a": 1}', mtime=0)[:10] + b"\xff" * 9


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.jsonl", None, "a.jsonl cannot be read .no such file"),
        ("a.jsonl", b"", "no rows"),
        ("a.jsonl", b'{"a": 1}\n{"a": ', "a.jsonl:2 is no JSON"),
        ("a.jsonl", b'{"a": 1}\n[1]', "a.jsonl:2 .*Expected `object`"),
        ("a.jsonl", b'{"a": "\xff"}', "a.jsonl:1 is no JSON"),
        ("a.jsonl", b'{"a": "\\ud800"}', "a.jsonl:1 is no JSON"),
        ("a.jsonl", b'{"a": NaN}', "a.jsonl:1 is no JSON"),
        ("a.jsonl", b'{"a": ' + b"[" * 20_000, "a.jsonl:1 is nested too deep"),
        ("a.jsonl", '{"a": 1}'.encode("utf-16"), "is in UTF-16; save it as UTF-8"),
        ("a.jsonl.gz", b'{"a": 1}', "cannot be read behind .*a.jsonl.gz .Not a gzip"),
        ("b.jsonl.gz", TRUNCATED_GZIP, "cannot be read behind .*b.jsonl"),
        ("b.jsonl.gz", SPOILT_GZIP, "cannot be read behind .*b.jsonl"),
        ("a.jsonl", gzip.compress(b"{}", mtime=0), "gzip; let its name end in .gz"),
        # Files of other programs, and how they become JSON lines.
        ("a.csv", b"sentence,label\nx,1\n", r"read_csv\('.*a.csv', keep_default_na="),
        ("a.tsv", b"sentence\tlabel\nx\t1\n", r"read_csv\('.*a.tsv'.*, sep='\\t'\)"),
        ("a.xlsx", b"PK\x03\x04...", "an Excel or zip file.*pandas.read_excel"),
        ("a.parquet", b"PAR1...", "a Parquet file.*pandas.read_parquet"),
        ("a.json", b'[\n {"a": 1}]', "one JSON list.*json.load.open.'.*a.json'.*rows"),
    ],
)
def test_a_wrong_file_is_named_with_its_cure(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(read_lines(path))


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="is a folder. Give a file of JSON lines"):
        list(read_lines(tmp_path))


def test_the_command_of_the_cure_makes_the_lines(tmp_path):
    table = 'sentence,label\nNA,1\n"a, b",0\n'
    (tmp_path / "my rows.csv").write_text(table)
    rows = [{"sentence": "NA", "label": 1}, {"sentence": "a, b", "label": 0}]
    (tmp_path / "rows.json").write_text(json.dumps(rows, indent=1))
    for name in ("my rows.csv", "rows.json"):
        with pytest.raises(InputError) as error:
            list(read_lines(tmp_path / name))
        command = str(error.value).partition("make them with: ")[2]
        command = command.replace("python", sys.executable, 1)
        subprocess.run(command, shell=True, check=True, cwd=tmp_path)
        path = tmp_path / "rows.jsonl"
        assert [row for _, row in read_lines(path)] == rows
        path.unlink()


def test_a_byte_order_mark_and_separators_of_unicode_are_no_lines(tmp_path):
    text = "\ufeff" + '{"a": "x\u2028y\u0085z"}\r\n{"a": 2}\r\n'
    (tmp_path / "a.jsonl").write_bytes(text.encode("utf-8"))
    rows = [row for _, row in read_lines(tmp_path / "a.jsonl")]
    assert rows == [{"a": "x\u2028y\u0085z"}, {"a": 2}]
