"""T5X's engine and this project's learn the same prompt from the same batches."""

import functools
import glob

import jax
import numpy as np
import pytest

from spot_jax import optim
from spot_jax.data import packing
from spot_jax.model import sharding, weights
from spot_jax.model.binding import prompt_tuning
from spot_jax.prompts import files
from spot_jax.prompts.base import PromptBundle
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.settings import Loss, Model
from spot_jax.training import step
from tests.t5x_engine.conftest import QUICK, TRAINING

pytest.importorskip("t5x", reason="T5X is not installed: make t5x T5X=FOLDER")
pytestmark = pytest.mark.t5x

BASE, STEPS, LENGTH = 7, 20, TRAINING["PROMPT_LENGTH"]
ROWS, LENGTHS = QUICK["BATCH_SIZE"], QUICK["TASK_FEATURE_LENGTHS"]


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp("start") / "start.safetensors"
    vectors = np.random.default_rng(0).uniform(-0.5, 0.5, (LENGTH, 64))
    files.write(file, PromptBundle(enc_input=vectors.astype(np.float32)), {})
    return str(file)


def batches_of_t5x(vocabulary: str, slots: int) -> list[dict[str, np.ndarray]]:
    """Returns what T5X's programs read: gin/t5x/prompt_tune.gin with seed 0."""
    from t5x import utils

    from spot_jax.t5x_engine.rows import SlotConverter
    from spot_jax.text.vocabulary import use_vocabulary
    from tests import demo_tasks  # noqa: F401

    use_vocabulary(vocabulary)
    asked = utils.DatasetConfig(
        mixture_or_task_name="demo_food",
        task_feature_lengths=LENGTHS,
        split="train",
        batch_size=ROWS,
        shuffle=True,
        seed=0,
        pack=slots > 0,
    )
    converter = functools.partial(SlotConverter, slots)
    read = utils.get_dataset(asked, 0, 1, converter).as_numpy_iterator()
    return [next(read) for _ in range(STEPS)]


def laid_out(batch: dict[str, np.ndarray], slots: int) -> packing.Batch:
    """Returns a batch of T5X as this project lays it out."""
    if slots:
        segments = batch["encoder_segment_ids"]
        is_slot = (segments > 0) & (batch["encoder_positions"] < LENGTH)
        has_targets = batch["decoder_segment_ids"] > 0
        return batch | {
            "encoder_prompt_ids": is_slot.astype(np.int32),
            "row_prompts": np.zeros(len(segments), np.int32),
            "decoder_prompt_ids": has_targets.astype(np.int32),
            "decoder_loss_weights": has_targets.astype(np.float32),
        }
    columns = batch["encoder_input_tokens"], batch["decoder_target_tokens"]
    rows = [
        [tokens[tokens > 0] for tokens in pair] for pair in zip(*columns, strict=True)
    ]
    return packing.one_per_row(
        [packing.Example(*row) for row in rows],
        prompt_length=LENGTH,
        row_length=LENGTH + LENGTHS["inputs"],
        target_length=LENGTHS["targets"],
    )


def ours(demo_model, batches, start) -> tuple[list[float], np.ndarray]:
    """Returns the losses and the prompt of this project's own steps."""
    model = Model(checkpoint=demo_model["INITIAL_CHECKPOINT_PATH"], dropout_rate=0.0)
    loaded = weights.load(model, jax.devices()[:1])
    binding = prompt_tuning(SoftPrompt(LENGTH, loaded.config), 1)
    mover = optim.adafactor(0.3, base_step=BASE)
    first = {"enc_input": files.read(start).bundle.enc_input[None]}
    with sharding.on_mesh(loaded.mesh):
        state = step.initial_state(jax.device_put(first), mover, binding)
        train_step = step.make_train_step(
            loaded.config,
            binding,
            mover,
            Loss(),
            target_length=LENGTHS["targets"],
        )
        losses = []
        for batch in batches:
            rows = sharding.shard_rows(batch, loaded.mesh)
            state, metrics = train_step(state, loaded.params, [rows], None)
            losses.append(float(metrics["loss"][0]))
    return losses, np.asarray(state.trained["enc_input"][0])


def losses_in(folder) -> list[float]:
    """Reads the loss of every step from what T5X writes for TensorBoard."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util import tensor_util

    (file,) = glob.glob(f"{folder}/train/events.*")
    return [
        float(tensor_util.make_ndarray(value.tensor))
        for event in EventFileLoader(file).Load()
        for value in event.summary.value
        if value.tag == "loss"
    ]


@pytest.mark.parametrize("slots", [0, LENGTH], ids=["one a row", "packed"])
def test_twenty_steps_are_those_of_both_engines(
    train, demo_model, start, tmp_path, slots
):
    values = {"PROMPT_FILE": start, "PACK": slots > 0}
    periods = {"EVAL_PERIOD": STEPS, "CHECKPOINT_PERIOD": STEPS}
    train(tmp_path, BASE + STEPS, values | periods, "gin/t5x/from_file.gin")
    theirs = losses_in(tmp_path)
    prompt = files.read(tmp_path / "prompts/demo_food-seed0/last.safetensors")
    read = batches_of_t5x(demo_model["VOCABULARY"], slots)
    batches = [laid_out(batch, slots) for batch in read]
    losses, vectors = ours(demo_model, batches, start)
    assert len(theirs) == STEPS
    assert abs(losses[0] - theirs[0]) <= 1e-6
    np.testing.assert_allclose(losses, theirs, atol=1e-3, rtol=0)
    np.testing.assert_allclose(vectors, prompt.bundle.enc_input, atol=2e-2, rtol=0)
    # It has learnt something, or any two engines would agree.
    assert losses[-1] < 0.7 * losses[0]
