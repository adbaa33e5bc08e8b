"""Seeded damage to rows, publishers' files and prepared data: one message each."""

import gzip
import json
import random
import shutil
import time

import pytest

import spot_jax.tasks
from spot_jax import convert, inspect_tasks
from spot_jax.errors import InputError
from spot_jax.tasks import catalog
from spot_jax.text.publishers import read_published
from spot_jax.text.registration import use_data_dir
from tests.text.test_publishers import ALPHA, COCO, HEAD, PAIR
from tests.text.test_rows import WHOLE

pytestmark = pytest.mark.slow
SECONDS = 8
VALUES = (
    *(None, True, 0, -1, 2**31, 2**70, 1.5, 1e300, "", " ", "\0", "{~}", "\u2028", "1"),
    *([], [[]], ["a"], [1], [None], {}, {"text": []}, {"text": ["a"]}, {"text": "a"}),
)


def spoilt(data: bytes, rng: random.Random) -> bytes:
    """Flips a bit, cuts, overwrites or puts something in front."""
    place = rng.randrange(len(data))
    kind = rng.randrange(4)
    if kind == 0:
        flipped = data[place] ^ 1 << rng.randrange(8)
        return data[:place] + bytes([flipped]) + data[place + 1 :]
    if kind == 1:
        return data[:place]
    if kind == 2:
        return data[:place] + rng.randbytes(16) + data[place + 16 :]
    return rng.choice([b"\xff\xfe", b"\xef\xbb\xbf", b"\x1f\x8b", b"["]) + data


def swapped(value, rng: random.Random):
    """Puts something of another type in one place of JSON."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.2:
        return rng.choice(VALUES)
    places = list(value if isinstance(value, dict) else range(len(value)))
    place = rng.choice(places)
    value = value.copy()
    if rng.random() < 0.2:
        del value[place]
    else:
        value[place] = swapped(value[place], rng)
    return value


def damaged(value, rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return spoilt(json.dumps(value).encode(), rng)
    return json.dumps(swapped(value, rng)).encode()


def tried(run) -> bool:
    """Returns whether it ran; an InputError is an answer, all else is not."""
    try:
        run()
    except InputError as error:
        assert len(str(error)) < 3000
        return False
    return True


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
            path.write_bytes(spoilt(path.read_bytes(), rng))
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
                data = damaged(value, rng) if is_json else spoilt(data, rng)
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
            damaged(json.loads(data), rng) if is_json else spoilt(data, rng)
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
