"""Which T5, which data and which prompt a run of T5X is about."""

import dataclasses
import hashlib
import os
import sys
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from jaxtyping import PyTree
from t5x import gin_utils

from spot_jax import config
from spot_jax.data import own_rows, set_up
from spot_jax.data.model_vocabulary import with_vocabulary
from spot_jax.data.vocabularies import open_sentencepiece
from spot_jax.errors import InputError
from spot_jax.model import architecture, weights
from spot_jax.model.weights import LoadedModel
from spot_jax.model_dir import storage
from spot_jax.prompts.base import PromptSource, slots_of
from spot_jax.reading import as_json, path_of
from spot_jax.settings import Data, Model, Prompts
from spot_jax.spot_tiny import BYTES
from spot_jax.t5x_engine import messages, saved
from spot_jax.t5x_engine.configuration import as_of_train
from spot_jax.training import bank as banks
from spot_jax.training import prepare, starts

_BINDING = "--gin."

# Here, where gin files come by before they make anything: T5X asks nobody of ours.
messages.show_alone()


class Run:
    """What T5X's model and its checkpoints have to agree on; gin makes one of it.

    Making it sets up the tasks and the vocabulary; no array is read.

    Args:
        model: the T5.
        data: the task or mixture.
        prompts: the prompt; None: the T5 alone, to be tuned or used as it is.
        steps: TRAIN_STEPS, of the checkpoint and the run's own; None: nothing is
            trained. Else the training examples are read once now: SeqIO cuts what is
            too long without a word, which TRUNCATE has to allow.
        relative_steps: TRAIN_STEPS_RELATIVE, the run's own in place of `steps`.
        embedding_step: EMBEDDING_STEP, of the run's own steps.
        checkpoint: CHECKPOINT_PATH of a prompt that is used; its file says what is left
            open of the vocabulary and of how rows became examples.

    Attributes:
        config: the T5's.
        checkpoint: where its weights are.
        vocabulary: of the tasks, SeqIO's.
        entry: the prompt, or the model, as an entry of a bank of one.
        source: the prompt's module; None of the T5 alone.
        slots: positions that the prompt takes up in front of an input.
        base_step: the step of the checkpoint, from which T5X goes on counting.
        steps: the run's own; None: nothing is trained.
        embedding_step: the own step whose prompt embeds the task.
        rows: {task: how its rows became examples}, of a task made of rows.
        loaded: what is known of the weights that `load` read, without them.

    Raises:
        InputError: when they do not fit together, or are of several prompts.
    """

    def __init__(
        self,
        model: Model,
        data: Data,
        prompts: Prompts | None,
        *,
        steps: int | None = None,
        relative_steps: int | None = None,
        embedding_step: int = 10_000,
        checkpoint: str | None = None,
    ):
        given = [flag for flag in sys.argv if flag.startswith(_BINDING)]
        config.check_used([flag.removeprefix(_BINDING) for flag in given])
        self._told = gin_utils.get_gin_config_str()
        _agree(self._told)
        _check(model, data, prompts)
        if prompts and prompts.head is not None:
            raise InputError(
                f"HEAD is {prompts.head!r}, and T5X trains by the language model's "
                "answers alone. Train it by `spot_jax train`, or leave HEAD out."
            )
        if prompts and prompts.dropout:
            raise InputError(
                f"PREFIX_DROPOUT is {prompts.dropout}, which T5X does not draw. Train "
                "by `spot_jax train`, or leave it out."
            )
        if prompts and prompts.steps is not None:
            raise InputError(
                f"PROMPT_STEPS is {prompts.steps}, and T5X trains one prompt to its "
                "TRAIN_STEPS. Set those, or leave it out."
            )
        self.entry = _only(prepare.bank_of(data, prompts, 0, ()))
        description = architecture.described(model)
        self.checkpoint, self.base_step = model.checkpoint, description.step or 0
        self.steps = _own_steps(steps, relative_steps, self.base_step)
        self.embedding_step = embedding_step
        self.config = architecture.resolved(model, description).config
        story = saved.story(checkpoint) if prompts and checkpoint else {}
        data = own_rows.with_recipes(data, [story])
        data = saved.with_vocabulary(data, story, description)
        self._data = with_vocabulary(data, description)
        self.vocabulary = _set_up(self._data, self.config.vocab_size)
        self.rows = own_rows.stories(self._data)
        if self.steps is not None:
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
        sources = {self.entry.shape: self.source}
        encode = self.vocabulary.encode
        return starts.starting_values([self.entry], sources, loaded, encode)[0]

    def vocabulary_story(self) -> dict[str, Any]:
        """Returns what the header of a prompt says of its vocabulary."""
        return set_up.vocabulary_story(self._data)

    def write_vocabulary(self, folder: str | os.PathLike) -> None:
        """Writes the vocabulary beside weights that T5X saved, where its place is.

        The first of several processes does. Whoever reads the weights finds it there.
        """
        folder = path_of(folder)
        if jax.process_index() or not folder.is_dir():
            return
        told = {"extra_ids": 0}
        if self._data.vocabulary == BYTES:
            told = {"tokenizer_class": "ByT5Tokenizer"}
        else:
            # With its sentinels, so that none are to be added.
            given = self._data.vocabulary, self._data.extra_ids or 0
            model = open_sentencepiece(*given).serialized_model_proto()
            storage.replace_file(folder / "spiece.model", model)
        storage.replace_text(folder / "tokenizer_config.json", as_json(told))

    def configuration(self) -> str:
        """Returns what the header of a prompt says of how it was trained."""
        return as_of_train(self._told, self.steps)


def _agree(told: str) -> None:
    """Makes sure that all processes were told the same.

    Raises:
        InputError: on all of them, when one was not.
    """
    if jax.process_count() == 1:
        return
    digest = hashlib.sha256(told.encode("utf-8")).digest()
    every = multihost_utils.process_allgather(np.frombuffer(digest, np.uint8))
    others = [i for i, theirs in enumerate(every) if (theirs != every[0]).any()]
    if others:
        raise InputError(
            f"The configuration of process {', '.join(map(str, others))} is another "
            "than that of process 0. Give all processes the same command, but for "
            "--process_index, and the same gin files."
        )


def _check(model: Model, data: Data, prompts: Prompts | None) -> None:
    if model.attention == "fused" and prompts is None:
        raise InputError(
            "ATTENTION is 'fused', which gives no gradient of a T5's position biases, "
            "and the T5 is tuned here. Leave it out, or set it to 'plain'."
        )
    if data.tokenized:
        raise InputError(
            "TOKENIZED_DATA_DIR is for runs without TensorFlow, which T5X cannot do "
            "without: it reads and evaluates tasks of SeqIO. Leave it out and let "
            "MIXTURE_OR_TASK_NAME name the task that was tokenized, or train with "
            "`spot_jax train`."
        )
    if model.weights_dtype == "int8":
        raise InputError(
            "WEIGHTS_DTYPE is 'int8', which T5X does not read. Set it to bfloat16 or "
            "float32, or train with `spot_jax train`."
        )
    if model.checkpoint is None:
        raise InputError(
            "INITIAL_CHECKPOINT_PATH is None, and here every run begins from weights. "
            "Give a folder, a gs:// path or a published name."
        )


def _own_steps(steps: int | None, relative: int | None, base: int) -> int | None:
    """Returns how many steps a run trains of its own."""
    if steps is None:
        return None
    own = steps - base if relative is None else relative
    if own < 1 and relative is not None:
        raise InputError(
            f"TRAIN_STEPS_RELATIVE is {relative}: nothing would be trained. Give at "
            "least 1, or leave it out (None), and TRAIN_STEPS counts."
        )
    if own < 1:
        raise InputError(
            f"TRAIN_STEPS is {steps}, and counts from the step of the checkpoint on, "
            f"as in T5X, which is {base}: nothing would be trained. For {steps or 100} "
            f"steps give --gin.TRAIN_STEPS={base + (steps or 100)}."
        )
    return own


def _set_up(data: Data, rows_of_embedding: int) -> Any:
    """Makes the tasks ready and returns their vocabulary, SeqIO's.

    Raises:
        InputError: see `set_up.set_up_tasks`.
    """
    vocabulary = set_up.set_up_tasks(data, rows_of_embedding)
    if set_up.is_lean(data):
        vocabulary = _rows_as_tasks(data, vocabulary)
    # Looked up: SeqIO would not say which names are like a wrong one.
    from spot_jax.text.opening import open_provider

    for name in data.names:
        open_provider(name, ())
    return vocabulary


def _rows_as_tasks(data: Data, processor: Any) -> Any:
    """Registers with SeqIO what other programs read without it.

    Args:
        data: whose tasks are all made of rows.
        processor: the vocabulary as those programs have it.

    Returns:
        The vocabulary, SeqIO's.
    """
    from spot_jax.data import seqio_rows
    from spot_jax.text import vocabulary

    if data.lengths is None:
        lengths = own_rows.with_lengths(data, processor).lengths
        raise InputError(
            "TASK_FEATURE_LENGTHS is None, which T5X cannot train with. These rows "
            f'need --gin.TASK_FEATURE_LENGTHS="{dict(lengths)}".'
        )
    vocabulary.open_vocabulary(data.vocabulary, data.extra_ids or 0)
    for name in data.rows:
        seqio_rows.register(own_rows.task_of(name, data))
    return vocabulary.VOCABULARY


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
