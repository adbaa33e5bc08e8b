"""Imports point down only, and each library is let in through its own door."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILES = sorted([*(ROOT / "spot_jax").rglob("*.py"), *(ROOT / "tasks").glob("*.py")])

PROGRAMS = {
    *("train", "evaluate", "infer", "inspect_tasks", "convert", "demo", "tokenize"),
    *("make_miniature", "library", "transfer", "study", "report"),
    *("make_spot_tiny", "measure_spot_tiny", "play_games"),
}
MATHS = {"losses", "optim", "prompts", "t5", "pretrained", "similarity"}
TENSORFLOW = {"tensorflow", "tensorflow_datasets", "tensorflow_text", "seqio"}


def room(path: pathlib.Path) -> str:
    """The first name below spot_jax: 't5' for spot_jax/t5/network.py."""
    if path.is_relative_to(ROOT / "tasks"):
        return "tasks"
    return path.relative_to(ROOT / "spot_jax").parts[0].removesuffix(".py")


def imports(path: pathlib.Path) -> set[str]:
    """Every module a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms_imported(path: pathlib.Path) -> set[str]:
    ours = [name for name in imports(path) if name.startswith("spot_jax.")]
    return {name.split(".")[1] for name in ours}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path):
    here, there = room(path), rooms_imported(path)
    libraries = {name.split(".")[0] for name in imports(path)}
    if here not in {"__main__", "demo", "study", "make_spot_tiny", "measure_spot_tiny"}:
        assert not there & (PROGRAMS - {here}), "nobody imports a program"
    if here in MATHS:
        # Of the embedded model only where its files are.
        assert there <= MATHS | {"spot_tiny"}, "the maths imports the maths alone"
        assert not libraries & TENSORFLOW
    if here == "t5":
        assert there <= {"t5", "prompts"}
        names = {n for n in imports(path) if n.startswith("spot_jax.prompts")}
        assert all(n.startswith("spot_jax.prompts.base") for n in names)
    if here in {"text", "tasks"}:
        assert not libraries & {"jax", "flax", "optax"}
    if here != "config":
        assert "gin" not in libraries, "gin is imported by config.py alone"
    if libraries & TENSORFLOW:
        assert here in {"data", "text", "tasks", "miniature", *PROGRAMS}
    assert not libraries & {"torch", "transformers", "peft", "t5", "t5x"}


def test_folders_that_must_not_be_packages_are_none():
    for folder in ("gin", "tasks", "tests"):
        assert not list((ROOT / folder).rglob("__init__.py"))


def test_no_task_has_a_name_of_the_official_release():
    for path in (ROOT / "tasks").glob("*.py"):
        assert '"spot_' not in path.read_text(encoding="utf-8")


def test_setup_lists_every_package():
    listed = (ROOT / "setup.py").read_text(encoding="utf-8")
    for folder in {path.parent for path in FILES}:
        name = ".".join(folder.relative_to(ROOT).parts)
        assert f'"{name.removeprefix("tasks") or "spot_jax.tasks"}"' in listed
