import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from spot_jax.errors import InputError
from spot_jax.text.data_folder import OWN_DATASETS, find_data
from spot_jax.text.prepared import dataset_features, write_prepared

ROWS = [
    {"sentence": "a gem .", "label": "positive", "idx": 0},
    {"sentence": "Zoë slept", "label": 0, "idx": 1},
]


def read(folder, split="train") -> list[dict]:
    builder = tfds.builder_from_directory(folder)
    return list(tfds.as_numpy(builder.as_dataset(split)))


def test_rows_are_read_in_their_order(tmp_path):
    splits = {"train": iter(ROWS), "validation": ROWS[:1]}
    folder = write_prepared("glue/sst2:2.0.0", splits, tmp_path)
    assert folder == tmp_path / "glue/sst2/2.0.0"
    rows = read(folder)
    assert [row["sentence"].decode() for row in rows] == ["a gem .", "Zoë slept"]
    assert [row["label"] for row in rows] == [1, 0]
    assert find_data("sst2", "glue/sst2:2.0.0", tmp_path).sizes == {
        "train": 2,
        "validation": 1,
    }
    written, original = (
        tfds.builder("glue/sst2:2.0.0", data_dir=folder).info.features
        for folder in (tmp_path, "/nowhere")
    )
    assert written.to_json() == original.to_json()


OWN_ROWS = {
    "cxc_sts": {"sentence1": "a", "sentence2": "b", "label": 3.25},
    "customer_reviews": {"text": "a", "label": "positive"},
    "alpha_nli": {"obs1": "a", "obs2": "b", "hyp1": "c", "hyp2": "d", "label": "2"},
    "social_i_qa": {
        "context": "a",
        "question": "b",
        "answerA": "c",
        "answerB": "d",
        "answerC": "e",
        "label": "3",
    },
}


@pytest.mark.parametrize("name", OWN_DATASETS)
def test_sets_without_a_builder(name, tmp_path):
    row = OWN_ROWS[name]
    folder = write_prepared(f"{name}:1.0.0", {"train": [row]}, tmp_path)
    (found,) = read(folder)
    assert found.keys() == row.keys()
    by_name = tfds.builder(f"{name}:1.0.0", data_dir=tmp_path)
    assert by_name.info.splits["train"].num_examples == 1


def test_features_may_be_given(tmp_path):
    features = tfds.features.FeaturesDict({"text": tfds.features.Text()})
    folder = write_prepared(
        "my_set/small:1.0.0", {"train": [{"text": "x"}]}, tmp_path, features
    )
    assert read(folder) == [{"text": b"x"}]


@pytest.mark.parametrize(
    "row, message",
    [
        ({"sentence": "x", "label": 1}, "row 0: columns .* expected"),
        (ROWS[0] | {"extra": 1}, "extra"),
        (ROWS[0] | {"label": "good"}, "label is 'good'; one of negative, positive"),
        (ROWS[0] | {"label": 2}, "label is 2; one of"),
        (ROWS[0] | {"idx": "first"}, "row 0: idx is 'first'; a whole number"),
        (ROWS[0] | {"idx": 2**70}, "row 0: idx is 1180591620717411303424"),
        (ROWS[0] | {"sentence": 3}, "sentence is 3; text is expected"),
        (ROWS[0] | {"sentence": "\ud800"}, "sentence is .*; text is expected"),
    ],
)
def test_a_wrong_row_leaves_nothing_behind(row, message, tmp_path):
    with pytest.raises(ValueError, match=message) as error:
        write_prepared("glue/sst2:2.0.0", {"train": [row]}, tmp_path)
    assert "glue/sst2:2.0.0, split train" in str(error.value)
    assert not list(tmp_path.rglob("*.*.*"))


def test_wrong_calls(tmp_path):
    with pytest.raises(ValueError, match="split train has no rows"):
        write_prepared("glue/sst2:2.0.0", {"train": []}, tmp_path)
    with pytest.raises(ValueError, match="needs a version"):
        write_prepared("glue/sst2", {"train": ROWS}, tmp_path)
    with pytest.raises(ValueError, match="no data set glue/sst2:9.9.9"):
        write_prepared("glue/sst2:9.9.9", {"train": ROWS}, tmp_path)
    with pytest.raises(ValueError, match="no data set nothing_of_the_kind"):
        dataset_features("nothing_of_the_kind:1.0.0")


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written .Not a dir.*--data_dir"):
        write_prepared("glue/sst2:2.0.0", {"train": ROWS}, tmp_path / "file")


def test_what_is_there_is_not_overwritten(tmp_path):
    folder = write_prepared("glue/sst2:2.0.0", {"train": ROWS}, tmp_path)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ValueError, match="already there"):
        write_prepared("glue/sst2:2.0.0", {"train": ROWS[:1]}, tmp_path)
    assert before == {path: path.read_bytes() for path in folder.iterdir()}


def test_equal_rows_are_equal_bytes(tmp_path):
    folder = write_prepared("glue/sst2:2.0.0", {"train": ROWS}, tmp_path)
    (file,) = folder.glob("*.tfrecord*")
    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        row = tf.train.Example.FromString(record)
        assert record == row.SerializeToString(deterministic=True)
