"""The rows of real tasks, as text in the form of the tasks' own preprocessors."""

import gzip
import json

import pytest

from spot_jax.errors import InputError
from spot_jax.rows.task import Recipe, read_task
from spot_jax.tasks import catalog
from spot_jax.workshop import english_rows, english_text
from spot_jax.workshop.english_rows import SOURCES, TARGETS

PAIRS = {
    "mnli": ("premise", "hypothesis"),
    "qqp": ("question1", "question2"),
    "qnli": ("question", "sentence"),
    "sst2": ("sentence",),
    "yelp_polarity": ("text",),
    "cr": ("sentence",),
    "mrpc": ("sentence1", "sentence2"),
    "rte": ("premise", "hypothesis"),
    "stsb": ("sentence1", "sentence2"),
    "cola": ("sentence",),
}


def write_data(folder):
    """Writes a few rows of every task, as their publishers have them."""
    for rows in (*SOURCES, *TARGETS):
        for split in english_rows.SPLITS:
            lines = [row(rows.task, split, number) for number in range(6)]
            path = folder / rows.folder / f"{split}.jsonl.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            with gzip.open(path, "wt") as file:
                file.writelines(json.dumps(line) + "\n" for line in lines)


def row(task: str, split: str, number: int) -> dict:
    if task == "c4_prefix_lm":
        return {"text": " ".join(f"{split}{word}" for word in range(120))}
    texts = {name: f"{split} {name} {number}" for name in PAIRS[task]}
    if task == "stsb":
        return texts | {"score": float(number % 5)}
    label = number % len(catalog.get(task).labels)
    # QQP's file has them as text, RTE's by their names.
    if task == "rte":
        label = catalog.get(task).labels[label]
    return texts | {"label": str(label) if task == "qqp" else label}


def test_rows_have_names_of_their_own_and_targets_have_kin_or_none():
    names = [rows.name for rows in (*SOURCES, *TARGETS)]
    assert len(set(names)) == 11 and not set(names) & {*catalog.TASKS}
    kin = {
        target.task: [
            source.task
            for source in SOURCES
            if english_rows.family(source) == english_rows.family(target)
        ]
        for target in TARGETS
    }
    assert kin == {
        "cr": ["sst2", "yelp_polarity"],
        "mrpc": ["qqp"],
        "rte": ["mnli", "qnli"],
        "stsb": [],
        "cola": [],
    }


@pytest.mark.slow
def test_what_is_written_is_read_as_rows_in_the_form_of_the_tasks(tmp_path):
    write_data(tmp_path / "data")
    vocabulary = tmp_path / "spiece.model"
    vocabulary.write_bytes(english_text.build_vocabulary(["a text of words"] * 50))
    sizes = english_rows.write(tmp_path / "rows", tmp_path / "data", str(vocabulary))
    assert sizes["english_mnli"] == {"train": 6, "validation": 6}
    found = {}
    for name, told in english_rows.told(tmp_path / "rows").items():
        files = told.pop("files")
        found[name] = read_task(name, files, Recipe(**told))
    first = {n: min(e.input for e in t.examples["train"]) for n, t in found.items()}
    assert first["english_mnli"] == (
        "mnli hypothesis: train hypothesis 0 premise: train premise 0"
    )
    assert first["english_cr"] == "cr text: train sentence 0"
    assert {e.target for e in found["english_qqp"].examples["train"]} == {
        "duplicate",
        "not_duplicate",
    }
    assert found["english_stsb"].labels[:2] == ("0.0", "0.2")
    for example in found["english_c4"].examples["validation"]:
        before, after = (
            t.split()[at] for t, at in ((example.input, -1), (example.target, 0))
        )
        assert int(after.removeprefix("validation")) == 1 + int(
            before.removeprefix("validation")
        )
        assert len(example.target.split()) <= 10


def test_data_without_a_task_is_told_before_tensorflow_is_there(tmp_path):
    with pytest.raises(InputError, match="mnli has no train.jsonl"):
        english_rows.write(tmp_path / "rows", tmp_path, "nowhere")
