"""What is written to a bucket: whole objects, and folders that are whole at the end."""

import pytest

from spot_jax.errors import InputError
from spot_jax.model_dir import at_hand, logs, storage
from spot_jax.model_dir.records import Metrics, read_metrics
from spot_jax.reading import path_of

RUN = "gs://bucket/run"


@pytest.fixture
def run(store):
    return path_of(RUN)


def test_a_file_is_replaced_or_made_once(run, store):
    storage.replace_text(run / "a", "one")
    storage.replace_text(run / "a", "two")
    assert storage.create_file(run / "b", b"mine")
    assert not storage.create_file(run / "b", b"theirs")
    assert store.get(f"{RUN}/a") == b"two" and store.get(f"{RUN}/b") == b"mine"
    storage.remove_file(run / "a")
    storage.remove_file(run / "a")
    assert store.names(RUN) == ["b"]
    storage.remove_folder(run)
    storage.remove_folder(run)
    assert store.names(RUN) == []


def test_what_cannot_be_written_is_one_message(run, store):
    store.refuses["bucket", "write"] = 403
    for write in (storage.replace_file, storage.create_file):
        with pytest.raises(InputError) as error:
            write(run / "a", b"x")
        assert str(error.value).startswith(f"{RUN}/a cannot be written (nobody is logg")


def test_a_process_that_does_not_write_writes_nothing(run, store, monkeypatch):
    monkeypatch.setattr(storage, "_is_writer", False)
    storage.replace_text(run / "a", "one")
    metrics = Metrics(run, 0)
    metrics.write(1, "a", "train", {"loss": 1.0})
    metrics.close()
    storage.remove_folder(run)
    assert not storage.create_file(run / "b", b"")
    assert store.names("gs://bucket") == []


def test_what_a_disk_needs_a_bucket_does_not(run, store):
    storage.check_room(run, 10**18)
    storage.check_writable(run)
    assert storage.make_folder(run / "a") == run / "a"
    storage.remove_leftovers(run)
    assert store.names("gs://bucket") == []


def fill(run, text, until="last"):
    with storage.new_folder(run / "made", last="last.json") as folder:
        storage.replace_text(folder / "first", text)
        with storage.open_to_fill(folder / "large") as file:
            file.write(text.encode() * 3)
            file.seek(0)
            file.write(b"!")
        if until == "killed":
            raise SystemExit
        storage.replace_text(folder / "last.json", text)


def test_a_folder_is_filled_once(run, store):
    fill(run, "one")
    assert store.get(f"{RUN}/made/large") == b"!neoneone"
    with pytest.raises(FileExistsError, match=f"{RUN}/made is there already"):
        fill(run, "two")
    assert store.get(f"{RUN}/made/first") == b"one"


def test_a_folder_that_fails_leaves_nothing_and_one_of_a_killed_process_is_replaced(
    run, store
):
    with pytest.raises(SystemExit):
        fill(run, "one", until="killed")
    assert store.names(RUN) == []
    store.put(f"{RUN}/made/old", b"of a process that was killed")
    fill(run, "two")
    assert store.names(f"{RUN}/made") == ["first", "large", "last.json"]


def test_files_are_at_hand_for_libraries_that_open_them_by_name(run, store, tmp_path):
    store.put(f"{RUN}/a", b"data")
    with at_hand.one(run / "a") as here:
        assert here.read_bytes() == b"data" and here.name == "a"
    assert not here.exists()
    assert (at_hand.several(run, ["a"]) / "a").read_bytes() == b"data"
    (tmp_path / "a").write_bytes(b"")
    with at_hand.one(tmp_path / "a") as here:
        assert here == tmp_path / "a"
    assert at_hand.several(tmp_path, ["a"]) == tmp_path


def write(metrics, *steps):
    for step in steps:
        metrics.write(step, "a", "train", {"loss": float(step)})


def steps(run):
    return [line["step"] for line in read_metrics(run)]


def test_metrics_are_sent_now_and_then_and_go_on(run, store, monkeypatch):
    metrics = Metrics(run, 0)
    write(metrics, 1, 2)
    assert store.names(RUN) == []
    logs.send()
    assert steps(run) == [1, 2]
    sent = len(store.requests)
    logs.send()
    assert len(store.requests) == sent, "nothing new was sent"
    monkeypatch.setattr(logs, "_LATEST", 0.0)
    write(metrics, 3)
    assert steps(run) == [1, 2, 3]
    monkeypatch.setattr(logs, "_LATEST", 30.0)
    write(metrics, 4, 5)
    metrics.close()
    assert steps(run) == [1, 2, 3, 4, 5]
    # What was written after the checkpoint is forgotten.
    metrics = Metrics(run, 3)
    write(metrics, 4)
    metrics.close()
    assert steps(run) == [1, 2, 3, 4]
    events = [name for name in store.names(RUN) if "events.out.tfevents" in name]
    assert len(events) == 2
    assert all(store.get(f"{RUN}/{name}").count(b"train/loss/a") for name in events)


def test_logs_that_cannot_be_sent_are_told(run, store):
    lines = logs.Lines(run / "lines")
    lines.add("one")
    store.refuses["bucket", "write"] = 403
    with pytest.raises(InputError, match=f"{RUN}/lines cannot be written"):
        lines.close()
    store.refuses.clear()
    lines.close()
    assert store.get(f"{RUN}/lines") == b"one\n"
