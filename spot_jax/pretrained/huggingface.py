"""T5 folders of the Hugging Face transformers library.

transformers stores a linear layer as [out, in] and the bias table as [buckets, heads]:
both are transposed here. Output layers that are tied to the embedding are scaled by
d_model ** -0.5 there as here, so weights are copied unchanged.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import safetensors

from spot_jax.errors import InputError
from spot_jax.pretrained import torch_zip
from spot_jax.pretrained.arrays import Checkpoint, Index, StoredArray
from spot_jax.pretrained.folder import Folder

_DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U8": np.uint8,
    "BOOL": np.bool_,
    "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2": ml_dtypes.float8_e5m2,
}
_BLOCK = re.compile(
    r"(?P<stack>encoder|decoder)\.block\.(?P<layer>\d+)\.layer\.(?P<sublayer>\d)\."
    r"(?P<module>\w+)(\.(?P<weight>\w+))?\.weight"
)
# (stack, sublayer): its module there and here, and the norm in front of it here.
_SUBLAYERS = {
    ("encoder", "0"): ("SelfAttention", "attention", "pre_attention_layer_norm"),
    ("encoder", "1"): ("DenseReluDense", "mlp", "pre_mlp_layer_norm"),
    ("decoder", "0"): (
        "SelfAttention",
        "self_attention",
        "pre_self_attention_layer_norm",
    ),
    ("decoder", "1"): (
        "EncDecAttention",
        "encoder_decoder_attention",
        "pre_cross_attention_layer_norm",
    ),
    ("decoder", "2"): ("DenseReluDense", "mlp", "pre_mlp_layer_norm"),
}
_PROJECTIONS = {"q": "query", "k": "key", "v": "value", "o": "out"}
_MLP_KERNELS = {name: name for name in ("wi", "wi_0", "wi_1", "wo")}
_FINAL_NORMS = {
    f"{stack}.final_layer_norm.weight": f"{stack}/{stack}_norm/scale"
    for stack in ("encoder", "decoder")
}
_LOGITS = "lm_head.weight"
# The embedding under each of its names, the one that owns it first.
_EMBEDDINGS = (
    "shared.weight",
    "encoder.embed_tokens.weight",
    "decoder.embed_tokens.weight",
)
# Old versions saved this table, and none ever used it.
_UNUSED = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"


def read(folder: Folder, tied: bool) -> Checkpoint:
    """Reads which arrays a Hugging Face folder has.

    Args:
        folder: A local folder with config.json and weights: model.safetensors or
            pytorch_model.bin, in one file or in parts with an index.
        tied: Whether the model that wants the weights has no output layer of its own.

    Returns:
        The arrays under our names; this format has no step.

    Raises:
        InputError: if the folder has no readable weights.
    """
    if not folder.is_local:
        raise InputError(
            f"{folder.url} is a Hugging Face folder, which is only read from a local "
            f"disk: copy it (gcloud storage cp --recursive {folder.url} .) and give "
            "the path of the copy"
        )
    found = _weights(folder)
    found.pop(_UNUSED, None)
    embeddings = [
        (name, found.pop(name))
        for name in _EMBEDDINGS + (_LOGITS,) * tied
        if name in found
    ]
    arrays = dict(_renamed(name, array) for name, array in found.items())
    if embeddings:
        arrays["token_embedder/embedding"] = embeddings[0][1]
    return Checkpoint(
        arrays,
        step=None,
        problems=_problems(folder, tied),
        copies={name: (copy, embeddings[0][1]) for name, copy in embeddings[1:]},
    )


def _renamed(name: str, array: StoredArray) -> tuple[str, StoredArray]:
    """Gives an array our name and shape; one without a place in T5 keeps its name."""
    if name == _LOGITS:
        return "decoder/logits_dense/kernel", array.transposed()
    if name in _FINAL_NORMS:
        return _FINAL_NORMS[name], array
    match = _BLOCK.fullmatch(name)
    sublayer = match and _SUBLAYERS.get((match["stack"], match["sublayer"]))
    if not sublayer:
        return name, array
    module, ours, norm = sublayer
    layer = f"{match['stack']}/layers_{match['layer']}"
    if match["module"] == "layer_norm" and not match["weight"]:
        return f"{layer}/{norm}/scale", array
    if match["module"] != module:
        return name, array
    if match["weight"] == "relative_attention_bias" and match["layer"] == "0":
        return f"{match['stack']}/relpos_bias/rel_embedding", array.transposed()
    kernels = _MLP_KERNELS if module == "DenseReluDense" else _PROJECTIONS
    if match["weight"] in kernels:
        kernel = kernels[match["weight"]]
        return f"{layer}/{ours}/{kernel}/kernel", array.transposed()
    return name, array


def _problems(folder: Folder, tied: bool) -> tuple[str, ...]:
    """Says so when the folder ties its output layer and the model does not, or reverse.

    Shapes alone do not tell: an output layer that happens to be stored, or not, says
    nothing about the scale that transformers applies before a tied one.
    """
    config = _json(folder, "config.json")
    # transformers 5 writes the first key; before it, the second meant both things.
    scaled = config.get("scale_decoder_outputs")
    if scaled is None:
        scaled = config.get("tie_word_embeddings") is not False
    if scaled == tied:
        return ()
    has, wants = ("a tied", "its own") if scaled else ("its own", "a tied")
    version = "1_1" if tied else "1_0"
    return (
        f"by its config.json it has {has} output layer and the model has {wants} one: "
        f"choose one of gin/models/t5_{version}_*.gin",
    )


def _weights(folder: Folder) -> dict[str, StoredArray]:
    for file, read_file in _FILES.items():
        if folder.has(file):
            return read_file(f"{folder.url}/{file}")
        if folder.has(f"{file}.index.json"):
            return _sharded(folder, f"{file}.index.json", read_file)
    raise InputError(
        f"{folder.url} has a config.json and no weights that can be read: there are "
        f"{', '.join(folder.names())}, and it takes {' or '.join(_FILES)} (in parts: "
        "with their .index.json)"
    )


def _sharded(
    folder: Folder, index: str, read_file: Callable[[str], dict[str, StoredArray]]
) -> dict[str, StoredArray]:
    """Reads the parts that an index lists, and checks that they hold what it says."""
    weight_map = _json(folder, index).get("weight_map")
    if not weight_map:
        raise InputError(f"{folder.url}/{index} has no weight_map: download it again")
    arrays = {}
    for file in sorted(set(weight_map.values())):
        if not folder.has(file):
            raise InputError(f"{folder.url} lacks {file}: its download is incomplete")
        arrays |= read_file(f"{folder.url}/{file}")
    if absent := sorted(set(weight_map) - set(arrays)):
        raise InputError(
            f"{folder.url}/{index} lists {len(absent)} arrays that no part has: "
            f"{', '.join(absent[:5])}"
        )
    return arrays


def _json(folder: Folder, file: str) -> dict[str, Any]:
    try:
        return json.loads(bytes(folder.contents(file)))
    except json.JSONDecodeError as error:
        raise InputError(f"{folder.url}/{file} is no JSON: {error}") from error


def _safetensors(path: str) -> dict[str, StoredArray]:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}
            return {name: _stored(path, name, part) for name, part in slices.items()}
    except safetensors.SafetensorError as error:
        raise InputError(
            f"{path} is no safetensors file ({error}): its download is incomplete, or "
            "it is a pointer of git-lfs (get the file itself with git lfs pull)"
        ) from error


def _stored(path: str, name: str, part: Any) -> StoredArray:
    if part.get_dtype() not in _DTYPES:
        raise InputError(f"{path}: {name} has the unknown dtype {part.get_dtype()}")

    def read_part(index: Index) -> np.ndarray:
        # Opened for each array: the pages of an open file stay mapped after reading.
        with safetensors.safe_open(path, framework="numpy") as file:
            return file.get_slice(name)[index]

    shape = tuple(part.get_shape())
    return StoredArray(shape, np.dtype(_DTYPES[part.get_dtype()]), read_part)


_FILES = {"model.safetensors": _safetensors, "pytorch_model.bin": torch_zip.read}
