"""Whether a checkpoint is the model's, by names, shapes and what it says of itself."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from spot_jax.errors import InputError
from spot_jax.pretrained.arrays import WEIGHT_DTYPES, Checkpoint

_SHOWN = 5


class _Size(NamedTuple):
    d_model: int
    joined: int  # heads x head size
    mlp: int
    layers: int
    gated: bool


# T5 1.0: Raffel et al. 2020, section 3.7. T5 1.1: T5X's gin files of that name. Tiny
# ones: our own.
_GIN_MODELS = {
    _Size(128, 128, 256, 2, False): "t5_1_0_tiny",
    _Size(512, 512, 2048, 6, False): "t5_1_0_small",
    _Size(768, 768, 3072, 12, False): "t5_1_0_base",
    _Size(1024, 1024, 4096, 24, False): "t5_1_0_large",
    _Size(1024, 4096, 16384, 24, False): "t5_1_0_3b",
    _Size(1024, 16384, 65536, 24, False): "t5_1_0_11b",
    _Size(128, 128, 256, 2, True): "t5_1_1_tiny",
    _Size(128, 128, 256, 3, True): "spot_tiny",
    _Size(512, 384, 1024, 8, True): "t5_1_1_small",
    _Size(768, 768, 2048, 12, True): "t5_1_1_base",
    _Size(1024, 1024, 2816, 24, True): "t5_1_1_large",
    _Size(2048, 2048, 5120, 24, True): "t5_1_1_xl",
    _Size(4096, 4096, 10240, 24, True): "t5_1_1_xxl",
}


# What choosing a file of gin/models settles.
_OF_GIN_MODELS = {
    *("d_model", "heads", "d_head", "d_mlp", "encoder_layers", "decoder_layers"),
    *("mlp_activations", "logits_via_embedding"),
}
_BIAS = "relpos_bias/rel_embedding"


def check(
    checkpoint: Checkpoint,
    expected: Mapping[str, Any],
    source: str,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Checks that a checkpoint holds exactly the model's arrays, and is such a model.

    Args:
        checkpoint: The checkpoint, of which nothing is read.
        expected: From every parameter name of the model to something with its shape.
        source: Where the checkpoint lies, for the message.
        settings: The model's T5Config as a dict; None knows only what shapes tell.

    Raises:
        InputError: if an array is missing, has no place in the model, has another
            shape or is not in floating point, or if a setting that the checkpoint
            tells is another. The message names the first of each kind, counts them,
            and names the settings or the model file that would fit.
    """
    problems = list(_problems(checkpoint, expected))
    wanted = settings_of(expected) | dict(settings or {})
    told = settings_of(checkpoint.arrays) | dict(checkpoint.settings)
    other = _others(told, wanted)
    if contradicted := contradiction(checkpoint):
        problems.append(contradicted)
    elif problems or other:
        problems += _cures(checkpoint.arrays, expected, other, wanted)
    if problems:
        lines = "\n  ".join(problems)
        raise InputError(
            f"the weights in {source} are not those of the model:\n  {lines}"
        )


def check_settings(
    told: Mapping[str, Any], wanted: Mapping[str, Any], source: str
) -> None:
    """Compares settings alone, where the arrays are out of reach.

    Args:
        told: What is known of the checkpoint, under the names of T5Config.
        wanted: The model's T5Config as a dict.
        source: What the checkpoint is called, for the message.

    Raises:
        InputError: if they differ; the message names each and how to set it.
    """
    if other := _others(told, wanted):
        raise InputError(
            f"the weights in {source} are not those of the model:\n  "
            f"{_other_settings(other, wanted)}"
        )


def contradiction(checkpoint: Checkpoint) -> str | None:
    """Returns what a config.json and the weights beside it say otherwise, or None."""
    shown = settings_of(checkpoint.arrays)
    for key, value in _others(checkpoint.settings, shown).items():
        return (
            f"its config.json tells of a model with {key} {value}, its weights are of "
            f"one with {shown[key]}: one of them is another's. Get the folder again"
        )
    return None


def _others(told: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what is told of settings that the model has otherwise."""
    return {key: told[key] for key in told if told[key] != wanted.get(key, told[key])}


def _cures(
    arrays: Mapping[str, Any],
    expected: Mapping[str, Any],
    other: Mapping[str, Any],
    wanted: Mapping[str, Any],
) -> Iterator[str]:
    """Says which model file and which settings would fit."""
    found = recognise(arrays)
    left = dict(other)
    if found and found != recognise(expected):
        yield (
            f"these are the shapes of {found}: choose gin/models/{found}.gin, or none, "
            "for the checkpoint tells its shape, or choose another checkpoint"
        )
        left = {key: left[key] for key in left if key not in _OF_GIN_MODELS}
    if left:
        yield _other_settings(left, wanted)


def _other_settings(other: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    differ = ", ".join(f"{key} {other[key]} (not {wanted[key]})" for key in other)
    flags = " ".join(f"--gin.T5Config.{key}={_quoted(other[key])}" for key in other)
    return (
        f"it is of a model with {differ}: set {flags}, or leave the gin/models file "
        "out, for the checkpoint tells its shape, or choose another checkpoint"
    )


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, tuple) else str(value)


def settings_of(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the shapes of a T5's arrays tell of its T5Config.

    Args:
        arrays: From our parameter names to anything with a shape.
    """
    found = {"logits_via_embedding": "decoder/logits_dense/kernel" not in arrays}
    of_a_layer = f"encoder/layers_0/{_BIAS}"
    if of_a_layer in arrays or f"encoder/{_BIAS}" in arrays:
        found["relpos_in_every_layer"] = of_a_layer in arrays

    def tell(name: str, *keys: str | None) -> None:
        shape = arrays[name].shape if name in arrays else ()
        if len(shape) == len(keys):
            pairs = zip(keys, shape, strict=True)
            found.update({key: size for key, size in pairs if key})

    tell("token_embedder/embedding", "vocab_size", "d_model")
    tell(f"encoder/{_BIAS}", "heads", "relpos_buckets")
    tell(of_a_layer, "heads", "relpos_buckets")
    tell("encoder/layers_0/mlp/wo/kernel", "d_mlp", None)
    for stack in ("encoder", "decoder"):
        begin = f"{stack}/layers_"
        layers = {name.split("/")[1] for name in arrays if name.startswith(begin)}
        if layers:
            found[f"{stack}_layers"] = len(layers)
    joined = arrays.get("encoder/layers_0/attention/query/kernel")
    if joined and len(joined.shape) == 2 and found.get("heads"):
        found["d_head"] = joined.shape[1] // found["heads"]
    return found


def recognise(arrays: Mapping[str, Any]) -> str | None:
    """Returns the published T5 that has arrays of these shapes, None if none has.

    Args:
        arrays: From parameter names to anything with a shape.
    """
    layer = "encoder/layers_{}/attention/query/kernel"
    try:
        size = _Size(
            d_model=arrays["token_embedder/embedding"].shape[1],
            joined=arrays[layer.format(0)].shape[1],
            mlp=arrays["encoder/layers_0/mlp/wo/kernel"].shape[0],
            layers=sum(layer.format(i) in arrays for i in range(len(arrays))),
            gated="encoder/layers_0/mlp/wi_0/kernel" in arrays,
        )
    except (KeyError, IndexError):
        return None
    return _GIN_MODELS.get(size)


def _problems(checkpoint: Checkpoint, expected: Mapping[str, Any]) -> Iterator[str]:
    arrays = checkpoint.arrays
    both = sorted(arrays.keys() & expected.keys())
    yield from _list(
        "missing from the checkpoint",
        [
            f"{name} {list(expected[name].shape)}"
            for name in sorted(expected.keys() - arrays.keys())
        ],
    )
    yield from _list(
        "without a place in the model",
        [
            f"{name} {list(arrays[name].shape)}"
            for name in sorted(arrays.keys() - expected.keys())
        ],
    )
    yield from _list(
        "of another shape",
        [
            f"{name} (the model's is {list(expected[name].shape)}, the checkpoint's "
            f"{list(arrays[name].shape)})"
            for name in both
            if tuple(arrays[name].shape) != tuple(expected[name].shape)
        ],
    )
    yield from _list(
        "not in floating point (is the model quantised?)",
        [
            f"{name} {arrays[name].dtype}"
            for name in both
            if arrays[name].dtype not in WEIGHT_DTYPES
        ],
    )


def _list(kind: str, items: list[str]) -> Iterator[str]:
    if items:
        more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
        noun = "array" if len(items) == 1 else "arrays"
        yield f"{len(items)} {noun} {kind}: {', '.join(items[:_SHOWN])}{more}"
