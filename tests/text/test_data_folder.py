import json

import pytest

from spot_jax.text.data_folder import (
    Fault,
    default_data_dir,
    find_data,
    split_problem,
)

INFO = {"splits": [{"name": "train", "shardLengths": ["8", "2"]}]}
DATASET = "glue/sst2:2.0.0"


def write(folder, content) -> None:
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text(content)


def test_rows_of_all_files_are_added_up(tmp_path):
    write(tmp_path / "glue/sst2/2.0.0", json.dumps(INFO))
    data = find_data("sst2", DATASET, str(tmp_path))
    assert data.sizes == {"train": 10} and not data.problem
    assert data.folder == str(tmp_path / "glue/sst2/2.0.0")


def test_missing_data_comes_with_the_cure(tmp_path):
    data = find_data("sst2", DATASET, str(tmp_path))
    problem = data.problem
    assert data.fault is Fault.MISSING
    assert problem.startswith(f"sst2: no prepared data of {DATASET} in {tmp_path}")
    for cure in ("TFDS_DATA_DIR", f"tfds build {DATASET}", "spot_jax convert"):
        assert cure in problem
    problem = find_data("cxc", "cxc_sts:1.0.0", str(tmp_path)).problem
    assert "spot_jax convert cxc" in problem and "tfds build" not in problem


def test_the_cure_does_not_depend_on_what_the_folder_is_called(tmp_path):
    folder = tmp_path / "several versions to convert"
    data = find_data("sst2", DATASET, str(folder))
    assert data.fault is Fault.MISSING
    assert data.problem.endswith("from your own files: spot_jax convert")


def test_another_version_is_named(tmp_path):
    write(tmp_path / "glue/sst2/1.0.0", json.dumps(INFO))
    problem = find_data("sst2", DATASET, str(tmp_path)).problem
    assert "has version 1.0.0; the task reads 2.0.0" in problem


def test_two_versions_are_an_error(tmp_path):
    for version in ("1.0.0", "2.0.0"):
        write(tmp_path / "glue/sst2" / version, json.dumps(INFO))
    problem = find_data("sst2", DATASET, str(tmp_path)).problem
    assert "several versions (1.0.0, 2.0.0) and the task reads 2.0.0" in problem


@pytest.mark.parametrize(
    "content",
    [
        *("", "{}", "[]", "null", "\x00", "[" * 20_000, '{"splits": 3}'),
        *('{"splits": [3]}', '{"splits": ["train"]}', '{"splits": [{"name": 3}]}'),
        '{"splits": [{"shardLengths": ["8"]}]}',
        '{"splits": [{"name": "train", "shardLengths": 8}]}',
        '{"splits": [{"name": "train", "shardLengths": [NaN]}]}',
        '{"splits": [{"name": "train", "shardLengths": ["many"]}]}',
        '{"splits": [{"name": "train", "shardLengths": ["-8"]}]}',
        '{"splits": [{"name": "train", "shardLengths": ["' + "9" * 5000 + '"]}]}',
    ],
    ids=lambda content: content[:60],
)
def test_a_broken_folder_is_named(tmp_path, content):
    write(tmp_path / "glue/sst2/2.0.0", content)
    data = find_data("sst2", DATASET, str(tmp_path))
    assert data.fault is Fault.UNREADABLE and not data.sizes
    assert f"{tmp_path}/glue/sst2/2.0.0/dataset_info.json " in data.problem
    assert "The folder is damaged. Set TFDS_DATA_DIR" in data.problem


def test_a_file_in_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "glue").write_text("")
    data = find_data("sst2", DATASET, str(tmp_path))
    assert data.fault is Fault.UNREADABLE and "Not a directory" in data.problem
    (tmp_path / "super_glue/rte/1.0.2/dataset_info.json").mkdir(parents=True)
    data = find_data("rte", "super_glue/rte:1.0.2", str(tmp_path))
    assert data.fault is Fault.UNREADABLE and "Is a directory" in data.problem


def test_the_cure_stands_alone(tmp_path):
    data = find_data("sst2", DATASET, str(tmp_path))
    assert data.cure == f"tfds build {DATASET}"
    assert f"{data.cure} --data_dir {tmp_path}" in data.problem


def test_splits_that_are_not_there_are_named(tmp_path):
    write(tmp_path / "glue/sst2/2.0.0", json.dumps(INFO))
    data = find_data("sst2", DATASET, str(tmp_path))
    names = {"train": "train", "test": "test"}
    assert not split_problem("sst2", data, names, ["train"])
    found = split_problem("sst2", data, names, ["train", "test", "dev"])
    assert found == f"sst2 has no split test, dev in {data.folder}; it has train"


def test_the_folder_is_that_of_tfds(monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", "/my/data")
    assert default_data_dir() == "/my/data"
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert default_data_dir() == "~/tensorflow_datasets"
