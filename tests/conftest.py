"""What every test may use: virtual devices, the shared folder, a tiny T5."""

import functools
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]

# Before jax looks for devices: sharding is tested on any laptop. Tests compute little
# and compile much, so they compile quickly, and the same program only once.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
)
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(ROOT / ".pytest_cache" / "jax")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import optax
import pytest

from spot_jax.t5 import T5Config, initial_parameters

# Arrays of different ranks or dtypes meet by mistake as easily as on purpose.
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


def _promoting(function):
    """Returns the function with JAX's own promotion of dtypes."""

    @functools.wraps(function)
    def call(*arguments):
        with jax.numpy_dtype_promotion("standard"):
            return function(*arguments)

    return call


# optax's Adam raises a float to the power of an integer step.
optax.tree.bias_correction = _promoting(optax.tree.bias_correction)


@pytest.fixture(scope="module", autouse=True)
def _tasks_of_these_tests_alone():
    """Forgets the tasks that tests made up, which other tests would look at."""
    yield
    catalog = sys.modules.get("spot_jax.tasks.catalog")
    for name, info in list(catalog.TASKS.items()) if catalog else ():
        if info.family in ("own", "rows of one's own"):
            del catalog.TASKS[name]


@pytest.fixture(scope="session")
def shared() -> pathlib.Path:
    """The folder of real rows and checkpoints; tests of it skip where it is absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder of real data and checkpoints, ../shared, is absent")
    return folder


@pytest.fixture(scope="session")
def _served():
    from tests import bucket

    with bucket.served() as served:
        yield served


@pytest.fixture
def store(bare_store):
    """A stand-in for Google Cloud Storage, with a bucket gs://bucket and nothing else.

    Programs that are started find it as well.
    """
    pytest.importorskip("gcsfs", reason="gcsfs, of the extra gcs, is not installed")
    from spot_jax.buckets import path

    # What is asked of a bucket once in a process was asked of another test's.
    path.reach.cache_clear()
    return bare_store


@pytest.fixture
def bare_store(_served, monkeypatch):
    """The same for what does without gcsfs: tensorstore."""
    from tests import bucket

    kept, url = _served
    for name, value in bucket.where(url).items():
        monkeypatch.setenv(name, value)
    kept.clear()
    kept.make("bucket")
    return kept


@pytest.fixture(scope="session")
def tiny_config() -> T5Config:
    """A T5 1.1 whose heads together are not as wide as the model."""
    return T5Config(
        d_model=32,
        heads=3,
        d_head=8,
        d_mlp=64,
        encoder_layers=2,
        decoder_layers=1,
        vocab_size=128,
        dropout_rate=0.0,
    )


@pytest.fixture(scope="session")
def tiny_params(tiny_config):
    return dict(initial_parameters(tiny_config, jax.random.key(0)))


@pytest.fixture(scope="session")
def demo_model(tmp_path_factory) -> dict[str, str]:
    """A random T5 of tests/demo.gin on disk, and the vocabulary of its world.

    Returns:
        The gin values INITIAL_CHECKPOINT_PATH, VOCABULARY and TASK_FEATURE_LENGTHS.
    """
    from spot_jax import config
    from spot_jax.pretrained.save import save_t5x
    from tests.demo_world import train_vocabulary

    folder = tmp_path_factory.mktemp("demo_model")
    config.parse(["tests/demo.gin", "gin/runs/shared.gin"], _ANYTHING)
    params = initial_parameters(config.configured(T5Config)(), jax.random.key(0))
    save_t5x(str(folder / "checkpoint_7"), dict(params), 7)
    vocabulary = train_vocabulary(folder / "vocabulary.model")
    return {
        "INITIAL_CHECKPOINT_PATH": str(folder / "checkpoint_7"),
        "VOCABULARY": str(vocabulary),
        "TASK_FEATURE_LENGTHS": "{'inputs': 32, 'targets': 8}",
    }


# The model alone needs none of these, but what is included asks for them.
_ANYTHING = [
    "DROPOUT_RATE=0.0",
    "INITIAL_CHECKPOINT_PATH=x",
    "MIXTURE_OR_TASK_NAME=x",
    "TASK_FEATURE_LENGTHS={'inputs': 8, 'targets': 8}",
]
