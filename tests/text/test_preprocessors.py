import tensorflow as tf

from spot_jax.text import choices, preprocessors, questions


def text(value: tf.Tensor):
    array = value.numpy()
    return array.decode() if isinstance(array, bytes) else array.astype(str).tolist()


def row(**columns):
    return {name: tf.constant(value) for name, value in columns.items()}


def test_a_hidden_label_is_unknown():
    labels = tf.constant(["no", "yes"])
    chosen = [text(preprocessors.choose(labels, tf.constant(i))) for i in (-1, 0, 1)]
    assert chosen == ["<unk>", "no", "yes"]


def test_the_right_choice_is_learnt():
    given = row(goal="Dry it.", sol1="Use a towel.", sol2="Use soup.", label=1)
    example = choices.multiple_choice(
        given, "piqa", ("goal", "sol1", "sol2"), ("sol1", "sol2")
    )
    expected = "piqa goal: Dry it. sol1: Use a towel. sol2: Use soup."
    assert text(example["inputs"]) == expected
    assert text(example["targets"]) == "Use soup."


def test_hellaswag():
    example = choices.hellaswag(
        row(context="He", endings=["a", "b", "c", "d"], label=2)
    )
    expected = "hellaswag context: He endings 0: a endings 1: b endings 2: c "
    assert text(example["inputs"]) == expected + "endings 3: d"
    assert text(example["targets"]) == "c"


def test_race_asks_each_question_of_an_article():
    given = row(article="Ann ran.", questions=["Who?", "How?"], answers=["B", "D"])
    given["options"] = tf.ragged.constant(
        [["Al", "Ann", "Bo", "Cy"], ["e", "f", "g", "h"]]
    )
    examples = choices.race_examples(given)
    assert text(examples["inputs"]) == [
        "race question: Who? option0: Al option1: Ann option2: Bo option3: Cy "
        "article: Ann ran.",
        "race question: How? option0: e option1: f option2: g option3: h "
        "article: Ann ran.",
    ]
    assert text(examples["targets"]) == ["Ann", "h"]


def test_a_hidden_answer_of_race_is_none_of_the_options():
    given = row(article="", questions=["Who?", "How?"], answers=["", "A"])
    given["options"] = tf.constant([["a", "b", "c", "d"], ["e", "f", "g", "h"]])
    assert text(choices.race_examples(given)["targets"]) == ["<unk>", "e"]


def test_drop_takes_all_validated_answers():
    example = questions.drop(
        row(
            passage="He ran 3 yards.",
            question="How far?",
            answer="3",
            validated_answers=["3 yards", "three"],
        )
    )
    expected = "drop question: How far ? context: He ran 3 yards . "
    assert text(example["inputs"]) == expected
    assert text(example["targets"]) == "3"
    assert text(example["answers"]) == ["3", "3 yards", "three"]


def test_mrqa_begins_with_the_name_of_its_set():
    given = row(question="Who?", context="It was Bo.", answers=["Bo", "Bob"])
    example = questions.mrqa(given, "news_qa")
    assert text(example["inputs"]) == "news_qa question: Who ? context: It was Bo . "


def test_a_question_without_an_answer_is_answered_by_no_text():
    given = row(question="Who?", context="It was Bo.", id="1")
    none = {"text": tf.constant([], tf.string)}
    example = questions.squad(given | {"answers": none})
    assert text(example["targets"]) == "" and text(example["answers"]) == []
    one = {"text": tf.constant([""])}
    example = questions.squad(given | {"answers": one})
    assert text(example["targets"]) == "" and text(example["answers"]) == [""]


def test_sentiment140_has_three_polarities():
    labels = ("negative", "neutral", "positive")
    targets = [
        text(
            preprocessors.sentiment140(row(text="hi", polarity=polarity), labels)[
                "targets"
            ]
        )
        for polarity in (0, 2, 4)
    ]
    assert targets == list(labels)


def test_all_emotions_are_named_in_their_order():
    given = row(comment_text="Thanks!", joy=True, fear=False, gratitude=True)
    example = preprocessors.go_emotions(given, ("fear", "gratitude", "joy"))
    assert text(example["inputs"]) == "goemotions comment: Thanks!"
    assert text(example["targets"]) == r"gratitude \n joy"


def test_lists_and_dialogues_are_joined():
    example = preprocessors.listed_to_text(
        row(concepts=["dog", "run"], target="A dog runs."), "common_gen", "concepts"
    )
    assert text(example["inputs"]) == "common_gen dog ; run"
    example = preprocessors.dialogue(
        row(prompt="offer", context=["Hi.", "Yes?"], target="No.")
    )
    expected = "schema_guided_dialog prompt: offer context: Hi. ; Yes?"
    assert text(example["inputs"]) == expected


def test_rows_without_a_label_are_left_out():
    rows = tf.data.Dataset.from_tensor_slices({"label": [1, -1, 0]})
    kept = preprocessors.keep_labelled(rows)
    assert [int(row["label"]) for row in kept] == [1, 0]
