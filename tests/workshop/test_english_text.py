"""The English examples: nothing of a text is lost, and no two draws are the same."""

import collections
import gzip
import json

import numpy as np
import pytest

from spot_jax import config
from spot_jax.data import vocabularies
from spot_jax.data.tokenized import TokenizedExamples
from spot_jax.errors import InputError
from spot_jax.settings import Model
from spot_jax.workshop import english_text as text

LAST = 7935


def chunks_of(task: str) -> np.ndarray:
    size = text._CHUNK[task]
    # No token twice in a chunk, so that each can be found again.
    rows = [
        np.random.default_rng(row).permutation(2000)[:size] + 3 for row in range(40)
    ]
    return np.array(rows, np.int32)


def test_each_token_is_kept_or_learned_and_sentinels_stand_for_what_was_cut():
    texts = chunks_of(text.SPANS)
    inputs, targets = text.corrupted(texts, LAST, np.random.default_rng(0))
    lengths = text.LENGTHS[text.SPANS]
    assert inputs.shape == (40, lengths["inputs"])
    assert targets.shape == (40, lengths["targets"])
    for chunk, kept, cut in zip(texts, inputs, targets, strict=True):
        assert kept[0] == chunk[0] and kept[-1] == cut[-1] == 1
        spans, now = {}, None
        for token in cut[:-1]:
            if token > 3000:
                now = spans.setdefault(int(token), [])
            else:
                now.append(int(token))
        restored = []
        for token in kept[:-1]:
            restored += spans.pop(int(token)) if token > 3000 else [int(token)]
        assert restored == chunk.tolist() and not spans
        marks = [t for t in kept if t > 3000]
        assert marks == [LAST - n for n in range(len(marks))]


def test_every_way_to_cut_is_as_likely_as_any_other():
    drawn = text._random_lengths(6000, 4, 2, np.random.default_rng(0))
    counts = collections.Counter(map(tuple, drawn.tolist()))
    assert set(counts) == {(1, 3), (2, 2), (3, 1)}
    assert min(counts.values()) > 1800
    assert (text._random_lengths(5, 7, 1, np.random.default_rng(0)) == 7).all()


def test_a_language_model_goes_on_where_its_inputs_end():
    texts = chunks_of(text.PREFIX)
    lengths = text.LENGTHS[text.PREFIX]
    behind = lengths["targets"] - 1
    pairs = list(text.continued(texts, behind, np.random.default_rng(0)))
    for chunk, (inputs, targets) in zip(texts, pairs, strict=True):
        both = [*inputs[:-1], *targets[:-1]]
        assert both == chunk[-len(both) :].tolist()
        assert inputs[-1] == targets[-1] == 1
        assert len(targets) == lengths["targets"]
        assert 2 <= len(inputs) <= lengths["inputs"]
    assert len({len(inputs) for inputs, _ in pairs}) > 10


@pytest.mark.parametrize("task", [text.SPANS, text.PREFIX])
def test_each_draw_is_another_and_the_same_again(task):
    ids = np.arange(3, 2003, dtype=np.uint16)
    one, again, other = (
        [inputs.tolist() for inputs, _ in text.examples(task, ids, LAST, seed)]
        for seed in (1, 1, 2)
    )
    assert one == again != other
    with pytest.raises(InputError, match="100 tokens of text"):
        list(text.examples(task, ids[:100], LAST, 1))


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    words = np.array("the a ship sea went down good bad he said to them".split())
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, 60)) for _ in range(60)]
    path = tmp_path_factory.mktemp("english") / "spiece.model"
    path.write_bytes(text.build_vocabulary(texts))
    return str(path), texts


def test_a_vocabulary_spells_labels_and_ends_in_the_sentinels(vocabulary):
    pieces = vocabularies.open_sentencepiece(vocabulary[0])
    size = pieces.vocab_size()
    assert pieces.decode(pieces.encode("not_entailment @-@ $5")) == (
        "not_entailment @-@ $5"
    )
    assert [pieces.id_to_piece(n) for n in range(3)] == ["<pad>", "</s>", "<unk>"]
    assert pieces.id_to_piece(size - 1) == "<extra_id_0>"
    assert pieces.id_to_piece(size - text.SENTINELS) == "<extra_id_31>"
    assert size <= text.ROWS


def test_the_gin_files_have_the_sizes_of_what_is_drawn():
    for task, file in ((text.SPANS, "pretrain"), (text.PREFIX, "adapt")):
        config.parse(
            ["gin/models/english.gin", f"gin/runs/english_{file}.gin"],
            ["MODEL_DIR=None", "TRAIN_STEPS=1000", "INITIAL_CHECKPOINT_PATH=None"],
        )
        assert config.value("MIXTURE_OR_TASK_NAME") == task
        assert config.value("TASK_FEATURE_LENGTHS") == text.LENGTHS[task]
        assert config.configured(Model)().config.vocab_size == text.ROWS


def test_draws_are_tokenized_folders_and_are_not_written_again(vocabulary, tmp_path):
    path, texts = vocabulary
    ids = text.unpacked(text.packed(texts, vocabularies.open_sentencepiece(path)))
    whole = [i for t in texts for i in vocabularies.open_sentencepiece(path).encode(t)]
    assert ids.tolist() == whole
    splits = {"train": ids, "validation": ids[:600]}
    text.write_draws(tmp_path, text.SPANS, splits, 2, path)
    found = TokenizedExamples(tmp_path / text.SPANS / "train")
    once = TokenizedExamples(tmp_path / text.SPANS / "validation")
    assert abs(len(found) - 2 * (len(ids) // 252)) <= 2 and len(once) in (1, 2)
    assert set(found.lengths("inputs")) == {text.LENGTHS[text.SPANS]["inputs"]}
    header = (tmp_path / text.SPANS / "train" / "header.json").stat().st_mtime_ns
    text.write_draws(tmp_path, text.SPANS, splits, 2, path)
    assert (
        tmp_path / text.SPANS / "train" / "header.json"
    ).stat().st_mtime_ns == header


def test_a_corpus_without_its_files_or_without_text_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no novels-train\*.jsonl.gz"):
        text.passages(tmp_path, "train")
    for name in text.FILES["validation"]:
        with gzip.open(tmp_path / f"{name}-0.jsonl.gz", "wt") as file:
            file.writelines(
                json.dumps({"text": f"{name} {n}"}) + "\n" for n in range(9)
            )
    assert len(text.passages(tmp_path, "validation")) == 18
    assert len(text.passages(tmp_path, "validation", 0.5)) == 9
    with gzip.open(tmp_path / "wikitext2-test.jsonl.gz", "wt") as file:
        file.write('{"txt": "a"}\n')
    with pytest.raises(InputError, match="wikitext2-test.jsonl.gz:1 has no text"):
        text.passages(tmp_path, "validation")
