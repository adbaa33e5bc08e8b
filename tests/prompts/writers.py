"""Processes that add to a library: killed ones, many at once, ones without room.

`python writers.py killed|together|cramped FOLDER`; a process of its own because it
forks, which a process with JAX's threads must not do.
"""

import os
import pathlib
import resource
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from spot_jax.prompts.library import Library
from tests.prompts.entries import entry

# What makes a change on disk.
CALLS = ("mkdir", "fsync", "replace", "link", "unlink", "rename")


def in_child(work) -> int:
    """Runs `work` in a fork; its exit code is 0, or 1 after a ValueError."""
    child = os.fork()
    if not child:
        code = 0
        try:
            work()
        except ValueError as error:
            print(error, flush=True)
            code = 1
        finally:
            os._exit(code)
    return child


def wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_at(number: int) -> None:
    """Kills this process at its call of this number, before it does anything."""
    calls = iter(range(number))

    def deadly(real):
        def call(*args, **kwargs):
            if next(calls, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return call

    for name in CALLS:
        setattr(os, name, deadly(getattr(os, name)))


def killed(folder: pathlib.Path) -> None:
    """Kills an add to a new library, and one to an old, at every call it makes."""
    for is_new in (True, False):
        for number in range(100):
            library = Library(folder / f"{is_new}-{number}")
            if not is_new:
                library.add(entry("before"))

            def add(library=library, number=number):
                die_at(number)
                library.add(entry("sst2-seed0"))

            code = wait(in_child(add))
            there = library.names()
            assert set(there) <= {"before", "sst2-seed0"}
            assert code != 0 or "sst2-seed0" in there
            assert [library.read(name).name for name in there] == there
            problems = library.verify() if library.folder.exists() else []
            assert all("was killed" in p or "no prompts" in p for p in problems)
            # The next one comes through, whatever was left.
            library.add(entry("sst2-seed0"))
            library.add(entry("rte-seed0"))
            assert {"rte-seed0", "sst2-seed0"} <= set(library.names())
            assert len(library.entries()) == 2 + (not is_new)
            if code == 0:
                break
            assert code == -signal.SIGKILL
        print(f"killed at {number} places, new library: {is_new}")


def at_once(folder: pathlib.Path, entries) -> list[int]:
    """Adds each entry from a process of its own; all begin at the same moment."""
    wait_end, go_end = os.pipe()

    def add(one):
        os.close(go_end)
        os.read(wait_end, 1)
        Library(folder).add(one)

    children = [in_child(lambda one=one: add(one)) for one in entries]
    os.close(go_end)
    os.close(wait_end)
    return [wait(child) for child in children]


def together(folder: pathlib.Path) -> None:
    """Adds from several processes to a new library, again and again."""
    for round_ in range(5):
        here = folder / str(round_)
        different = [entry(f"task{i}-seed0", seed=i) for i in range(6)]
        assert at_once(here / "names", different) == [0] * 6
        assert len(Library(here / "names").entries()) == 6

        assert at_once(here / "same", [entry("sst2-seed0")] * 4) == [0] * 4
        assert Library(here / "same").names() == ["sst2-seed0"]

        others = [entry("sst2-seed0", seed=i) for i in range(4)]
        assert sorted(at_once(here / "other", others)) == [0, 1, 1, 1]
        [winner] = Library(here / "other").entries()
        assert others[winner.seed].is_same(winner)

        models = [entry(f"task{i}", fingerprint=f"{i:016x}") for i in range(4)]
        assert sorted(at_once(here / "models", models)) == [0, 1, 1, 1]
        assert len(Library(here / "models").entries()) == 1
        for library in here.iterdir():
            assert Library(library).verify() == []


def cramped(folder: pathlib.Path) -> None:
    """Adds where files cannot grow beyond a limit, as on a disk that is full."""
    sizes = []
    for is_new in (True, False):
        for limit in (0, 50, 200, 700, 1500):
            library = Library(folder / f"{is_new}-{limit}")
            if not is_new:
                library.add(entry("before"))

            def add(library=library, limit=limit):
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
                library.add(entry("sst2-seed0"))

            sizes.append(wait(in_child(add)))
            if sizes[-1]:
                assert library.names() == ([] if is_new else ["before"])
            assert not list(library.folder.glob(".*"))
            library.add(entry("sst2-seed0"))
            assert library.verify() == []
    assert 0 < sum(sizes), "no limit was too small"


if __name__ == "__main__":
    {"killed": killed, "together": together, "cramped": cramped}[sys.argv[1]](
        pathlib.Path(sys.argv[2])
    )
