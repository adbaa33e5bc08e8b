"""Soft prompts for frozen T5 models, and their transfer between tasks (SPoT).

    model = spot_jax.load("t5-small-folder")
    prompt = spot_jax.tune(model, "my.csv", input="mood: {text}", target="{label}")
    model.answer(["a fine film"], prompt)

`spot_jax.api` has all of what stands here; the programs of the command line are files
beside it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spot_jax.api.frozen_model import FrozenModel, load
    from spot_jax.api.prompt import InputError, Prompt, embed
    from spot_jax.api.prompt_library import library
    from spot_jax.api.tuning import tune

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
__all__ = [
    "FrozenModel",
    "InputError",
    "Prompt",
    "embed",
    "library",
    "load",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name not in _API:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"spot_jax.api.{_API[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_API})
