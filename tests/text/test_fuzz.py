"""Seeded damage to rows, publishers' files and prepared data: one message each."""

import gzip
import json
import random
import shutil
import time

import pytest

import spot_jax.tasks
from spot_jax import convert, inspect_tasks
from spot_jax.tasks import catalog
from spot_jax.text.publishers import read_published
from spot_jax.text.registration import use_data_dir
from tests import damage
from tests.text.test_publishers import ALPHA, COCO, HEAD, PAIR
from tests.text.test_rows import WHOLE

pytestmark = pytest.mark.slow
SECONDS = 8


def damaged(value, rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return damage.in_bytes(json.dumps(value).encode(), rng)
    return json.dumps(damage.in_json(value, rng)).encode()


def tried(run) -> bool:
    """Returns whether it ran; a refusal is an answer, all else is not."""
    return not damage.refusal(run)


def repeat(seed: int, run) -> None:
    rng, end, ran = random.Random(seed), time.monotonic() + SECONDS, []
    while time.monotonic() < end:
        ran.append(run(rng, len(ran)))
    # Both happened: what was damaged was not all the same.
    assert 0.02 < sum(ran) / len(ran) < 0.98


def test_rows(tmp_path):
    def run(rng, number):
        task = rng.choice(list(WHOLE))
        line = damaged(WHOLE[task], rng) + b"\n"
        path = tmp_path / rng.choice(["a.jsonl", "a.jsonl.gz"])
        data = json.dumps(WHOLE[task]).encode() + b"\n" + line
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        if rng.random() < 0.2:
            path.write_bytes(damage.in_bytes(path.read_bytes(), rng))
        folder = tmp_path / str(number)
        options = ["--data_dir", str(folder), "--rows", f"train={path}"]
        if not tried(lambda: convert.main([task, *options])):
            assert not list(folder.rglob("*.json"))
            return False
        shutil.rmtree(folder)
        return True

    repeat(0, run)


PUBLISHED = {
    "cxc": {
        "dataset_coco.json": COCO,
        "sts_val.csv": HEAD + PAIR.format(1, 2, 2.4),
        "sts_test.csv": HEAD + PAIR.format(3, 1, 0),
    },
    "alpha_nli": {
        **{"train.jsonl": ALPHA, "train-labels.lst": "1\n"},
        **{"dev.jsonl": ALPHA, "dev-labels.lst": "2\n"},
    },
    "cr": {"custrev.pos": "good é\nfine\n", "custrev.neg": "bad\n"},
}


def test_publishers_files(tmp_path):
    def run(rng, number):
        task = rng.choice(list(PUBLISHED))
        wrong = rng.choice(list(PUBLISHED[task]))
        for name, value in PUBLISHED[task].items():
            data = (value if isinstance(value, str) else json.dumps(value)).encode()
            if name == wrong:
                is_json = not isinstance(value, str)
                data = damaged(value, rng) if is_json else damage.in_bytes(data, rng)
            (tmp_path / name).write_bytes(data)
        return tried(lambda: read_published(task, tmp_path, "URL"))

    repeat(1, run)


def test_prepared_data(tmp_path, vocabulary_file, capsys):
    spot_jax.tasks.register_all()
    tasks = ("sst2", "squad", "record")
    for task in tasks:
        path = tmp_path / "a.jsonl"
        path.write_text((json.dumps(WHOLE[task]) + "\n") * 5)
        rows = ["--rows", f"train={path}"]
        convert.main([task, "--data_dir", str(tmp_path / "whole"), *rows])

    def run(rng, number):
        task = rng.choice(tasks)
        # A folder of its own: TFDS remembers what it read.
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", folder)
        name, _, version = catalog.get(task).tfds.partition(":")
        path = rng.choice(sorted((folder / name / version).iterdir()))
        data = path.read_bytes()
        is_json = path.suffix == ".json"
        path.write_bytes(
            damaged(json.loads(data), rng) if is_json else damage.in_bytes(data, rng)
        )
        options = ["--data_dir", str(folder), "--vocabulary", vocabulary_file]
        try:
            return tried(lambda: inspect_tasks.main([task, *options]))
        finally:
            capsys.readouterr()
            shutil.rmtree(folder)

    try:
        repeat(2, run)
    finally:
        use_data_dir(None)
