"""Real rows of public data sets, written once for a session as prepared data."""

import gzip
import json
import pathlib
import re

import pytest

SHARED = pathlib.Path(__file__).resolve().parents[3] / "shared"
# Enough for every label and many lengths, in seconds.
MOST_ROWS = 300


def _lines(name: str) -> list[dict]:
    path = SHARED / "data" / name
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _renamed(name: str, **columns: str):
    """Rows of a file with columns renamed: `_renamed("a.jsonl", label="score")`."""
    return [
        row | {new: row[old] for new, old in columns.items()} for row in _lines(name)
    ]


def _wsc(*names: str) -> list[dict]:
    return [row | row["target"] for name in names for row in _lines(name)]


def _multirc(name: str) -> list[dict]:
    return [
        {
            "paragraph": row["passage"]["text"],
            "question": question["question"],
            "answer": answer["text"],
            "label": answer["label"],
        }
        for row in _lines(name)
        for question in row["passage"]["questions"]
        for answer in question["answers"]
    ]


def _record(name: str) -> list[dict]:
    rows = []
    for row in _lines(name):
        text = row["passage"]["text"]
        spans = row["passage"]["entities"]
        entities = [text[span["start"] : span["end"] + 1] for span in spans]
        for query in row["qas"]:
            answers = [answer["text"] for answer in query["answers"]]
            rows.append(
                {
                    "passage": text,
                    "query": query["query"],
                    "entities": list(dict.fromkeys(entities)),
                    "answers": list(dict.fromkeys(answers)),
                }
            )
    return rows


def _race(name: str) -> list[dict]:
    articles: dict[str, dict] = {}
    for row in _lines(name):
        empty = {"questions": [], "options": [], "answers": []}
        article = articles.setdefault(
            row["example_id"], {"article": row["article"], **empty}
        )
        article["questions"].append(row["question"])
        article["options"].append(row["options"])
        article["answers"].append(row["answer"])
    return list(articles.values())


def _social_iqa(name: str) -> list[dict]:
    rows = []
    for row in _lines(name):
        match = re.fullmatch(r"(.*[.!?\"']) (.*)", row["context_and_question"])
        if match:
            context, question = match.groups()
            label = str(row["label"])
            rows.append(
                row | {"context": context, "question": question, "label": label}
            )
    return rows


def _docnli(name: str) -> list[dict]:
    return [
        row | {"label": row["label"].replace("non_", "not_")} for row in _lines(name)
    ]


def _drop() -> list[dict]:
    """The few rows of DROP in a test file, as TFDS reads them."""
    path = SHARED / "data" / "mrqa_misc" / "allennlp_fixture_drop.json"
    rows = []
    for passage in json.loads(path.read_text(encoding="utf-8")).values():
        for pair in passage["qa_pairs"]:
            validated = map(_drop_answer, pair.get("validated_answers", []))
            rows.append(
                {
                    "passage": passage["passage"],
                    "question": pair["question"],
                    "answer": _drop_answer(pair["answer"]),
                    "validated_answers": list(validated),
                }
            )
    return rows


def _drop_answer(answer: dict) -> str:
    date = " ".join(filter(None, (answer["date"].get(k) for k in _DATE)))
    return answer["number"] or (answer["spans"] or [date])[0]


_DATE = ("day", "month", "year")


def _triples(name: str, column: str) -> list[dict]:
    return [
        row | {column: [" | ".join(triple) for triple in row["triples"]]}
        for row in _lines(name)
    ]


def _fields(name: str) -> list[dict]:
    """Rows of E2E, whose tables TFDS has in two columns."""
    rows = []
    for row in _lines(name):
        named = [part.split(" : ") for part in row["meaning_representation"].split("|")]
        table = {
            "column_header": [header.strip() for header, _ in named],
            "content": [content.strip() for _, content in named],
            "row_number": [1] * len(named),
        }
        rows.append({"input_text": {"table": table}, "target_text": row["target"]})
    return rows


def _triple_tables(name: str) -> list[dict]:
    """Rows of WebNLG or DART, whose triples TFDS has one part below the other."""
    rows = []
    for row in _lines(name):
        triples = row["triples"]
        table = {
            "column_header": ["subject", "predicate", "object"] * len(triples),
            "content": [part for triple in triples for part in triple],
            "row_number": [n for n in range(len(triples)) for _ in range(3)],
        }
        told = {"table": table}
        if "category" in row:
            told["context"] = row["category"]
        rows.append({"input_text": told, "target_text": row["target"]})
    return rows


def _cnn_dailymail(name: str) -> list[dict]:
    """TFDS joins the highlights of an article by line breaks."""
    return [row | {"highlights": "\n".join(row["highlights"])} for row in _lines(name)]


def _plain(name: str) -> dict:
    """train.jsonl.gz and validation.jsonl, in the data set's own columns."""
    train = _lines(f"{name}/train.jsonl.gz")
    return {"train": train, "validation": _lines(f"{name}/validation.jsonl")}


def _real_rows() -> dict[str, dict[str, list[dict]]]:
    """Returns, for each task, the rows of its splits."""
    return {
        "c4_prefix_lm": _plain("c4"),
        "mnli": _plain("mnli") | {"validation_mismatched": _lines(_MISMATCHED)},
        "qqp": _plain("qqp"),
        "qnli": {
            "train": _lines("qnli/train.jsonl.gz"),
            "validation": _lines("qnli/validation.jsonl.gz"),
        },
        "sst2": _plain("sst2"),
        "cola": _plain("cola"),
        "mrpc": _plain("mrpc"),
        "stsb": {
            "train": _renamed("stsb/train.jsonl.gz", label="score"),
            "validation": _renamed("stsb/validation.jsonl", label="score"),
        },
        "rte": _plain("rte"),
        "cr": {
            "train": _renamed("cr/train.jsonl.gz", text="sentence"),
            "validation": _renamed("cr/validation.jsonl", text="sentence"),
        },
        "yelp_polarity": {
            "train": _lines("yelp_polarity/train.jsonl.gz"),
            "validation": _lines("yelp_polarity/validation.jsonl.gz"),
        },
        "wic": {
            "train": _lines("wic/train_32shot.jsonl"),
            "validation": _lines("wic/validation.jsonl"),
        },
        "wsc": {
            "train": _wsc("wsc/train_32shot.jsonl", "wsc/dev_32shot.jsonl"),
            "validation": _wsc("wsc/validation.jsonl"),
        },
        "copa": {
            "train": _lines("copa/train.jsonl"),
            "validation": _lines("copa/validation.jsonl"),
        },
        "multirc": {
            "train": _multirc("multirc/train_32shot.jsonl"),
            "validation": _multirc("multirc/validation.jsonl.gz"),
        },
        "record": {
            "train": _record("record/train_32shot.jsonl"),
            "validation": _record("record/dev_32shot.jsonl"),
        },
        "squad": {
            "train": _lines("squad/train.jsonl.gz"),
            "validation": _lines("squad/validation.jsonl.gz"),
        },
        "race": {
            "train": _race("race/train_from_test.jsonl.gz"),
            "validation": _race("race/validation.jsonl.gz"),
        },
        "winogrande": {
            "train": _renamed(
                "winogrande/train_from_validation.jsonl.gz", label="answer"
            ),
            "validation": _renamed("winogrande/validation.jsonl", label="answer"),
        },
        "doc_nli": {
            "train": _docnli("docnli/binary_fever_nli.train.jsonl.gz"),
            "validation": _docnli("docnli/mctest_nli.validation.jsonl.gz"),
        },
        "drop": {"train": _drop(), "validation": _drop()},
        "piqa": {
            "train": _lines("piqa/train_from_validation.jsonl.gz"),
            "validation": _lines("piqa/validation.jsonl"),
        },
        "social_iqa": {
            "train": _social_iqa("social_iqa/train_from_validation.jsonl.gz"),
            "validation": _social_iqa("social_iqa/validation.jsonl"),
        },
        "e2e_nlg": {
            "train": _lines("e2e/train_from_validation.jsonl.gz"),
            "validation": _lines("e2e/validation_from_test.jsonl.gz"),
        },
        "web_nlg": {"train": _triples("webnlg/train_from_dev.jsonl.gz", "input")},
        "dart": {"train": _triples("dart/train_from_dev.jsonl.gz", "tripleset")},
        "cnn_dailymail": {"train": _cnn_dailymail("cnn_dailymail/sample.jsonl")},
        "conll2003": {
            "train": _renamed("conll03_ner/train.jsonl.gz", ner="ner_tags"),
            "validation": _renamed("conll03_ner/validation.jsonl", ner="ner_tags"),
        },
        "e2e_table": {
            "train": _fields("e2e/train_from_validation.jsonl.gz"),
            "validation": _fields("e2e/validation_from_test.jsonl.gz"),
        },
        "web_nlg_table": {"train": _triple_tables("webnlg/train_from_dev.jsonl.gz")},
        "dart_table": {"train": _triple_tables("dart/train_from_dev.jsonl.gz")},
    }


_MISMATCHED = "mnli/validation_mismatched.tokenized.jsonl.gz"


@pytest.fixture(scope="session")
def registered() -> None:
    """All tasks are registered with SeqIO."""
    import spot_jax.tasks

    spot_jax.tasks.register_all()


@pytest.fixture(scope="session")
def real_rows() -> dict[str, dict[str, list[dict]]]:
    """Rows of each task with real data, in the columns of its data set."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the real rows of ../shared/data are not on this machine")
    return {
        task: {split: rows[:MOST_ROWS] for split, rows in splits.items()}
        for task, splits in _real_rows().items()
    }


@pytest.fixture(scope="session")
def prepared_rows(real_rows, tmp_path_factory) -> pathlib.Path:
    """The folder where all real rows lie as prepared data."""
    from spot_jax.tasks import catalog
    from spot_jax.text import prepared, rows

    folder = tmp_path_factory.mktemp("prepared")
    for task, splits in real_rows.items():
        info = catalog.get(task)
        features = prepared.dataset_features(info.tfds)
        fitted = {
            info.splits[split]: rows.fit_rows(
                ((f"{task}:{number}", row) for number, row in enumerate(given)),
                info,
                features,
                is_hidden=False,
                left_out=set(),
            )
            for split, given in splits.items()
        }
        prepared.write_prepared(info.tfds, fitted, folder)
    return folder


@pytest.fixture
def real_data(prepared_rows, registered) -> pathlib.Path:
    """That folder; during the test tasks read there, with the published vocabulary."""
    from spot_jax.text.registration import use_data_dir
    from spot_jax.text.vocabulary import PUBLISHED_VOCABULARY, use_vocabulary

    use_vocabulary(str(SHARED / "fixtures/t5_vocab/spiece.model"), extra_ids=100)
    use_data_dir(str(prepared_rows))
    yield prepared_rows
    use_data_dir(None)
    use_vocabulary(PUBLISHED_VOCABULARY)
