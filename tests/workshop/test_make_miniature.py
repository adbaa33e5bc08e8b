import hashlib
import json
import os

import pytest

from spot_jax import miniature
from spot_jax.errors import InputError
from spot_jax.tasks import catalog
from spot_jax.workshop import make_miniature

SMALL = ["--train", "24", "--validation", "16"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with few rows of every task."""
    folder = tmp_path_factory.mktemp("miniature")
    make_miniature.main([str(folder), *SMALL])
    return folder


def _drawn(task):
    return miniature.all_splits(task, 24, 16, labels=catalog.STUDY_LABELS)


def _digests(folder):
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_two_runs_write_the_same_bytes(written, tmp_path):
    make_miniature.main([str(tmp_path), *SMALL])
    assert _digests(tmp_path) == _digests(written)


@pytest.mark.parametrize("task", miniature.DATASETS)
def test_written_data_has_the_columns_and_splits_of_the_real_set(task, written):
    import tensorflow_datasets as tfds

    from spot_jax.text.prepared import dataset_features

    name = catalog.get(task).tfds
    builder = tfds.builder_from_directory(written / name.replace(":", "/"))
    # What TFDS's own code says, not what was written.
    assert repr(builder.info.features) == repr(dataset_features(name))
    splits = _drawn(task)
    sizes = {split: info.num_examples for split, info in builder.info.splits.items()}
    assert sizes == {split: len(rows) for split, rows in splits.items()}


@pytest.mark.parametrize(
    ("task", "split"), [("mnli", "train"), ("squad", "validation"), ("stsb", "train")]
)
def test_rows_come_back_as_they_were_drawn(task, split, written):
    import tensorflow_datasets as tfds

    name = catalog.get(task).tfds
    builder = tfds.builder_from_directory(written / name.replace(":", "/"))
    data = tfds.as_numpy(builder.as_dataset(split=split))
    drawn = _drawn(task)[split]
    for row, read in zip(drawn, data, strict=True):
        for column, value in row.items():
            assert _plain(read[column]) == value


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return round(value, 1)
    return value.decode() if isinstance(value, bytes) else value


@pytest.mark.parametrize("task", ["cxc", "cr"])
def test_published_files_convert_to_the_rows_that_were_drawn(task, written):
    from spot_jax.text.publishers import read_published

    splits = read_published(task, written / "published" / task, "nowhere")
    drawn = _drawn(task)
    assert splits.keys() == drawn.keys()
    for split, rows in splits.items():
        assert sorted(map(_key, rows)) == sorted(map(_key, drawn[split]))


def _key(row):
    return json.dumps(row, sort_keys=True)


def test_the_written_table_says_what_and_how(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(miniature, "DATASETS", {"copa": miniature.DATASETS["copa"]})
    make_miniature.main([str(tmp_path / "mini"), *SMALL])
    told = capsys.readouterr().out
    assert "copa" in told and "super_glue/copa:1.0.2" in told and "train 24" in told
    assert f"TFDS_DATA_DIR={tmp_path}{os.sep}mini" in told


def test_bad_options_are_refused_before_anything_is_written(written, tmp_path):
    with pytest.raises(ValueError, match="--train 2: expected 16"):
        make_miniature.main([str(tmp_path), "--train", "2"])
    with pytest.raises(InputError, match="DIR .* was begun with train 24, not 32"):
        make_miniature.main([str(written), "--train", "32"])
    assert not list(tmp_path.iterdir())


@pytest.fixture
def few(monkeypatch):
    """Three tasks, one of them published, in place of all."""
    some = ("cr", "rte", "copa")
    monkeypatch.setattr(miniature, "DATASETS", {t: miniature.DATASETS[t] for t in some})


def test_a_killed_command_goes_on_and_leaves_nothing_over(
    few, written, tmp_path, monkeypatch, capsys
):
    class Killed(BaseException):
        pass

    def die(task, splits, folder):
        if task.name == "rte":
            # As a process that had no time for anything.
            left = folder / "super_glue/rte/.1.0.2.17-0123abcd.tmp"
            left.mkdir(parents=True)
            (left / "half").write_text("")
            raise Killed
        write(task, splits, folder)

    write = make_miniature.write_task
    monkeypatch.setattr(make_miniature, "write_task", die)
    with pytest.raises(Killed):
        make_miniature.main([str(tmp_path), *SMALL])
    monkeypatch.setattr(make_miniature, "write_task", write)
    make_miniature.main([str(tmp_path), *SMALL])
    assert capsys.readouterr().out.count("there already") == 1
    whole = _digests(written)
    assert _digests(tmp_path) == {name: whole[name] for name in _digests(tmp_path)}
    assert len(_digests(tmp_path)) > 10


def test_data_that_nobody_knows_of_are_left_alone(few, tmp_path):
    there = tmp_path / "super_glue/rte/1.0.2"
    there.mkdir(parents=True)
    with pytest.raises(InputError, match="already holds super_glue/rte:1.0.2"):
        make_miniature.main([str(tmp_path), *SMALL])
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == [
        "super_glue"
    ]
