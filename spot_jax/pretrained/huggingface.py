"""T5 folders of the Hugging Face transformers library.

transformers stores a linear layer as [out, in] and the bias table as [buckets, heads]:
both are transposed here. Output layers that are tied to the embedding are scaled by
d_model ** -0.5 there as here, so weights are copied unchanged.
"""

import logging
import pathlib
import re
from collections.abc import Callable
from typing import Any, TypedDict

import ml_dtypes
import numpy as np
import safetensors

from spot_jax.errors import InputError
from spot_jax.pretrained import config_json, torch_zip
from spot_jax.pretrained.arrays import Checkpoint, Index, StoredArray, equal
from spot_jax.pretrained.config_json import T5Json
from spot_jax.pretrained.folder import Folder
from spot_jax.reading import parse_json

logger = logging.getLogger(__name__)

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


def read(folder: Folder) -> Checkpoint:
    """Reads which arrays a Hugging Face folder has.

    Args:
        folder: A local folder with config.json and weights: model.safetensors or
            pytorch_model.bin, in one file or in parts with an index.

    Returns:
        The arrays under our names, and what config.json says of the model; this format
        has no step. Of the weights only an output layer that is scaled is looked at,
        whether it is the embedding.

    Raises:
        InputError: if the folder has no readable weights, or is of a model that is not
            computed here.
    """
    if not folder.is_local:
        raise InputError(
            f"{folder.url} is a Hugging Face folder, which is only read from a local "
            f"disk: copy it (gcloud storage cp --recursive {folder.url} .) and give "
            "the path of the copy"
        )
    file = f"{folder.url}/config.json"
    theirs = config_json.parse(bytes(folder.contents("config.json")), file)
    if folder.has("generation_config.json"):
        file_of_writing = f"{folder.url}/generation_config.json"
        written = bytes(folder.contents("generation_config.json"))
        config_json.check_generation(written, file_of_writing)
    found = _weights(folder)
    found.pop(_UNUSED, None)
    embeddings = [(name, found.pop(name)) for name in _EMBEDDINGS if name in found]
    logits = found.pop(_LOGITS, None)
    if not embeddings and logits:
        embeddings, logits = [(_LOGITS, logits)], None
    arrays = {}
    for name, array in found.items():
        ours, array = _renamed(name, array, theirs.has_biases_of_layers)
        if ours in arrays:
            raise InputError(f"{folder.url} has the weights of {ours} twice")
        arrays[ours] = array
    if embeddings:
        arrays["token_embedder/embedding"] = embeddings[0][1]
        kernel = _logits_kernel(theirs, embeddings[0][1], logits, file)
        if kernel:
            arrays["decoder/logits_dense/kernel"] = kernel
    return Checkpoint(
        arrays,
        step=None,
        settings=config_json.settings(
            theirs, is_tied="decoder/logits_dense/kernel" not in arrays
        ),
        training={"dropout_rate": theirs.dropout_rate},
        copies={name: (copy, embeddings[0][1]) for name, copy in embeddings[1:]},
    )


def _logits_kernel(
    theirs: T5Json, embedding: StoredArray, logits: StoredArray | None, file: str
) -> StoredArray | None:
    """Returns what makes logits of the decoder's output; None where it is tied.

    Tied means here what it meant in T5 1.0: the embedding, scaled. transformers 5 has
    every combination, and keeps an output layer that differs from the embedding
    whatever config.json says of ties; before it, a tied one was ignored.
    """
    if not theirs.scales_outputs:
        if logits is not None:
            return logits.transposed()
        if theirs.is_of_version_5:
            return embedding.transposed()
        raise InputError(
            f"{file} tells of a model with an output layer of its own "
            f'("tie_word_embeddings": false), and {_LOGITS} is missing from its '
            "weights: they are incomplete. Get the folder again."
        )
    if logits is None or equal(logits, embedding):
        return None
    if not theirs.is_of_version_5:
        raise InputError(
            f"{_LOGITS} beside {file} differs from the token embedding, and by its "
            "tie_word_embeddings it should not: transformers 4 ignores such an output "
            "layer, transformers 5 uses it. If it is a T5 1.1, write "
            '"tie_word_embeddings": false into config.json; if not, save the folder '
            "again with the version that it is to answer as."
        )
    logger.warning(
        "%s: the model has an output layer of its own and scales what enters it, as "
        "no published T5 does; it is computed as transformers computes it.",
        file,
    )
    return logits.transposed().times(embedding.shape[-1] ** -0.5)


def _renamed(
    name: str, array: StoredArray, is_of_every_layer: bool
) -> tuple[str, StoredArray]:
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
    if match["weight"] == "relative_attention_bias":
        if is_of_every_layer:
            return f"{layer}/relpos_bias/rel_embedding", array.transposed()
        if match["layer"] == "0":
            return f"{match['stack']}/relpos_bias/rel_embedding", array.transposed()
    kernels = _MLP_KERNELS if module == "DenseReluDense" else _PROJECTIONS
    if match["weight"] in kernels:
        kernel = kernels[match["weight"]]
        return f"{layer}/{ours}/{kernel}/kernel", array.transposed()
    return name, array


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


class _PartsIndex(TypedDict):
    """An .index.json: which part holds which array."""

    weight_map: dict[str, str]


def _sharded(
    folder: Folder, index: str, read_file: Callable[[str], dict[str, StoredArray]]
) -> dict[str, StoredArray]:
    """Reads the parts that an index lists, and checks that they hold what it says."""
    where = f"{folder.url}/{index}"
    again = "Get the folder again."
    data = bytes(folder.contents(index))
    parts = parse_json(data, _PartsIndex, where, again)["weight_map"]
    if not parts:
        raise InputError(f"{where} has an empty weight_map. {again}")
    arrays, places = {}, {}
    for file in sorted(set(parts.values())):
        if not file or pathlib.PurePath(file).name != file:
            raise InputError(
                f"{where} names {file!r}, which is no file of its folder. {again}"
            )
        if not folder.has(file):
            raise InputError(f"{folder.url} lacks {file}: its download is incomplete")
        for name, array in read_file(f"{folder.url}/{file}").items():
            other = places.get(name, parts.get(name, file))
            if other != file:
                raise InputError(
                    f"{name} is in {file} of {folder.url}, and by {index} or another "
                    f"part in {other}: the parts are of different models. {again}"
                )
            arrays[name], places[name] = array, file
    if absent := sorted(set(parts) - set(arrays)):
        raise InputError(
            f"{where} lists {len(absent)} arrays that no part has: "
            f"{', '.join(absent[:5])}"
        )
    return arrays


def _safetensors(path: str) -> dict[str, StoredArray]:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}
            return {name: _stored(path, name, part) for name, part in slices.items()}
    except (safetensors.SafetensorError, OSError) as error:
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
