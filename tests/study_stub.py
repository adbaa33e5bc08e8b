"""In place of training: prompts that depend on what `train` would depend on."""

import json
import pathlib
import zlib

import numpy as np

from spot_jax.campaign.plan import Run
from spot_jax.campaign.runs import Bank
from spot_jax.prompts import files
from spot_jax.training import bank as banks
from tests.bundles import soft

MODEL = {"fingerprint": "0123456789abcdef", "source": "nowhere"}


def tune(run: Run, bank: Bank, folder: pathlib.Path) -> None:
    """Leaves what a run leaves; `study.tune` with nothing trained."""
    lines = []
    for name, (task, seed, start) in zip(
        banks.prompt_names(bank.rows), bank.rows, strict=True
    ):
        begun = (
            files.read(start).bundle.enc_input
            if start
            else np.zeros((5, 8), np.float32)
        )
        rng = np.random.default_rng([seed, zlib.crc32(task.encode() + begun.tobytes())])
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
            prompt = begun / 2 + rng.normal(size=(5, 8))
            files.write(
                folder / "prompts" / name / f"{kind}.safetensors",
                soft(prompt),
                story,
            )
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text, encoding="utf-8")
