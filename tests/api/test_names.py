"""What stands at the top of the package is there, and is what it says."""

import subprocess
import sys

import pytest

import spot_jax


@pytest.mark.parametrize("name", spot_jax.__all__)
def test_every_name_is_there(name):
    assert callable(getattr(spot_jax, name))
    assert name in dir(spot_jax)


def test_all_names_are_told_to_type_checkers():
    assert set(spot_jax.__all__) == set(spot_jax._API)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        spot_jax.nothing  # noqa: B018


def test_the_library_stays_a_function_whatever_is_imported():
    program = "import spot_jax.library_program, spot_jax; print(spot_jax.library)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("<function library")
