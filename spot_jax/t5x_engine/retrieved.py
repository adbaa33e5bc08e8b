"""A start that a library has for the target (SPoT §3.3), as `spot_jax transfer` has."""

from spot_jax.errors import InputError
from spot_jax.model_dir.made_for import check_made_for
from spot_jax.prompts.base import PromptBundle, length_of
from spot_jax.prompts.init import Surroundings
from spot_jax.retrieval import candidates, starts
from spot_jax.retrieval.similarity import MEASURES


def retrieved(
    around: Surroundings, library: str, target: str, k: int, measure: str
) -> PromptBundle:
    """Returns the prompt most similar to the target, or the average of several.

    Args:
        around: the surroundings.
        library: LIBRARY, its folder, or MODEL_DIR of a finished run.
        target: TARGET, the embedding of the target's task: embedding.safetensors of
            its run, or the folder of it.
        k: RETRIEVED, how many prompts; of several it is the weighted average.
        measure: SIMILARITY, of two embeddings.

    Raises:
        InputError: when the library has nothing to choose, or what it has is of another
            model or length.
    """
    if measure not in MEASURES:
        raise InputError(
            f"SIMILARITY is {measure!r}; choose one of {', '.join(MEASURES)}."
        )
    entries = candidates.read_entries(library)
    targets = candidates.read_targets([target], None)
    if len(targets) > 1:
        raise InputError(
            f"TARGET {target} holds the embeddings of {len(targets)} prompts, and a "
            f"run starts from one: name one of {', '.join(t.path for t in targets)}."
        )
    candidates.check_belong_together(entries, targets)
    ranking = candidates.rank_entries(
        entries, targets[0], measure, task=targets[0].task, include_own=False
    )
    make = starts.best_of_top if k == 1 else starts.weighted_average
    start = make(ranking, k)
    cure = "Use a library of the model that INITIAL_CHECKPOINT_PATH names."
    model = start.chosen[0].entry.model
    check_made_for(f"What {library} holds", model, around.identity, cure)
    (prompt,) = start.prompts.values()
    if length_of(prompt) != around.length:
        raise InputError(
            f"The prompts of {library} have {length_of(prompt)} vectors, PROMPT_LENGTH "
            f"is {around.length}. Set --gin.PROMPT_LENGTH={length_of(prompt)}."
        )
    return prompt
