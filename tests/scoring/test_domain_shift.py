"""Domain shift: answers are translated away from home, and nowhere else."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax.data import loading
from spot_jax.data.eval_tasks import EvalTask
from spot_jax.model import sharding
from spot_jax.model.binding import model_alone
from spot_jax.model.weights import LoadedModel
from spot_jax.model_dir.score import task_score
from spot_jax.prompts import files
from spot_jax.scoring import answers, domain_shift
from spot_jax.scoring.evaluator import Evaluator
from spot_jax.settings import Evaluation
from tests.bundles import soft

TO_MRPC = {"duplicate": "equivalent", "not_duplicate": "not_equivalent"}


def real_task(name: str, targets: list[str]) -> EvalTask:
    """SeqIO's task with its metrics, and rows made by hand."""
    import seqio

    import spot_jax.tasks

    spot_jax.tasks.register_all()
    examples = [{"targets_pretokenized": target.encode()} for target in targets]
    task = seqio.TaskRegistry.get(name)
    return EvalTask(name, task, examples, loading.labels_of(name), None)


@pytest.fixture
def tasks():
    yes, no = "equivalent", "not_equivalent"
    return [
        real_task("qqp", ["duplicate", "not_duplicate"]),
        real_task("mrpc", [yes, yes, no, no]),
    ]


class OneTokenEach:
    """A vocabulary in which an answer is one token."""

    TEXTS = {2: "duplicate", 3: "not_duplicate"}
    vocab_size, unk_id = 4, 2

    def decode(self, ids):
        return " ".join(self.TEXTS[token] for token in ids)


@pytest.fixture
def echo(tiny_config, tiny_params, monkeypatch):
    """An evaluator of a model that answers with the first token of its input."""

    def make_write(config, binding, *, search, max_length):
        def write(trained, frozen, batch, key):
            first = batch["encoder_input_tokens"][:, :1]
            tokens = jnp.pad(first, ((0, 0), (0, max_length - 1)))
            return tokens, jnp.zeros(len(tokens))

        return write

    monkeypatch.setattr(answers, "make_write", make_write)
    mesh = sharding.make_mesh(devices=jax.devices()[:1])
    model = LoadedModel(tiny_config, tiny_params, mesh, 0, "0" * 16, "nowhere")
    lengths = {"inputs": 4, "targets": 2}
    return Evaluator(model, model_alone(), Evaluation(method="decode"), lengths, 0)


def asked(task: EvalTask, tokens: list[int]) -> EvalTask:
    """The task, with an input of one token for each of its examples."""
    examples = [
        example | {"inputs": np.int32([token])}
        for example, token in zip(task.examples, tokens, strict=True)
    ]
    return dataclasses.replace(task, examples=examples, vocabulary=OneTokenEach())


def test_a_label_map_changes_the_score_as_computed_by_hand(tasks, echo):
    qqp, mrpc = tasks
    seen = domain_shift.seen_from(["qqp"], tasks, {"mrpc": TO_MRPC})
    assert seen[0][0] is qqp
    for task, expected in (
        (mrpc, {"accuracy": 0.0, "f1": 0.0}),
        # One of two found, one of two wrong.
        (seen[0][1], {"accuracy": 50.0, "f1": 50.0}),
    ):
        results, _ = echo.evaluate({}, {}, {0: [asked(task, [2, 3, 2, 3])]})
        assert results[0]["mrpc"] == pytest.approx(expected)


def test_a_prompt_ranks_the_labels_it_knows_and_keeps_its_own_at_home(tasks):
    seen = domain_shift.seen_from(["qqp", "mrpc"], tasks, {"mrpc": TO_MRPC})
    assert seen[0][1].labels == ("not_duplicate", "duplicate")
    assert dict(seen[0][1].translation) == TO_MRPC
    assert seen[1] == tasks
    assert not seen[1][1].translation


def test_a_map_is_for_the_prompts_that_have_its_labels(tasks):
    rte = real_task("rte", ["entailment"])
    seen = domain_shift.seen_from(["qqp", "rte"], [*tasks, rte], {"mrpc": TO_MRPC})
    assert seen[1][1] is tasks[1]


@pytest.mark.parametrize(
    ("label_maps", "words"),
    [
        ({"mrpc": TO_MRPC | {"duplicate": "same"}}, "'same' for mrpc.*'equivalent'"),
        ({"mrpc": {"dup": "equivalent"}}, "'dup' for mrpc.*'duplicate'"),
        ({"mrpc": {"duplicate": "equivalent"}}, "leaves out 'not_duplicate' of qqp"),
        ({"mprc": TO_MRPC}, "for mprc, whose labels are none"),
        ({"squad": TO_MRPC}, "for squad, whose labels are none"),
    ],
)
def test_a_map_that_does_not_fit_the_tasks_is_refused(tasks, label_maps, words):
    with pytest.raises(ValueError, match=words):
        domain_shift.seen_from(["qqp"], tasks, label_maps)


def test_a_home_has_to_be_evaluated(tasks):
    with pytest.raises(ValueError, match="prompt of sst2.*Add sst2 to MIXTURE"):
        domain_shift.seen_from(["sst2"], tasks, {})


def test_homes_are_what_files_say_or_what_is_given(tmp_path):
    told, silent = str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors")
    files.write(told, soft([[1.0]]), {"task": "qqp"})
    files.write(silent, soft([[1.0]]), {})
    nothing = domain_shift.DomainShift(None, {})
    told, silent = files.read(told), files.read(silent)
    assert domain_shift.homes_of([told], nothing) == ["qqp"]
    assert domain_shift.homes_of([told, silent], domain_shift.DomainShift("x", {}))
    with pytest.raises(ValueError, match="b.safetensors does not say.*HOME_TASK"):
        domain_shift.homes_of([told, silent], nothing)
    with pytest.raises(ValueError, match="LABEL_MAPS 'duplicate'"):
        domain_shift.DomainShift(None, "duplicate")


def test_the_difference_is_to_the_mean_of_the_home_tasks_metrics():
    table = {
        "p": {
            "qqp": {"f1": 80.0, "accuracy": 90.0},
            "mrpc": {"f1": 70.0, "accuracy": 74.0},
        }
    }
    header, home, away = domain_shift.rows(table, ["qqp"])
    assert dict(zip(header, home, strict=True))["difference"] == 0
    assert away == ["p", "qqp", "mrpc", 72.0, 85.0, -13.0]
    assert task_score(table["p"]["qqp"]) == 85.0
