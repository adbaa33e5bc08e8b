"""Soft prompts for frozen T5 models, and their transfer between tasks (SPoT).

    model = spot_jax.load("t5-small-folder")
    prompt = spot_jax.tune(model, "my.csv", input="mood: {text}", target="{label}")
    model.answer(["a fine film"], prompt)

`spot_jax.api` has all of what stands here; the programs of the command line are files
beside it.
"""

import importlib
from typing import Any

# What is imported when somebody asks for it: most programs need none of it.
_API = {
    "FrozenModel": "frozen_model",
    "InputError": "prompt",
    "Prompt": "prompt",
    "embed": "prompt",
    "library": "prompt_library",
    "load": "frozen_model",
    "tune": "tuning",
}
__all__ = list(_API)


def __getattr__(name: str) -> Any:
    if name not in _API:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"spot_jax.api.{_API[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_API})
