"""What a run needs to know, in the groups that programs share.

gin fills these in; they check what can be checked without reading a file, so that a
mistake costs a second and not the loading of a model.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from spot_jax import losses, typed
from spot_jax.errors import InputError
from spot_jax.prompts.base import PromptKind
from spot_jax.prompts.init import Start
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.t5 import T5Config
from spot_jax.t5.decode import Search, greedy
from spot_jax.tasks.catalog import MIXING_LIMIT

# The vocabulary of the published T5 checkpoints: 32,000 pieces and 100 sentinels.
PUBLISHED_VOCABULARY = "gs://t5-data/vocabs/cc_all.32000.100extra/sentencepiece.model"


@dataclasses.dataclass(frozen=True)
class Model:
    """The frozen model, or the one to tune.

    Attributes:
        config: its shape (gin/models).
        checkpoint: INITIAL_CHECKPOINT_PATH: a folder, a gs:// path or a published
            name; None only where a model is trained from scratch.
        num_partitions: over how many devices each weight is split.
        weights_dtype: what frozen weights are held in; "bfloat16" halves their memory,
            the prompt stays float32.
    """

    config: T5Config
    checkpoint: str | None
    num_partitions: int = 1
    weights_dtype: str = "float32"

    def __post_init__(self):
        typed.check(self)
        if self.weights_dtype not in ("float32", "bfloat16"):
            raise InputError(
                f"WEIGHTS_DTYPE is {self.weights_dtype!r}; weights are held in "
                "'float32' or 'bfloat16'."
            )


@dataclasses.dataclass(frozen=True)
class Data:
    """Which examples, and how they become tokens.

    Attributes:
        names: MIXTURE_OR_TASK_NAME, one or a list; in a list each has its own prompts.
        lengths: TASK_FEATURE_LENGTHS, the longest inputs and targets, EOS included.
        vocabulary: path of the SentencePiece model, the published one by default.
        extra_ids: sentinels to add to it (100 for a plain file of 32,000 pieces that
            is used for span corruption).
        truncate: whether longer examples are cut instead of refused.
        tokenized: TOKENIZED_DATA_DIR, a folder with NAME/train and NAME/validation that
            `spot_jax tokenize` wrote; None reads SeqIO's tasks. Runs on tokenized data
            need no TensorFlow, and are evaluated by their loss.
        mixing_limit: MIXING_LIMIT, K: members of a mixture count as no larger (SPoT
            §2.1.3: 2^19).
        mixtures: MIXTURES, {name: tasks} of mixtures of your own, which `names` may
            name.
    """

    names: str | Sequence[str]
    lengths: Mapping[str, int]
    vocabulary: str = PUBLISHED_VOCABULARY
    extra_ids: int = 0
    truncate: bool = False
    tokenized: str | None = None
    mixing_limit: int = MIXING_LIMIT
    mixtures: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        names = [self.names] if isinstance(self.names, str) else list(self.names)
        object.__setattr__(self, "names", tuple(names))
        typed.check(self)
        if not names:
            raise InputError("MIXTURE_OR_TASK_NAME is an empty list; name a task.")
        missing = {"inputs", "targets"} - set(self.lengths)
        if missing or any(length < 1 for length in self.lengths.values()):
            raise InputError(
                f"TASK_FEATURE_LENGTHS is {dict(self.lengths)}; it needs a positive "
                "length for inputs and one for targets, e.g. "
                "{'inputs': 512, 'targets': 16}."
            )
        if self.extra_ids < 0:
            raise InputError(
                f"EXTRA_IDS is {self.extra_ids}; it is a number of sentinels, 0 for "
                "none."
            )
        if self.mixtures and self.tokenized:
            raise InputError(
                "MIXTURES are drawn by SeqIO, and TOKENIZED_DATA_DIR is read without "
                "it. Leave one of the two out."
            )


@dataclasses.dataclass(frozen=True)
class Prompts:
    """Which prompts are trained: every task with every seed and starting value.

    Attributes:
        length: PROMPT_LENGTH, how many vectors.
        starts: one starting value of prompts/init.py, or a list.
        seeds: one RANDOM_SEED or a list: data order, dropout, sampled starting values.
        bank: BANK, a list of (task, seed, prompt file) instead: just these prompts, the
            file None for one that starts as `starts` says; see training/bank.py.
        kind: PROMPT, the kind of prompt: a file of prompts/.
    """

    length: int
    starts: Start | Sequence[Start]
    seeds: int | Sequence[int] = 0
    bank: Sequence[tuple[str, int, str | None]] | None = None
    kind: PromptKind = SoftPrompt

    def __post_init__(self):
        starts = [self.starts] if callable(self.starts) else list(self.starts)
        seeds = [self.seeds] if isinstance(self.seeds, int) else list(self.seeds)
        object.__setattr__(self, "starts", tuple(starts))
        object.__setattr__(self, "seeds", tuple(seeds))
        typed.check(self)
        if not all(type(seed) is int and seed >= 0 for seed in seeds):
            raise InputError(
                f"RANDOM_SEED is {self.seeds!r}; give a number from 0 on, or a list."
            )
        if self.length < 1 or not starts or not seeds:
            raise InputError(
                f"PROMPT_LENGTH is {self.length}, with {len(starts)} starting values "
                f"and {len(seeds)} seeds; each must be at least 1."
            )

    def check_against(self, lengths: Mapping[str, int]) -> None:
        """Raises InputError where a prompt is longer than the input it stands before.

        A prompt does not take room away from the input, but one that outweighs it is a
        mistake in the lengths more often than a wish.
        """
        if self.length > lengths["inputs"]:
            raise InputError(
                f"PROMPT_LENGTH is {self.length}, the inputs are at most "
                f"{lengths['inputs']} tokens long. Shorten the prompt or raise "
                "TASK_FEATURE_LENGTHS['inputs']."
            )


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """How predictions are made and scored.

    Attributes:
        method: "decode" writes the answer and compares text; "rank" scores the task's
            labels and takes the likeliest, quicker and never off the label set.
        split: which split.
        examples: how many of its examples; None: all.
        rows: how many rows are computed at once; packed ones are fewer and longer.
        search: what writes the answer (t5/decode.py, t5/beam.py).
        seed: of a search that samples.
    """

    method: str = "decode"
    split: str = "validation"
    examples: int | None = None
    rows: int = 32
    search: Search = greedy
    seed: int = 0

    def __post_init__(self):
        if self.method not in ("decode", "rank"):
            raise InputError(
                f"EVALUATION is {self.method!r}; choose 'decode' (the text of the "
                "answer) or 'rank' (the likeliest of the task's labels)."
            )
        typed.check(self)
        if self.rows < 1 or (self.examples is not None and self.examples < 1):
            raise InputError(
                f"EVAL_BATCH_SIZE is {self.rows} and EVALUATOR_NUM_EXAMPLES "
                f"{self.examples}; they must be at least 1 (the latter None for all)."
            )


@dataclasses.dataclass(frozen=True)
class Training:
    """How long, how much at once, and how often to look.

    Attributes:
        steps: TRAIN_STEPS, the run's own, not counting the checkpoint's.
        batch_size: examples of each prompt in a step.
        eval_period: steps between evaluations, which choose the best prompt.
        checkpoint_period: steps between checkpoints to resume from.
        log_period: steps between lines of metrics.
        embedding_step: the step whose prompt embeds the task (SPoT §3.2: 10,000).
        pack: whether rows hold several examples.
        microbatches: parts a batch is computed in, to save memory.
        optimizer_clock: the step the optimizer counts from: "checkpoint" goes on from
            the base checkpoint's as T5X does, a number starts there.
        keep: how many checkpoints to keep.
    """

    steps: int
    batch_size: int = 32
    eval_period: int = 1000
    checkpoint_period: int = 1000
    log_period: int = 100
    embedding_step: int = 10_000
    pack: bool = True
    microbatches: int = 1
    optimizer_clock: str | int = "checkpoint"
    keep: int = 2

    def __post_init__(self):
        counts = (
            *("steps", "batch_size", "eval_period", "checkpoint_period"),
            *("log_period", "embedding_step", "microbatches", "keep"),
        )
        typed.check(self)
        clock = self.optimizer_clock
        if clock != "checkpoint" and not (type(clock) is int and clock >= 0):
            raise InputError(
                f"OPTIMIZER_CLOCK is {clock!r}; give 'checkpoint' or a step from 0 on."
            )
        for name in counts:
            if getattr(self, name) < 1:
                raise InputError(
                    f"{name} of the training is {getattr(self, name)}, not at least 1."
                )

    def due(self, number: int) -> set[str]:
        """Returns what follows a step (from 1): log, embed, evaluate, save, last."""
        is_last = number == self.steps
        found = {"last"} if is_last else set()
        if is_last or number % self.eval_period == 0:
            found.add("evaluate")
        if is_last or number % self.checkpoint_period == 0:
            found.add("save")
        if number == self.embedding_step:
            found.add("embed")
        # Whatever is written about a step, its metrics are there as well.
        if found or number % self.log_period == 0:
            found.add("log")
        return found


@dataclasses.dataclass(frozen=True)
class Loss:
    """What is minimised.

    Attributes:
        z_loss: Z_LOSS, coefficient of log(Z)^2 (1e-4 in T5X).
        label_smoothing: LABEL_SMOOTHING; see `losses.token_losses`.
        normalizing_factor: LOSS_NORMALIZING_FACTOR; see `losses.loss_scales`. T5X's
            default is None, a sum; ours the mean over each prompt's real target tokens.
    """

    z_loss: float = 1e-4
    label_smoothing: float = 0.0
    normalizing_factor: str | float | None = "NUM_REAL_TARGET_TOKENS"

    def __post_init__(self):
        typed.check(self)
        losses.check_options(self.label_smoothing, self.normalizing_factor)


@dataclasses.dataclass(frozen=True)
class Target:
    """The second stage of multi-task model tuning.

    Attributes:
        name: the task.
        steps: how long it is tuned.
    """

    name: str
    steps: int
