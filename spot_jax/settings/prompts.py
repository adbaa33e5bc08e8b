"""The prompts of a run."""

import dataclasses
from collections.abc import Mapping, Sequence

from spot_jax import typed
from spot_jax.errors import InputError
from spot_jax.prompts import heads
from spot_jax.prompts.base import PromptKind, slots_of
from spot_jax.prompts.init import Start
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.prompts.starting import shape_of
from spot_jax.t5 import T5Config

# Which sites a kind has does not depend on the T5; ranges of layers are of some of it.
_SOME_T5 = T5Config(8, heads=2, d_mlp=8, encoder_layers=64, decoder_layers=64)


@dataclasses.dataclass(frozen=True)
class Prompts:
    """Which prompts are trained: every task with every seed, length and starting value.

    Attributes:
        length: PROMPT_LENGTH, how many vectors; one number or a list.
        starts: one starting value of prompts/init.py, or a list.
        seeds: one RANDOM_SEED or a list: data order, dropout, sampled starting values.
        bank: BANK, a list of (task, seed, prompt file) instead: just these prompts, the
            file None for one that starts as `starts` says; see training/bank.py.
        kind: PROMPT, the kind of prompt: a file of prompts/.
        head: HEAD, what answers: "cls" chooses among the task's labels, "token" tags
            words, "span" finds an answer in the input, each a linear layer trained with
            its prompt (prompts/heads.py); None: the language model.
        shared: SHARED_PROMPT, whether the tasks of a list have one prompt between them,
            for each seed, start, length, rate and number of steps, and heads of their
            own.
        steps: PROMPT_STEPS, how many of TRAIN_STEPS move a prompt, which then leaves
            the bank; one number or a list, None: all. Schedules are those of
            TRAIN_STEPS: where one falls to 0 at their end, a prompt that leaves before
            stops on its way.
        dropout: PREFIX_DROPOUT, of keys and values while they are trained, for each row
            by itself; P-Tuning v2 has 0.1.
    """

    length: int | Sequence[int]
    starts: Start | Sequence[Start]
    seeds: int | Sequence[int] = 0
    bank: Sequence[tuple[str, int, str | None]] | None = None
    kind: PromptKind = SoftPrompt
    head: str | None = None
    shared: bool = False
    steps: int | Sequence[int] | None = None
    dropout: float = 0.0

    def __post_init__(self):
        starts = [self.starts] if callable(self.starts) else list(self.starts)
        seeds = [self.seeds] if isinstance(self.seeds, int) else list(self.seeds)
        object.__setattr__(self, "starts", tuple(starts))
        object.__setattr__(self, "seeds", tuple(seeds))
        typed.check(self)
        heads.check(self.head)
        if not 0 <= self.dropout < 1:
            raise InputError(
                f"PREFIX_DROPOUT is {self.dropout}; it is a probability from [0, 1)."
            )
        if not all(type(seed) is int and seed >= 0 for seed in seeds):
            raise InputError(
                f"RANDOM_SEED is {self.seeds!r}; give a number from 0 on, or a list."
            )
        if min(self.lengths, default=0) < 1 or not starts or not seeds:
            raise InputError(
                f"PROMPT_LENGTH is {self.length}, with {len(starts)} starting values "
                f"and {len(seeds)} seeds; each must be at least 1."
            )
        if self.steps is not None and min(self.step_counts, default=0) < 1:
            raise InputError(
                f"PROMPT_STEPS is {self.steps}; give a number of steps from 1 on, a "
                "list of such, or None for all of TRAIN_STEPS."
            )

    @property
    def lengths(self) -> tuple[int, ...]:
        """Every length there is."""
        return (self.length,) if isinstance(self.length, int) else tuple(self.length)

    @property
    def step_counts(self) -> tuple[int | None, ...]:
        """Every number of steps there is; None: all."""
        is_one = self.steps is None or isinstance(self.steps, int)
        return (self.steps,) if is_one else tuple(self.steps)

    def check_against(self, lengths: Mapping[str, int] | None) -> None:
        """Raises InputError where a prompt is longer than the input it stands before.

        A prompt does not take room away from the input, but one that outweighs it is a
        mistake in the lengths more often than a wish. Keys and values stand beside it.
        """
        longest = max(self.lengths)
        if lengths and longest > lengths["inputs"] and self._takes_slots(longest):
            raise InputError(
                f"PROMPT_LENGTH is {max(self.lengths)}, the inputs are at most "
                f"{lengths['inputs']} tokens long. Shorten the prompt or raise "
                "TASK_FEATURE_LENGTHS['inputs']."
            )

    def _takes_slots(self, length: int) -> bool:
        """Whether prompts of this kind stand in front of the input, on any T5."""
        try:
            return slots_of(shape_of(self.kind(length=length, model=_SOME_T5))) > 0
        except InputError:
            # What is wrong with its options is told when the T5 is known.
            return False
