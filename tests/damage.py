"""Damages that disks, copies and strangers do to files; drawn, so that seeds tell."""

import contextlib
import copy
import random
import sys

from spot_jax.errors import InputError

# What stands where something else should.
ODD = (
    *(None, True, 0, -1, 2**31, 2**70, 1.5, 1e300, float("nan"), "", " ", "x", "1"),
    *("../x", "a\nb", "\0", "\x1b[2J", "\u2028", "\ud800", "{~}", "x" * 5000),
    *([], [[]], ["a"], [1], [None], {}, {"": ""}, {"a": None}, [[[[[[[[1]]]]]]]]),
)
# What no reader of data has to do.
_RUNS = {"os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen"}
_RUNS |= {"socket.connect", "socket.getaddrinfo", "pty.spawn"}
# Of UTF-16, of UTF-8 with a mark, of gzip, of JSON.
_BEGINNINGS = (b"\xff\xfe", b"\xef\xbb\xbf", b"\x1f\x8b", b"[")
_watching: list[set[str]] = []


def in_bytes(data: bytes, rng: random.Random) -> bytes:
    """Returns bytes with one damage, every other time near their beginning."""
    end = len(data) if rng.random() < 0.5 else min(len(data), 400)
    place = rng.randrange(max(end, 1))
    stop = min(len(data), place + rng.randint(1, 40))
    head, hit, tail = data[:place], data[place:stop], data[stop:]
    return rng.choice(
        [
            lambda: head + _flipped(hit[:1], rng) + data[place + 1 :],
            lambda: head,
            lambda: head + tail,
            lambda: head + hit * 2 + tail,
            lambda: head + rng.randbytes(len(hit)) + tail,
            lambda: head + bytes(len(hit)) + tail,
            lambda: head + rng.choice(b'0129[]{}",:-').to_bytes() + data[place + 1 :],
            lambda: (
                rng.choice([b"\xff\xfe", b"\xef\xbb\xbf", b"\x1f\x8b", b"["]) + data
            ),
            lambda: b"",
        ]
    )()


def _flipped(byte: bytes, rng: random.Random) -> bytes:
    return bytes(one ^ 1 << rng.randrange(8) for one in byte)


def in_json(value, rng: random.Random):
    """Returns JSON in which one value, anywhere, is odd, missing or has another key."""
    value = copy.deepcopy(value)
    holders = [value]
    for holder in holders:
        items = holder.values() if isinstance(holder, dict) else holder
        holders += [item for item in items if isinstance(item, dict | list) and item]
    holder = rng.choice(holders)
    if not holder:
        return rng.choice(ODD)
    key = rng.choice([*holder] if isinstance(holder, dict) else range(len(holder)))
    if rng.random() < 0.3:
        moved = holder.pop(key)
        if isinstance(holder, dict) and rng.random() < 0.5:
            holder[f"{key}_"] = moved
    else:
        holder[key] = rng.choice(ODD)
    return value


def refusal(read) -> str:
    """Returns the message of a refusal, "" where something was read.

    Anything but an InputError fails the test, and so does whatever runs a program.
    """
    try:
        with nothing_runs():
            read()
    except InputError as error:
        said = str(error)
        assert 20 < len(said) < 3000
        return said
    return ""


@contextlib.contextmanager
def nothing_runs():
    """Fails where what is inside starts a program or asks the network."""
    seen: set[str] = set()
    if not _watching:
        # It cannot be taken out again.
        sys.addaudithook(_watch)
    _watching.append(seen)
    try:
        yield
    finally:
        _watching[-1] = set()
    assert not seen, seen


def _watch(event: str, arguments: tuple) -> None:
    if event in _RUNS:
        _watching[-1].add(event)
