"""Every array in a signature of the T5 carries its shape."""

import ast
import pathlib

import pytest

FILES = sorted(pathlib.Path(__file__).parents[2].glob("spot_jax/t5/*.py"))


def is_array(node: ast.AST) -> bool:
    """`Array`, `jax.Array` or `np.ndarray`."""
    name = getattr(node, "id", None) or getattr(node, "attr", None)
    return name in {"Array", "ndarray"}


def bare_arrays(tree: ast.AST) -> list[int]:
    """The lines of arrays that are not the first half of `Float[Array, "batch"]`."""
    shaped = {
        id(node.slice.elts[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Tuple)
        and isinstance(node.slice.elts[-1], ast.Constant)
    }
    arrays = [node for node in ast.walk(tree) if is_array(node)]
    return sorted(node.lineno for node in arrays if id(node) not in shaped)


def unannotated(tree: ast.AST) -> list[str]:
    """Functions of a module or class with an argument or result that has no type."""
    outer = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
    functions = [
        node
        for scope in outer
        for node in scope.body
        # These two take and return nothing.
        if isinstance(node, ast.FunctionDef)
        and node.name not in {"setup", "__post_init__"}
    ]
    return [
        function.name
        for function in functions
        if function.returns is None
        or any(
            argument.annotation is None
            for argument in [*function.args.args, *function.args.kwonlyargs]
            if argument.arg != "self"
        )
    ]


def test_both_kinds_of_omission_are_seen():
    source = """
def good(x: Float[Array, "batch"], n: int) -> list[Int[jax.Array, " batch"]]: ...
def bare(x: tuple[Array, int]) -> jax.Array: ...
def none(x, *, y: int) -> int: ...
def no_result(x: int): ...
Alias = list[Array]
"""
    tree = ast.parse(source)
    assert bare_arrays(tree) == [3, 3, 6]
    assert unannotated(tree) == ["none", "no_result"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_array_has_a_shape(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not bare_arrays(tree), "write Float[Array, 'batch length'], not Array"
    assert not unannotated(tree)
