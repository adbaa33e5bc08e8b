"""The house: who stands on which floor, and through which door a library comes in."""

import ast
import pathlib
import re

import pytest

from spot_jax.__main__ import PROGRAMS, WORKSHOP, _module_of

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILES = sorted([*(ROOT / "spot_jax").rglob("*.py"), *(ROOT / "tasks").glob("*.py")])

# From the roof down. A room imports rooms below its own floor, and nothing else. A room
# is a folder of spot_jax/ or a file beside them; `tasks` is the folder tasks/.
FLOORS = (
    ("__main__",),
    # What Python programs import.
    ("api",),
    # Programs that run others.
    ("demo", "study", "workshop", "compile"),
    # The programs, a file each.
    *(
        ("train", "evaluate", "infer", "library_program", "transfer", "report"),
        ("inspect_tasks", "convert", "tokenize"),
    ),
    # What a run needs of a machine.
    ("proof",),
    # The machinery.
    *(("campaign", "analysis"), ("t5x_engine",)),
    *(("training",), ("scoring",), ("retrieval",)),
    *(("data", "model"), ("settings",)),
    # What SeqIO's tasks are.
    *(("tasks", "rows"), ("miniature",), ("text",)),
    # The maths.
    *(("losses", "optim", "pretrained", "t5"), ("prompts",)),
    # What everything may stand on.
    ("interrupts", "processes"),
    ("config", "hardware", "host_memory", "model_dir", "spot_tiny", "tables"),
    *(("reading", "typed"), ("buckets",), ("errors",)),
)
FLOOR = {room: number for number, floor in enumerate(FLOORS) for room in floor}
TENSORFLOW = {"tensorflow", "tensorflow_datasets", "tensorflow_text", "seqio"}
WITH_TENSORFLOW = {"data", "text", "tasks", "t5x_engine", *PROGRAMS, "workshop"}


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
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms_imported(path: pathlib.Path) -> set[str]:
    ours = [name for name in imports(path) if name.startswith("spot_jax.")]
    return {name.split(".")[1] for name in ours} - {room(path)}


def test_every_room_has_a_floor():
    rooms = {room(path) for path in FILES} - {"__init__"}
    assert rooms == set(FLOOR)
    files = {_module_of(program).split(".")[1] for program in PROGRAMS | WORKSHOP}
    assert files | {"api", "__main__"} == {
        *(room for floor in FLOORS[:5] for room in floor)
    }
    assert all((ROOT / f"spot_jax/workshop/{name}.py").exists() for name in WORKSHOP)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path):
    here = room(path)
    above = {name for name in rooms_imported(path) if FLOOR[name] <= FLOOR.get(here, 0)}
    assert not above, f"{here} stands on floor {FLOOR[here]} and imports {above}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_libraries_come_in_through_their_own_doors(path):
    here, libraries = room(path), {name.split(".")[0] for name in imports(path)}
    if here in {"text", "tasks", "miniature"}:
        assert not libraries & {"jax", "flax", "optax"}
    if here == "t5":
        names = {n for n in imports(path) if n.startswith("spot_jax.prompts")}
        assert all(n.startswith("spot_jax.prompts.base") for n in names)
    if here != "config":
        assert "gin" not in libraries, "gin is imported by config.py alone"
    assert not re.search(r"raise ValueError", path.read_text(encoding="utf-8"))
    if libraries & TENSORFLOW:
        assert here in WITH_TENSORFLOW
    assert not libraries & {"torch", "transformers", "peft", "t5"}
    assert "t5x" not in libraries or here == "t5x_engine"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nobody_imports_a_program_of_the_workshop(path):
    programs = {f"spot_jax.workshop.{name}" for name in WORKSHOP}
    assert not imports(path) & programs


# What changes a disk; libraries that fill a folder of storage are called otherwise.
WRITES = re.compile(
    r"""\.write_(text|bytes)\(|\.mkdir\(|\.unlink\(|\.touch\(|\.rmdir\(|\.symlink_to\(
    |os\.(replace|rename|link|remove|makedirs|mkdir|unlink|truncate)\(|\bshutil\.
    |\bopen\([^)\n]*["'](w|a|x|r\+)|\.savefig\((path|folder|f")|tempfile\.
    |\.to_csv\((path|folder)""",
    re.VERBOSE,
)
# It speaks for a moment to a file of no name, in place of TensorFlow's greetings.
NO_WRITES = ("text/__init__.py",)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_everything_is_written_through_one_storage(path):
    if path.match("model_dir/storage.py") or any(map(path.match, NO_WRITES)):
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if WRITES.search(line)]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_names_of_files_stand_in_one_place(path):
    """Messages and help may say what a file is called; paths are made of names."""
    names = r"(best|last|embedding)\.safetensors|config\.gin|run\.json|metrics\.jsonl"
    code = path.read_text(encoding="utf-8")
    assert not re.search(rf"""/ f?["'][^"' ]*({names})["']""", code)


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


def main() -> None:
    """Prints the floors: `python tests/test_layout.py`."""
    for number, floor in enumerate(FLOORS):
        print(f"{len(FLOORS) - number:3}  {'  '.join(floor)}")


if __name__ == "__main__":
    main()
