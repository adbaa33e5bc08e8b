"""What the code says of a parameter, read without importing it.

Help is asked for by who waits for it; what programs import takes seconds.
"""

import ast
import functools
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from spot_jax.config.files import PACKAGE, root

_Definition = ast.ClassDef | ast.FunctionDef


class Parameter(NamedTuple):
    """A parameter of a function, or a field of a class.

    Attributes:
        default: as gin text; None where there is none, or the code is not ours.
        meaning: what the docstring says of it; "" where it says nothing.
        taker: what takes it, with the docstring's first sentence.
    """

    default: str | None
    meaning: str
    taker: str


def purpose(program: str) -> str:
    """Returns what a program says of itself: its file's docstring."""
    tree = _tree(f"spot_jax.{program}")
    text = ast.get_docstring(tree) or "" if tree else ""
    said = re.sub(r"^(Program|`spot_jax \w+`): ", "", text)
    return said[:1].upper() + said[1:]


def parameter(function: str, name: str) -> Parameter:
    """Returns what the code says of a parameter.

    Args:
        function: in full: "spot_jax.settings.Data".
        name: of the parameter.
    """
    module, _, called = function.rpartition(".")
    found = _definition(module, called)
    if not isinstance(found and found[1], _Definition):
        return Parameter(None, "", f"`{name}` of {function}")
    where, node = found
    default = dict(_defaults(node)).get(name)
    text = None if default is None else _as_gin(where, default)
    said = ast.get_docstring(node) or ""
    entry = re.search(rf"^    {name}: (.*(?:\n      +.*)*)", said, re.MULTILINE)
    meaning = " ".join(entry[1].split()) if entry else ""
    taker = f"`{name}` of {called}: {' '.join(said.partition('.')[0].split())}"
    return Parameter(text, meaning, taker)


def _defaults(node: _Definition) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.ClassDef):
        for field in node.body:
            if isinstance(field, ast.AnnAssign) and field.value:
                yield field.target.id, field.value
        return
    of, arguments = node.args, [*node.args.posonlyargs, *node.args.args]
    given = arguments[len(arguments) - len(of.defaults) :]
    pairs = [*zip(given, of.defaults, strict=True)]
    pairs += zip(of.kwonlyargs, of.kw_defaults, strict=True)
    yield from ((argument.arg, default) for argument, default in pairs if default)


def _as_gin(module: str, value: ast.expr) -> str | None:
    """Returns a default as gin writes it; None for one that stands for none."""
    match value:
        case ast.Constant(value=v) if v is ...:
            return None
        # dataclasses.field(default_factory=dict)
        case ast.Call(keywords=[ast.keyword("default_factory", ast.Name(id=kind))]):
            return repr({"dict": {}, "list": []}.get(kind))
        case ast.Name(id=name):
            where, node = _definition(module, name) or (module, None)
            if isinstance(node, _Definition):
                return f"@{where.rpartition('.')[2]}.{node.name}"
            return None if node is None else _as_gin(where, node)
    return ast.unparse(value)


def _definition(module: str, name: str) -> tuple[str, ast.AST] | None:
    """Returns where something is defined that a module has, and its node or value."""
    tree = _tree(module)
    for node in tree.body if tree else ():
        match node:
            case ast.ClassDef(name=n) | ast.FunctionDef(name=n) if n == name:
                return module, node
            case ast.Assign(targets=[ast.Name(id=n)], value=value) if n == name:
                return module, value
            case ast.ImportFrom(module=other, names=names):
                for alias in names:
                    if (alias.asname or alias.name) == name:
                        return _definition(other, alias.name)
    return None


@functools.cache
def _tree(module: str) -> ast.Module | None:
    parts = module.split(".")
    # tasks/ stands beside the package, or in it.
    bases = [PACKAGE.parent.joinpath(*parts), root().joinpath(*parts[1:])]
    for base in bases if parts[0] == PACKAGE.name else ():
        for path in (base.with_name(f"{base.name}.py"), base / "__init__.py"):
            if path.is_file():
                return ast.parse(pathlib.Path(path).read_text(encoding="utf-8"))
    return None
