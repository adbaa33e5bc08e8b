import pytest
from matplotlib import pyplot

from spot_jax.analysis import study
from tests.analysis import made_study


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A complete study of 16 sources, 10 targets and 3 seeds."""
    return study.read(made_study.write(tmp_path_factory.mktemp("study")))


@pytest.fixture
def small(tmp_path):
    """The folder of a small study, to be changed."""
    return made_study.write(
        tmp_path / "study",
        sources=("mnli", "sst2", "qqp"),
        targets=("rte", "cr", "mrpc"),
        seeds=(0, 1),
        evaluations=3,
    )


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    """What draws a report and writes none has nobody to close them."""
    yield
    pyplot.close("all")
