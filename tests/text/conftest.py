"""The small vocabulary, for the tests of this folder."""

import pytest

from tests.small_vocabulary import write_vocabulary


@pytest.fixture(scope="session")
def vocabulary_file(tmp_path_factory) -> str:
    """A file with some 320 pieces."""
    return write_vocabulary(tmp_path_factory.mktemp("vocabulary"))


@pytest.fixture
def small_vocabulary(vocabulary_file):
    """All tasks read the small vocabulary, without sentinels, during one test."""
    from spot_jax.text import vocabulary

    vocabulary.use_vocabulary(vocabulary_file)
    yield vocabulary.VOCABULARY
    vocabulary.use_vocabulary(vocabulary.PUBLISHED_VOCABULARY)
