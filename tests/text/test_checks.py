import importlib

import pytest
import seqio

import spot_jax.tasks
from spot_jax import text
from spot_jax.errors import InputError
from spot_jax.text.prepared import write_prepared
from spot_jax.text.registration import use_data_dir

ROW = {"sentence": "a gem .", "label": 1, "idx": 0}


@pytest.fixture
def data_dir(tmp_path):
    """A folder with SST-2 and nothing else, where all tasks look for their data."""
    spot_jax.tasks.register_all()
    write_prepared("glue/sst2:2.0.0", {"train": [ROW], "validation": [ROW]}, tmp_path)
    use_data_dir(str(tmp_path))
    yield tmp_path
    use_data_dir(None)


def test_what_is_there_passes(data_dir):
    text.check_data("sst2")
    assert seqio.TaskRegistry.get("sst2").splits == ("train", "validation")


def test_an_unknown_name_gets_its_neighbours(data_dir):
    with pytest.raises(ValueError, match="no task or mixture 'sst3'.*sst2"):
        text.check_data("sst3")
    with pytest.raises(ValueError, match="glue_mixture"):
        text.check_data("glue_mix")


def test_an_unknown_split_is_named(data_dir):
    with pytest.raises(ValueError, match="no split test in .*it has train, validation"):
        text.check_data("sst2", ["test"])


def test_a_mixture_names_each_member_without_data(data_dir):
    with pytest.raises(ValueError) as error:
        text.check_data("glue_mixture")
    problems = str(error.value).splitlines()
    names = [problem.partition(":")[0] for problem in problems]
    assert names == ["cola", "mnli", "mrpc", "qnli", "qqp", "rte", "stsb"]


def test_data_that_comes_later_is_found(data_dir):
    row = {"sentence1": "a", "sentence2": "b", "label": 1, "idx": 0}
    with pytest.raises(ValueError, match="no prepared data of glue/mrpc"):
        text.check_data("mrpc")
    write_prepared("glue/mrpc:2.0.0", {"train": [row], "validation": [row]}, data_dir)
    text.check_data("mrpc")


def test_an_empty_split_is_an_error(data_dir):
    info = data_dir / "glue/sst2/2.0.0/dataset_info.json"
    info.write_text(info.read_text().replace('"1"', '"0"', 1))
    with pytest.raises(ValueError, match="split train of .* is empty"):
        text.check_data("sst2")


def test_a_missing_file_is_named(data_dir):
    folder = data_dir / "glue/sst2/2.0.0"
    (file,) = folder.glob("*validation*")
    file.unlink()
    with pytest.raises(ValueError, match=f"lacks {file.name}"):
        text.check_data("sst2")
    text.check_data("sst2", ["train"])


def test_files_that_are_cut_short_are_named(data_dir):
    (file,) = (data_dir / "glue/sst2/2.0.0").glob("*validation*")
    file.write_bytes(b"")
    with pytest.raises(InputError, match="files of split validation .* have 0 bytes"):
        text.check_data("sst2")
    text.check_data("sst2", ["train"])


@pytest.mark.parametrize(
    "name, damaged",
    [
        ("features.json", "{"),
        ("features.json", "[]"),
        ("features.json", None),
        ("dataset_info.json", '{"splits": [{"name": "train", "shardLengths": ["1"]}]}'),
    ],
)
def test_a_folder_that_tfds_cannot_read_is_one_message(name, damaged, data_dir):
    path = data_dir / "glue/sst2/2.0.0" / name
    path.write_text(damaged) if damaged else path.unlink()
    with pytest.raises(InputError, match="sst2: TFDS cannot read .*glue/sst2/2.0.0"):
        text.check_data("sst2", ["train"])


def test_a_folder_without_a_column_is_an_error(data_dir):
    path = data_dir / "glue/sst2/2.0.0/features.json"
    path.write_text(path.read_text().replace('"sentence"', '"text"'))
    with pytest.raises(InputError, match="glue/sst2/2.0.0 has no column sentence"):
        text.check_data("sst2")


def test_two_versions_are_an_error(data_dir):
    (data_dir / "glue/sst2/1.0.0").mkdir()
    with pytest.raises(ValueError, match="several versions"):
        text.check_data("sst2")


def test_other_sources_are_asked_for_their_splits(data_dir):
    importlib.import_module("tests.demo_tasks")
    text.check_data("demo_food")
    with pytest.raises(ValueError, match="demo_food has no split test"):
        text.check_data("demo_food", ["test"])


def test_other_sizes_than_the_catalogs_are_reported(data_dir, monkeypatch, caplog):
    rows = [{"sentence1": "a", "sentence2": "b", "label": 1, "idx": 0}]
    splits = {"train": rows, "validation": rows}
    write_prepared("glue/mrpc:2.0.0", splits, data_dir)
    pair = seqio.Mixture("pair", [("sst2", 1.0), ("mrpc", 1.0)])
    monkeypatch.setitem(seqio.MixtureRegistry._REGISTRY, "pair", pair)
    text.check_data("pair")
    assert "mrpc 1 (catalog 3,668), sst2 1 (catalog 67,349)" in caplog.text
