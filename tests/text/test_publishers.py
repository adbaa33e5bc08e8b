import json

import pytest

from spot_jax.errors import InputError
from spot_jax.text.publishers import read_published

COCO = {
    "images": [
        {"sentences": [{"sentid": 1, "raw": "A dog."}, {"sentid": 2, "raw": "A cat."}]},
        {"sentences": [{"sentid": 3, "raw": "Rain."}]},
    ]
}
HEAD = "caption1,caption2,agg_score,sampling_method\n"
PAIR = "COCO_val2014:sentid:{},COCO_val2014:sentid:{},{},c2c_isim\n"


@pytest.fixture
def cxc(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "dataset_coco.json").write_text(json.dumps(COCO))
    (tmp_path / "data/sts_val.csv").write_text(HEAD + PAIR.format(1, 2, 2.4))
    (tmp_path / "data/sts_test.csv").write_text(HEAD + PAIR.format(3, 1, "0"))
    return tmp_path


def test_cxc_joins_scores_and_captions(cxc):
    assert read_published("cxc", cxc, "") == {
        "train": [{"sentence1": "A dog.", "sentence2": "A cat.", "label": 2.4}],
        "validation": [{"sentence1": "Rain.", "sentence2": "A dog.", "label": 0.0}],
    }


@pytest.mark.parametrize(
    "line, message",
    [
        (PAIR.format(1, 9, 2), "names no two captions"),
        (PAIR.format(1, 2, "high"), "and a score"),
        (PAIR.format(1, 2, 5.5), "not in 0 to 5"),
        ("COCO_val2014:sentid:1\n", "names no two captions"),
    ],
)
def test_a_wrong_line_of_cxc_is_named(cxc, line, message):
    (cxc / "data/sts_val.csv").write_text(HEAD + PAIR.format(1, 2, 1) + line)
    with pytest.raises(ValueError, match=message) as error:
        read_published("cxc", cxc, "")
    assert "sts_val.csv:3" in str(error.value)


@pytest.mark.parametrize(
    "coco, message",
    [
        ("", "is no JSON"),
        ("[]", "Expected `object`"),
        ("{}", "missing required field `images`"),
        ('{"images": [3]}', "Expected `object`"),
        ('{"images": [{"sentences": null}]}', "Expected `array`"),
        (
            '{"images": [{"sentences": [{"sentid": "1", "raw": "A"}]}]}',
            "Expected `int`",
        ),
        ('{"images": [{"sentences": [{"sentid": 1, "raw": 2}]}]}', "Expected `str`"),
        ("[" * 20_000, "Expected `object`"),
    ],
)
def test_damaged_captions_are_named(cxc, coco, message):
    (cxc / "dataset_coco.json").write_text(coco)
    with pytest.raises(InputError, match=message) as error:
        read_published("cxc", cxc, "")
    assert "dataset_coco.json is n" in str(error.value)
    assert "Copy the publisher's file here again" in str(error.value)


def test_scores_that_are_no_text_are_named(cxc):
    path = cxc / "data/sts_val.csv"
    path.write_bytes(path.read_bytes() + b"\xff\xfe\n")
    with pytest.raises(InputError, match="sts_val.csv is not UTF-8 .byte 1.*Copy the"):
        read_published("cxc", cxc, "")
    path.write_text(HEAD + "x" * 200_000)
    with pytest.raises(
        InputError, match="sts_val.csv is no CSV behind line 1 .*Copy the"
    ):
        read_published("cxc", cxc, "")


def test_a_line_of_cr_that_is_no_utf_8_leaves_the_others_alone(tmp_path):
    (tmp_path / "custrev.pos").write_bytes("Zoë's\n".encode() + b"caf\xe9\n")
    (tmp_path / "custrev.neg").write_bytes(b"\xff\xfea\x00")
    with pytest.raises(InputError, match="custrev.neg is in UTF-16"):
        read_published("cr", tmp_path, "")
    (tmp_path / "custrev.neg").write_bytes(b"bad\n")
    splits = read_published("cr", tmp_path, "")
    texts = {row["text"] for rows in splits.values() for row in rows}
    assert texts == {"Zoë's", "café", "bad"}


def test_cr_is_split_by_its_texts(tmp_path):
    positive = [f"works well {number} .\n" for number in range(200)]
    (tmp_path / "custrev.pos").write_text("".join(positive + positive[:50]))
    (tmp_path / "custrev.neg").write_bytes(b"caf\xe9 broke .\n\n")
    splits = read_published("cr", tmp_path, "")
    sizes = {split: len(rows) for split, rows in splits.items()}
    assert sum(sizes.values()) == 251 and 10 < sizes["validation"] < 50
    texts = {split: {row["text"] for row in rows} for split, rows in splits.items()}
    assert not texts["train"] & texts["validation"]
    assert {"text": "café broke .", "label": 0} in sum(splits.values(), [])
    (tmp_path / "custrev.pos").write_text("".join(positive[:50] + positive[::-1]))
    assert read_published("cr", tmp_path, "") == splits


def write_labelled(folder, rows, labels):
    for part in ("train", "dev"):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{part}.jsonl").write_text(lines)
        (folder / f"{part}-labels.lst").write_text("\n".join(labels) + "\n")


ALPHA = {"story_id": "s", "obs1": "a", "obs2": "b", "hyp1": "c", "hyp2": "d"}


def test_alpha_nli_and_its_labels(tmp_path):
    write_labelled(tmp_path, [ALPHA, ALPHA], ["2", "1"])
    splits = read_published("alpha_nli", tmp_path, "")
    assert [row["label"] for row in splits["train"]] == ["2", "1"]
    assert splits["validation"][0].keys() == {"obs1", "obs2", "hyp1", "hyp2", "label"}


def test_social_iqa_has_three_answers(tmp_path):
    columns = ("context", "question", "answerA", "answerB", "answerC")
    write_labelled(tmp_path, [dict.fromkeys(columns, "x")], ["3"])
    splits = read_published("social_iqa", tmp_path, "")
    assert splits["train"] == [dict.fromkeys(columns, "x") | {"label": "3"}]


@pytest.mark.parametrize(
    "rows, labels, message",
    [
        ([ALPHA], ["1", "2"], "no line 2"),
        ([ALPHA, ALPHA], ["1"], "no line 2"),
        ([ALPHA], ["3"], "train-labels.lst:1: the label '3'"),
        ([{"obs1": "a"}], ["1"], "train.jsonl:1: obs2, hyp1, hyp2 is missing"),
        ([ALPHA | {"hyp1": 5}], ["1"], "train.jsonl:1: hyp1 is missing, or is no text"),
    ],
)
def test_wrong_rows_of_alpha_nli(tmp_path, rows, labels, message):
    write_labelled(tmp_path, rows, labels)
    with pytest.raises(ValueError, match=message):
        read_published("alpha_nli", tmp_path, "")


def test_missing_files_are_named_with_their_source(tmp_path):
    (tmp_path / "custrev.pos").write_text("good\n")
    with pytest.raises(ValueError, match="no custrev.neg; cr is made from A-URL"):
        read_published("cr", tmp_path, "A-URL")
