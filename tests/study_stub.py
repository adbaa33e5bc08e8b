"""In place of training: prompts that depend on what `train` would depend on."""

import json
import pathlib
import zlib

import numpy as np

from spot_jax import config
from spot_jax.campaign.cost import Sizes
from spot_jax.campaign.plan import Run
from spot_jax.campaign.runs import Bank
from spot_jax.prompts import algebra, files
from spot_jax.prompts.base import PromptBundle
from spot_jax.training import bank as banks

MODEL = {"fingerprint": "0123456789abcdef", "source": "nowhere"}


def moved(prompt: PromptBundle, rng: np.random.Generator) -> PromptBundle:
    """Returns another prompt, nearer to zero but for noise."""
    return algebra.map_sites(
        lambda _, array: np.float32(array / 2 + rng.normal(size=array.shape)), prompt
    )


def tune(run: Run, bank: Bank, folder: pathlib.Path) -> None:
    """Leaves what a run leaves; `study.tune` with nothing trained."""
    lines = []
    shapes = config.configured(Sizes)().prompt
    drawn = algebra.map_sites(lambda _, s: np.zeros(s.shape, np.float32), shapes)
    for name, (task, seed, start) in zip(
        banks.prompt_names(bank.rows), bank.rows, strict=True
    ):
        begun = files.read(start).bundle if start else drawn
        told = b"".join(matrix.tobytes() for matrix in algebra.token_matrices(begun))
        rng = np.random.default_rng([seed, zlib.crc32(task.encode() + told)])
        steps = range(run.eval_period, run.steps + 1, run.eval_period)
        scores = [float(score) for score in rng.uniform(0, 100, len(steps))]
        tasks = bank.mixtures.get(task, [task])
        for step, score in zip(steps, scores, strict=True):
            lines += [
                {"step": step, "prompt": name, "kind": kind, "accuracy": score}
                for kind in ("train", *tasks)
            ]
        best = int(np.argmax(scores))
        for kind, step in (
            ("best", steps[best]),
            ("embedding", 1),
            ("last", run.steps),
        ):
            story = {
                **{"name": name, "task": task, "seed": seed, "kind": kind},
                **{"step": step, "model": MODEL, "configuration": "A = 1"},
                "results": {task: {"accuracy": scores[best]} for task in tasks},
            }
            path = folder / "prompts" / name / f"{kind}.safetensors"
            files.write(path, moved(begun, rng), story)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text, encoding="utf-8")
