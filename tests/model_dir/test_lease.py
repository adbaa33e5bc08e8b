"""A folder of a bucket that one process uses."""

import json
import subprocess
import sys
import threading
import time

import pytest
import tensorstore as ts

from spot_jax.errors import InputError
from spot_jax.model_dir import in_use, lease
from spot_jax.reading import path_of
from tests import runs

LOCK = "gs://bucket/run/.lock"
ELSEWHERE = {"process": 12, "machine": "vm-3", "boot": "b", "began": "1", "seen": "now"}


@pytest.fixture
def run(store, monkeypatch):
    monkeypatch.setattr(lease, "_RENEWED", 0.1)
    monkeypatch.setattr(lease, "_GONE", 0.5)
    return path_of("gs://bucket/run")


def hold(run):
    return in_use.alone_in(run, "MODEL_DIR")


def test_one_alone_uses_a_folder(run, store):
    with hold(run) as check:
        check()
        with pytest.raises(
            InputError, match=r"MODEL_DIR gs://bucket/run is in use by "
        ):
            with hold(run):
                pass
        check()
    assert store.names("gs://bucket") == []
    with hold(run):
        pass


def test_of_two_that_read_the_same_object_one_takes_it(store):
    at = ts.KvStore.open({"driver": "gcs", "bucket": "bucket", "path": "run/"}).result()
    seen = at.read(".lock").result().stamp.generation
    first = lease.Lease(path_of(LOCK), at, seen)
    # Threads of one process, or processes of a machine that does not tell them apart.
    with pytest.raises(FileExistsError):
        lease.Lease(path_of(LOCK), at, seen)
    assert first.is_held()
    first.end()
    assert store.names("gs://bucket") == []


REMOVED = "MODEL_DIR gs://bucket/run was removed or replaced while this process wrote"
TAKEN = (
    "Another process has taken MODEL_DIR gs://bucket/run, because this one did not "
    r"renew \.lock for a minute\. Leave it to that one, or begin in another MODEL_DIR"
)


@pytest.mark.parametrize(("change", "told"), [("deleted", REMOVED), ("taken", TAKEN)])
def test_it_is_seen_when_the_folder_goes_or_is_anothers(change, told, run, store):
    with hold(run) as check:
        if change == "deleted":
            store.delete("bucket", "run/.lock", {})
        else:
            store.put(LOCK, json.dumps(ELSEWHERE).encode())
        with pytest.raises(InputError, match=told):
            check()
    # Whatever is there is not this process's to delete.
    assert store.names("gs://bucket/run") == [".lock"] * (change == "taken")


def test_what_another_took_and_left_was_taken(run, store):
    with hold(run) as check:
        store.put(LOCK, json.dumps(ELSEWHERE).encode())
        time.sleep(0.4)
        store.delete("bucket", "run/.lock", {})
        with pytest.raises(InputError, match=TAKEN):
            check()


def test_what_this_process_wrote_is_its_own_although_the_answer_got_lost(run, store):
    with hold(run) as check:
        store.put(LOCK, store.get(LOCK))
        check()


def test_a_process_of_another_machine_that_says_nothing_has_gone(run, store, caplog):
    store.put(LOCK, json.dumps(ELSEWHERE).encode())
    with hold(run) as check:
        check()
    assert (
        f"{LOCK} is of process 12 on vm-3, seen now: looking for up to" in caplog.text
    )


@pytest.mark.parametrize("said", [b"", b"{}", b'{"process": "x"}', b"\xff", b"[1]"])
def test_an_object_that_nobody_understands_keeps_nobody_out(said, run, store):
    store.put(LOCK, said)
    with hold(run) as check:
        check()


def test_a_process_of_another_machine_that_goes_on_keeps_others_out(run, store):
    is_over = threading.Event()

    def renew():
        while not is_over.wait(0.1):
            store.put(LOCK, json.dumps(ELSEWHERE | {"seen": "later"}).encode())

    store.put(LOCK, json.dumps(ELSEWHERE).encode())
    thread = threading.Thread(target=renew)
    thread.start()
    try:
        told = "in use by process 12 on vm-3, seen later. Wait until that ends"
        with pytest.raises(InputError, match=told):
            with hold(run):
                pass
    finally:
        is_over.set()
        thread.join()


def test_a_holder_is_renewed_and_outlives_an_outage(run, store):
    with hold(run) as check:
        before = store.get(LOCK), store.buckets["bucket"]["run/.lock"].generation
        time.sleep(0.4)
        assert store.buckets["bucket"]["run/.lock"].generation > before[1]
        store.refuses["bucket", "write"] = 403
        time.sleep(0.2)
        check()
        store.refuses.clear()
        check()


HOLDER = """
import sys, time
from spot_jax.model_dir import in_use
from spot_jax.reading import path_of
with in_use.alone_in(path_of(sys.argv[1]), "MODEL_DIR"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_process_of_this_machine_is_known_to_live_or_not(run, monkeypatch):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run)],
        env=runs.environment(),
        cwd=runs.ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    # Without waiting to see it renew.
    monkeypatch.setattr(lease, "_GONE", 10**6)
    with pytest.raises(InputError, match=f"in use by process {holder.pid} on "):
        with hold(run):
            pass
    holder.kill()
    assert holder.wait(10) == -9
    with hold(run) as check:
        check()
