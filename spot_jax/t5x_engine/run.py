"""Which T5, which data and which prompt a run of T5X is about."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
from jax.sharding import Mesh
from jaxtyping import PyTree

from spot_jax.data import set_up
from spot_jax.data.model_vocabulary import with_vocabulary
from spot_jax.errors import InputError
from spot_jax.model import architecture, weights
from spot_jax.model.weights import LoadedModel
from spot_jax.prompts.base import PromptSource, slots_of
from spot_jax.settings import Data, Model, Prompts
from spot_jax.training import bank as banks
from spot_jax.training import prepare


class Run:
    """What T5X's model and its checkpoints have to agree on; gin makes one of it.

    Making it sets up the tasks and the vocabulary; no array is read.

    Args:
        model: the T5.
        data: the task or mixture.
        prompts: the prompt; None: the T5 alone, to be tuned or used as it is.
        trains: whether the training examples are read once now: SeqIO cuts what is too
            long without a word, which TRUNCATE has to allow.

    Attributes:
        config: the T5's.
        checkpoint: where its weights are.
        vocabulary: of the tasks, SeqIO's.
        entry: the prompt, or the model, as an entry of a bank of one.
        source: the prompt's module; None of the T5 alone.
        slots: positions that the prompt takes up in front of an input.
        base_step: the step of the checkpoint, from which T5X goes on counting.
        loaded: what is known of the weights that `load` read, without them.

    Raises:
        InputError: when they do not fit together, or are of several prompts.
    """

    def __init__(
        self,
        model: Model,
        data: Data,
        prompts: Prompts | None,
        trains: bool = False,
    ):
        _check(model, data)
        self.entry = _only(prepare.bank_of(data, prompts, 0, ()))
        description = architecture.described(model)
        self.checkpoint, self.base_step = model.checkpoint, description.step or 0
        self.config = architecture.resolved(model, description).config
        self._data = with_vocabulary(data, description)
        self.vocabulary = set_up.set_up_tasks(self._data, self.config.vocab_size)
        _open(self._data)
        if trains:
            prepare.readers_of([self.entry], self._data)
        self.source = prompts and prompts.kind(
            length=self.entry.length, model=self.config
        )
        self.slots = _slots_of(self.source)
        self.loaded: LoadedModel | None = None

    def load(self, expected: Mapping[str, Any], mesh: Mesh) -> LoadedModel:
        """Reads the weights.

        Args:
            expected: the parameters of the T5, jax.ShapeDtypeStructs with shardings.
            mesh: which these are of.

        Raises:
            InputError: see `pretrained.load`.
        """
        loaded = weights.read(self.checkpoint, self.config, expected, mesh)
        self.loaded = dataclasses.replace(loaded, params={})
        return loaded

    def start(self, loaded: LoadedModel) -> PyTree:
        """Returns the parameters of the prompt with which training begins.

        Args:
            loaded: what `load` returned.

        Raises:
            InputError: when the start does not fit; see prompts/init.py.
        """
        sources = {self.entry.length: self.source}
        encode = self.vocabulary.encode
        return banks.starting_values([self.entry], sources, loaded, encode)[0]

    def vocabulary_story(self) -> dict[str, Any]:
        """Returns what the header of a prompt says of its vocabulary."""
        return set_up.vocabulary_story(self._data)


def _check(model: Model, data: Data) -> None:
    if data.tokenized or data.rows:
        raise InputError(
            "T5X reads SeqIO's tasks and mixtures alone: leave TOKENIZED_DATA_DIR and "
            "ROWS out, or train with `spot_jax train`."
        )
    if model.checkpoint is None:
        raise InputError(
            "INITIAL_CHECKPOINT_PATH is None, and here every run begins from weights. "
            "Give a folder, a gs:// path or a published name."
        )


def _open(data: Data) -> None:
    """Looks the tasks up: SeqIO would not say which names are like a wrong one."""
    from spot_jax.text.opening import open_provider

    for name in data.names:
        open_provider(name, ())


def _only(bank: list[banks.Entry]) -> banks.Entry:
    if len(bank) > 1:
        raise InputError(
            f"T5X trains one prompt a run, and this is a bank of {len(bank)}: "
            f"{', '.join(entry.name for entry in bank)}. Name one task, seed, length "
            "and start, or train the bank with `spot_jax train`."
        )
    return bank[0]


def _slots_of(source: PromptSource | None) -> int:
    if source is None:
        return 0
    shapes = jax.eval_shape(source.init, jax.random.key(0))
    return slots_of(jax.eval_shape(source.apply, shapes))
