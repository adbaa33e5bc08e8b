"""What the config.json of a Hugging Face T5 says of the model, in T5Config's names.

Shapes of arrays do not tell everything that changes an answer: which activation, how
far positions count, whether the output is scaled. The defaults here are those of the
transformers library, which leaves out some keys.
"""

import dataclasses
from typing import Any

from spot_jax.errors import InputError
from spot_jax.reading import parse_json

# As the library's ACT2FN names them; its "gelu" is not the one T5 was trained with.
_ACTIVATIONS = {
    "gelu_new": "gelu",
    "gelu_pytorch_tanh": "gelu",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "linear": "linear",
}
# t5/decode.py has these.
_TOKENS = {"pad_token_id": 0, "decoder_start_token_id": 0, "eos_token_id": 1}


@dataclasses.dataclass(frozen=True)
class T5Json:
    """The keys of config.json that change what a T5 answers."""

    model_type: str = "t5"
    vocab_size: int = 32128
    d_model: int = 512
    d_kv: int = 64
    d_ff: int = 2048
    num_layers: int = 6
    num_decoder_layers: int | None = None
    num_heads: int = 8
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128
    layer_norm_epsilon: float = 1e-6
    dropout_rate: float = 0.1
    feed_forward_proj: str = "relu"
    # What feed_forward_proj stands for; the library follows these where they are.
    dense_act_fn: str | None = None
    is_gated_act: bool | None = None
    is_encoder_decoder: bool = True
    pad_token_id: int | None = 0
    decoder_start_token_id: int | None = 0
    eos_token_id: int | list[int] | None = 1
    tie_word_embeddings: bool | None = None
    scale_decoder_outputs: bool | None = None
    transformers_version: str | None = None
    # Other names of keys above, which the library takes as well.
    hidden_size: int | None = None
    num_hidden_layers: int | None = None
    num_attention_heads: int | None = None
    head_dim: int | None = None

    @property
    def has_biases_of_layers(self) -> bool:
        """Whether every layer has a position bias of its own."""
        return False

    @property
    def activations(self) -> tuple[str, ...]:
        """What the feed-forward block computes with, in the library's words."""
        named = self.feed_forward_proj.split("-")
        function = "gelu_new" if named == ["gated", "gelu"] else named[-1]
        is_gated = named[0] == "gated"
        if self.is_gated_act is not None:
            is_gated = self.is_gated_act
        return (self.dense_act_fn or function, *(["linear"] if is_gated else []))

    @property
    def is_of_version_5(self) -> bool:
        """Whether transformers 5 wrote it, which ties no output that has own values."""
        major = (self.transformers_version or "0").partition(".")[0]
        by_number = major.isdecimal() and int(major) >= 5
        return by_number or self.scale_decoder_outputs is not None

    @property
    def scales_outputs(self) -> bool:
        """Whether the decoder's output is scaled before it is compared with tokens."""
        if self.scale_decoder_outputs is not None:
            return self.scale_decoder_outputs
        # Until transformers 5 this key meant both things.
        return self.tie_word_embeddings is not False


@dataclasses.dataclass(frozen=True)
class UMT5Json(T5Json):
    """The same of a umT5."""

    model_type: str = "umt5"
    vocab_size: int = 250112
    d_ff: int = 1024
    num_layers: int = 8
    num_heads: int = 6
    feed_forward_proj: str = "gated-gelu"

    @property
    def has_biases_of_layers(self) -> bool:
        """As T5Json has it."""
        return True


@dataclasses.dataclass(frozen=True)
class MT5Json(T5Json):
    """The same of an mT5."""

    model_type: str = "mt5"
    vocab_size: int = 250112
    d_ff: int = 1024
    num_layers: int = 8
    num_heads: int = 6
    feed_forward_proj: str = "gated-gelu"

    @property
    def scales_outputs(self) -> bool:
        """As T5Json has it; transformers 5 never scales those of an mT5."""
        return bool(self.tie_word_embeddings) and not self.is_of_version_5


_KINDS = {"t5": T5Json, "mt5": MT5Json, "umt5": UMT5Json}
_ALIASES = {
    "hidden_size": "d_model",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "head_dim": "d_kv",
}


@dataclasses.dataclass(frozen=True)
class _Kind:
    model_type: str = "t5"


def parse(data: bytes, where: str) -> T5Json:
    """Reads a config.json of a T5 that can be computed here.

    Args:
        data: What is in the file.
        where: The file, for the message.

    Raises:
        InputError: when it is no such JSON, or of a model that computes otherwise; the
            message names the key, its value and what is computed here.
    """
    cure = "Get the folder again; it has to be the folder of a T5."
    kind = parse_json(data, _Kind, where, cure).model_type
    if kind not in _KINDS:
        raise InputError(
            f"{where} is of a model of type {kind!r}, which is not computed here. Give "
            f"the folder of a model of type {', '.join(_KINDS)} (T5, LM-adapted and "
            "flan-T5, UL2, ByT5; mT5; umT5)."
        )
    theirs = parse_json(data, _KINDS[kind], where, cure)
    for alias, key in _ALIASES.items():
        if (value := getattr(theirs, alias)) is not None:
            theirs = dataclasses.replace(theirs, **{key: value})
    _refuse(_others(theirs), where)
    return theirs


@dataclasses.dataclass(frozen=True)
class _Generation:
    """The tokens of a generation_config.json, which the library follows in writing."""

    pad_token_id: int | None = 0
    decoder_start_token_id: int | list[int] | None = 0
    eos_token_id: int | list[int] | None = 1


def check_generation(data: bytes, where: str) -> None:
    """Reads a generation_config.json, whose tokens have to be T5's.

    Raises:
        InputError: when it is no such JSON, or has other tokens.
    """
    cure = "Get the folder again; it has to be the folder of a T5."
    _refuse(_other_tokens(parse_json(data, _Generation, where, cure)), where)


def _refuse(others: list[tuple[str, Any, str]], where: str) -> None:
    for key, value, computed in others:
        raise InputError(
            f"{where} has {key} {value!r}; computed here is {computed}, and the "
            "answers would be others. Give the folder of a model that has it."
        )


def _other_tokens(theirs: T5Json | _Generation) -> list[tuple[str, Any, str]]:
    told = {key: getattr(theirs, key) for key in _TOKENS}
    return [
        (key, told[key], str(token))
        for key, token in _TOKENS.items()
        if told[key] not in (None, token, [token])
    ]


def _others(theirs: T5Json) -> list[tuple[str, Any, str]]:
    """Returns what no setting can change: the key, its value and what it has to be."""
    found = []
    if unknown := set(theirs.activations) - set(_ACTIVATIONS):
        key = "dense_act_fn" if theirs.dense_act_fn else "feed_forward_proj"
        told = " or ".join(_ACTIVATIONS)
        value = theirs.dense_act_fn or theirs.feed_forward_proj
        found.append((key, value, f"{told}, gated or not (not {unknown.pop()})"))
    if not theirs.layer_norm_epsilon > 0:
        found.append(("layer_norm_epsilon", theirs.layer_norm_epsilon, "one above 0"))
    if not theirs.is_encoder_decoder:
        found.append(("is_encoder_decoder", False, "an encoder with its decoder"))
    return found + _other_tokens(theirs)


def settings(theirs: T5Json, is_tied: bool) -> dict[str, Any]:
    """Returns the architecture, under the names that T5Config's fields have.

    Args:
        theirs: What config.json says.
        is_tied: Whether the logits reuse the embedding and are scaled, which the
            weights have their part in.
    """
    decoder_layers = theirs.num_decoder_layers
    if decoder_layers is None:
        decoder_layers = theirs.num_layers
    return {
        "vocab_size": theirs.vocab_size,
        "d_model": theirs.d_model,
        "heads": theirs.num_heads,
        "d_head": theirs.d_kv,
        "d_mlp": theirs.d_ff,
        "encoder_layers": theirs.num_layers,
        "decoder_layers": decoder_layers,
        "mlp_activations": tuple(_ACTIVATIONS[name] for name in theirs.activations),
        "relpos_buckets": theirs.relative_attention_num_buckets,
        "relpos_max_distance": theirs.relative_attention_max_distance,
        "relpos_in_every_layer": theirs.has_biases_of_layers,
        "norm_epsilon": theirs.layer_norm_epsilon,
        "logits_via_embedding": is_tied,
    }
