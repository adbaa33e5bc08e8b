"""What the README shows is there and runs."""

import pathlib
import re

import pytest

from spot_jax import config
from spot_jax.__main__ import PROGRAMS, WORKSHOP

ROOT = pathlib.Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs():
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    names: dict = {}
    exec(example, names)
    assert names["logits"].shape == (1, 2, 32128)


def test_the_table_names_every_program():
    table = README.split("## Programs")[1].split("##")[0]
    assert set(re.findall(r"^\| `(\w+)` ", table, flags=re.MULTILINE)) == {
        *PROGRAMS,
        *WORKSHOP,
    }


def test_the_map_has_every_room():
    drawn = README.split("## Map")[1].split("##")[0].split()
    there = (ROOT / "spot_jax").iterdir()
    rooms = [
        p for p in there if "__" not in p.name and (p.is_dir() or p.suffix == ".py")
    ]
    names = {f"{room.name}/" if room.is_dir() else room.stem for room in rooms}
    assert names <= set(drawn), names - set(drawn)


@pytest.mark.parametrize("program", [*PROGRAMS, *WORKSHOP])
def test_every_program_has_help(program, capsys):
    from spot_jax.__main__ import main

    with pytest.raises(SystemExit) as stopped:
        main([program, "--help"])
    assert stopped.value.code == 0
    assert f"spot_jax {program}" in capsys.readouterr().out


def test_every_macro_in_the_table_is_one():
    table = README.split("## Macros")[1].split("##")[0]
    macros = set(re.findall(r"`([A-Z][A-Z_]+)`", table))
    files = [p.read_text() for p in (config.root() / "gin").rglob("*.gin")]
    used = set(re.findall(r"%([A-Z][A-Z_]+)", "\n".join(files)))
    assert macros <= used, macros - used
