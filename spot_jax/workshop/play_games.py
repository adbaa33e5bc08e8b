"""Program: how well spot_tiny plays the games that it was pre-trained on.

    spot_jax play_games [CHECKPOINT]

Without a prompt, and with names that it never read. What is left for a prompt to say is
which game is played, and in which words to answer.
"""

import argparse
from collections.abc import Callable, Sequence

import numpy as np
import sentencepiece

from spot_jax import config, spot_tiny
from spot_jax.data import packing
from spot_jax.data.packing import Example
from spot_jax.data.vocabularies import open_sentencepiece
from spot_jax.miniature import games
from spot_jax.miniature.basics import named
from spot_jax.miniature.quizzes import Round
from spot_jax.miniature.riddles import claim_of, review
from spot_jax.miniature.world import World, open_world
from spot_jax.model import weights
from spot_jax.model.weights import LoadedModel
from spot_jax.settings import Model
from spot_jax.t5 import T5
from spot_jax.t5.decode import EOS_ID
from spot_jax.tasks.catalog import STUDY_LABELS

Game = Callable[[World], Round]

GAMES: dict[str, Game] = {
    "one of two words, in code": games.in_code(named),
    "a question on a text": games.asked_of_little,
    "a claim on one fact": games.in_words(lambda world: claim_of(world, 1)),
    "a claim on one fact, in code": games.in_code(lambda world: claim_of(world, 1)),
    "a claim on one of two facts": games.in_words(lambda world: claim_of(world, 2)),
    "a comparison": games.in_words(games.comparison),
    "a comparison, in code": games.in_code(games.comparison),
    "a review, in code": games.in_code(review),
}


def share_right(
    model: LoadedModel,
    vocabulary: sentencepiece.SentencePieceProcessor,
    name: str,
    rounds: int = 512,
    split: str = "test",
) -> float:
    """Returns the percentage of rounds of a game that the model answers rightly.

    Args:
        model: a T5 of the miniature's world.
        vocabulary: its own.
        name: of one of GAMES; equal names draw equal rounds.
        rounds: how many are played.
        split: whose names occur.
    """
    world = open_world(split, f"games/{name}", STUDY_LABELS)
    played = [games.play(world, {GAMES[name]: 1}) for _ in range(rounds)]
    examples = [
        Example(*(np.int32([*vocabulary.encode(text), EOS_ID]) for text in texts))
        for texts in played
    ]
    batch = packing.one_per_row(
        examples,
        prompt_length=0,
        row_length=max(len(each.inputs) for each in examples),
        target_length=max(len(each.targets) for each in examples),
    )
    # Greedy decoding writes the answer where each of its tokens is the likeliest.
    logits = T5(model.config).apply(
        {"params": model.params},
        batch["encoder_input_tokens"],
        batch["decoder_input_tokens"],
        encoder_segment_ids=batch["encoder_segment_ids"],
        encoder_prompt_ids=batch["encoder_prompt_ids"],
        encoder_positions=batch["encoder_positions"],
        decoder_segment_ids=batch["decoder_segment_ids"],
        deterministic=True,
    )
    right = np.asarray(logits.argmax(-1)) == batch["decoder_target_tokens"]
    right |= batch["decoder_loss_weights"] == 0
    return 100 * float(right.all(axis=1).mean())


def load(checkpoint: str = spot_tiny.NAME) -> LoadedModel:
    """Reads spot_tiny, or another checkpoint of its shape."""
    bindings = [f"INITIAL_CHECKPOINT_PATH='{checkpoint}'", "MODEL_DIR=None"]
    bindings.append("MIXTURE_OR_TASK_NAME='miniature_prefix_lm'")
    config.parse(["gin/runs/miniature_model.gin"], bindings)
    return weights.load(config.configured(Model)())


def main(argv: Sequence[str]) -> None:
    """Runs `spot_jax play_games`."""
    parser = argparse.ArgumentParser(prog="spot_jax play_games", description=__doc__)
    parser.add_argument(
        "checkpoint",
        nargs="?",
        default=spot_tiny.NAME,
        metavar="CHECKPOINT",
        help="another one of make_spot_tiny: DIR/adapt/checkpoint_16100 (spot_tiny)",
    )
    parser.add_argument(
        "--vocabulary", default=spot_tiny.NAME, metavar="FILE", help="its own"
    )
    arguments = parser.parse_args(argv)
    vocabulary = open_sentencepiece(arguments.vocabulary)
    model = load(arguments.checkpoint)
    for name in GAMES:
        print(f"{name:30}{share_right(model, vocabulary, name):6.1f}", flush=True)
