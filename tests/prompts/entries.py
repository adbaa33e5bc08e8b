"""Entries of a library to test with, and the files of a run that left them."""

import json

import numpy as np

from spot_jax.prompts import files
from spot_jax.prompts.entry import LibraryEntry
from tests.bundles import soft

MODEL = "0123456789abcdef"


def entry(name="sst2-seed0", *, seed=0, fingerprint=MODEL, shape=(5, 4), **changes):
    """Returns an entry whose arrays depend on the seed alone."""
    rng = np.random.default_rng(seed)
    values = dict(
        name=name,
        task=name.partition("-")[0],
        seed=seed,
        prompt=soft(rng.standard_normal(shape)),
        embedding=soft(rng.standard_normal(shape)),
        prompt_step=200,
        embedding_step=100,
        results={"sst2": {"accuracy": 90.0 + (seed or 0)}},
        score=90.0 + (seed or 0),
        model={"fingerprint": fingerprint, "source": "gs://bucket/checkpoint_1100000"},
        configuration="TRAIN_STEPS = 300",
        provenance={"prompt": "/run/prompts/best.safetensors"},
    )
    return LibraryEntry(**values | changes)


def write_run(model_dir, *names, kinds=("best", "embedding", "last"), **said):
    """Writes what a run of `train` leaves of its prompts, and returns the folder."""
    for seed, name in enumerate(names):
        of = entry(name, seed=seed)
        story = {
            **{key: getattr(of, key) for key in ("name", "task", "seed", "model")},
            "configuration": of.configuration,
        }
        step = {"best": 200, "embedding": 100, "last": 300}
        for kind in kinds:
            files.write(
                model_dir / "prompts" / name / f"{kind}.safetensors",
                of.embedding if kind == "embedding" else of.prompt,
                story
                | {"kind": kind, "step": step[kind]}
                | {"results": of.results if kind == "best" else {}}
                | said,
            )
    (model_dir / "run.json").write_text(json.dumps({"git_commit": "abc"}))
    return model_dir
