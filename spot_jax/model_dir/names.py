"""What the files of a run are called, here and nowhere else.

MODEL_DIR/config.gin               what ran
MODEL_DIR/run.json                 with what it ran
MODEL_DIR/.lock                    who is running it now
MODEL_DIR/metrics.jsonl            every metric; tensorboard/ has the same
MODEL_DIR/prompts/NAME/*           best, last and embedding of each prompt
MODEL_DIR/checkpoints/             the state to resume from
MODEL_DIR/checkpoint_N/            of model tuning: the best model
"""

import pathlib

from spot_jax import buckets

CONFIG = "config.gin"
RUN = "run.json"
ABOUT = "about.json"
LOCK = ".lock"
METRICS = "metrics.jsonl"
TENSORBOARD = "tensorboard"
CHECKPOINTS = "checkpoints"
PROMPTS = "prompts"
# The prompts of a run, by what they are: of the best evaluation, of EMBEDDING_STEP, of
# the last step. A run is finished when the last is there.
BEST, EMBEDDING, LAST = "best", "embedding", "last"


# What a transfer writes for a target to start from: one prompt, or one of each rank.
START = "start.safetensors"


def start(rank: int) -> str:
    """Returns the name of the start from the source of a rank: start-1.safetensors."""
    return f"start-{rank}.safetensors"


def prompt_file(model_dir: pathlib.Path, name: str, kind: str) -> pathlib.Path:
    """Returns where a run keeps a prompt: MODEL_DIR/prompts/NAME/best.safetensors."""
    return in_folder(model_dir / PROMPTS / name, kind)


def in_folder(folder: pathlib.Path, kind: str) -> pathlib.Path:
    """Returns where a prompt's own folder keeps it: NAME/best.safetensors."""
    return folder / f"{kind}.safetensors"


def prompt_folders(model_dir: pathlib.Path) -> list[pathlib.Path]:
    """Returns the folders of all prompts of a run, sorted by name."""
    return sorted(p for p in (model_dir / PROMPTS).glob("*") if p.is_dir())


def tuned_model(model_dir: pathlib.Path, step: int) -> pathlib.Path:
    """Returns where model tuning keeps its best model: MODEL_DIR/checkpoint_1100100."""
    return model_dir / f"checkpoint_{step}"


def tuned_models(model_dir: pathlib.Path) -> list[pathlib.Path]:
    """Returns the tuned models that are there, the latest last."""
    found = {
        int(path.name.removeprefix("checkpoint_")): path
        for path in model_dir.glob("checkpoint_*")
        if path.name.removeprefix("checkpoint_").isdecimal()
        # Written last: in a bucket a folder is there before it is whole.
        and (not buckets.is_inside(path) or (path / "checkpoint").is_file())
    }
    return [found[step] for step in sorted(found)]
