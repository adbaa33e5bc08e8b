"""The tasks that are members of mixtures and neither sources nor targets of the study.

Sizes are those of the TFDS catalog, and of the publishers where TFDS has no builder.
"""

from spot_jax.tasks.catalog_entry import WITH_TEST, TaskInfo

ROUGE = ("rouge1", "rouge2", "rougeLsum")
NLI = ("entailment", "neutral", "contradiction")
_QA = dict(
    family="qa", metrics=("em", "f1"), columns=("question", "context", "answers")
)
_ANLI = dict(
    family="nli",
    metrics=("accuracy",),
    labels=NLI,
    columns=("context", "hypothesis", "label"),
    splits=WITH_TEST,
)
_CHOICE = dict(family="commonsense", metrics=("accuracy",))
_TRANSLATION = dict(family="translation", metrics=("bleu",), splits=WITH_TEST)
_SUMMARY = dict(family="summarization", metrics=ROUGE)
_GENERATION = dict(family="generation", metrics=(*ROUGE, "bleu"))

MEMBERS = (
    TaskInfo("anli_r1", tfds="anli/r1:0.1.0", train_examples=16_946, **_ANLI),
    TaskInfo("anli_r2", tfds="anli/r2:0.1.0", train_examples=45_460, **_ANLI),
    TaskInfo("anli_r3", tfds="anli/r3:0.1.0", train_examples=100_459, **_ANLI),
    TaskInfo(
        "snli",
        family="nli",
        tfds="snli:1.1.0",
        train_examples=550_152,
        metrics=("accuracy",),
        labels=NLI,
        columns=("premise", "hypothesis", "label"),
        splits=WITH_TEST,
        note="rows without a majority label are left out",
    ),
    TaskInfo(
        "go_emotions",
        family="sentiment",
        tfds="goemotions:0.1.0",
        train_examples=43_410,
        metrics=("accuracy",),
        columns=("comment_text",),
        splits=WITH_TEST,
        note="28 true-or-false columns; the target names those that are true",
    ),
    TaskInfo(
        "sentiment140",
        family="sentiment",
        tfds="sentiment140:1.0.0",
        train_examples=1_600_000,
        metrics=("accuracy",),
        labels=("negative", "neutral", "positive"),
        columns=("text", "polarity"),
        splits={"train": "train", "validation": "test"},
        note="the official test rows validate; only they have neutral ones",
    ),
    TaskInfo("mrqa_squad", tfds="mrqa/squad:1.0.0", train_examples=86_588, **_QA),
    TaskInfo("news_qa", tfds="mrqa/news_qa:1.0.0", train_examples=74_160, **_QA),
    TaskInfo("trivia_qa", tfds="mrqa/trivia_qa:1.0.0", train_examples=61_688, **_QA),
    TaskInfo("search_qa", tfds="mrqa/search_qa:1.0.0", train_examples=117_384, **_QA),
    TaskInfo("hotpot_qa", tfds="mrqa/hotpot_qa:1.0.0", train_examples=72_928, **_QA),
    TaskInfo(
        "natural_questions",
        tfds="mrqa/natural_questions:1.0.0",
        train_examples=104_071,
        **_QA,
    ),
    TaskInfo(
        "alpha_nli",
        tfds="alpha_nli:1.0.0",
        train_examples=169_654,
        columns=("obs1", "obs2", "hyp1", "hyp2", "label"),
        publisher=(
            "train.jsonl, train-labels.lst, dev.jsonl and dev-labels.lst of "
            "https://storage.googleapis.com/ai2-mosaic/public/alphanli/"
            "alphanli-train-dev.zip"
        ),
        **_CHOICE,
    ),
    TaskInfo(
        "piqa",
        tfds="piqa:1.0.0",
        train_examples=16_113,
        columns=("goal", "sol1", "sol2", "label"),
        splits=WITH_TEST,
        **_CHOICE,
    ),
    TaskInfo(
        "social_iqa",
        tfds="social_i_qa:1.0.0",
        train_examples=33_410,
        columns=("context", "question", "answerA", "answerB", "answerC", "label"),
        publisher=(
            "train.jsonl, train-labels.lst, dev.jsonl and dev-labels.lst of "
            "https://storage.googleapis.com/ai2-mosaic/public/socialiqa/"
            "socialiqa-train-dev.zip"
        ),
        **_CHOICE,
    ),
    TaskInfo(
        "wmt14_en_de",
        tfds="wmt14_translate/de-en:1.0.0",
        train_examples=4_508_785,
        columns=("de", "en"),
        **_TRANSLATION,
    ),
    TaskInfo(
        "wmt15_en_fr",
        tfds="wmt15_translate/fr-en:1.0.0",
        train_examples=40_853_298,
        columns=("fr", "en"),
        **_TRANSLATION,
    ),
    TaskInfo(
        "wmt16_en_ro",
        tfds="wmt16_translate/ro-en:1.0.0",
        train_examples=610_320,
        columns=("ro", "en"),
        **_TRANSLATION,
    ),
    TaskInfo(
        "aeslc",
        tfds="aeslc:1.0.0",
        train_examples=14_436,
        columns=("email_body", "subject_line"),
        splits=WITH_TEST,
        **_SUMMARY,
    ),
    TaskInfo(
        "billsum",
        tfds="billsum:3.0.0",
        train_examples=18_949,
        columns=("text", "summary"),
        splits={"train": "train", "validation": "test"},
        note="the official test rows validate",
        **_SUMMARY,
    ),
    TaskInfo(
        "cnn_dailymail",
        tfds="cnn_dailymail:3.4.0",
        train_examples=287_113,
        columns=("article", "highlights"),
        splits=WITH_TEST,
        **_SUMMARY,
    ),
    TaskInfo(
        "wiki_lingua",
        tfds="gem/wiki_lingua_english_en:1.1.0",
        train_examples=99_020,
        columns=("source", "target"),
        splits=WITH_TEST,
        **_SUMMARY,
    ),
    TaskInfo(
        "gigaword",
        tfds="gigaword:1.2.0",
        train_examples=3_803_957,
        columns=("document", "summary"),
        splits=WITH_TEST,
        **_SUMMARY,
    ),
    TaskInfo(
        "multi_news",
        tfds="multi_news:2.1.0",
        train_examples=44_972,
        columns=("document", "summary"),
        splits=WITH_TEST,
        **_SUMMARY,
    ),
    TaskInfo(
        "newsroom",
        tfds="newsroom:1.0.0",
        train_examples=995_041,
        columns=("text", "summary"),
        splits=WITH_TEST,
        note="TFDS asks for a manual download",
        **_SUMMARY,
    ),
    TaskInfo(
        "samsum",
        tfds="samsum:1.0.0",
        train_examples=14_732,
        columns=("dialogue", "summary"),
        splits=WITH_TEST,
        note="TFDS asks for a manual download",
        **_SUMMARY,
    ),
    TaskInfo(
        "xsum",
        # GEM's copy needs no manual download, and serves both mixtures.
        tfds="gem/xsum:1.1.0",
        train_examples=23_206,
        columns=("document", "target"),
        splits=WITH_TEST,
        **_SUMMARY,
    ),
    TaskInfo(
        "common_gen",
        tfds="gem/common_gen:1.1.0",
        train_examples=67_389,
        columns=("concepts", "target"),
        splits=WITH_TEST,
        **_GENERATION,
    ),
    TaskInfo(
        "dart",
        tfds="gem/dart:1.1.0",
        train_examples=62_659,
        columns=("tripleset", "target"),
        splits=WITH_TEST,
        **_GENERATION,
    ),
    TaskInfo(
        "e2e_nlg",
        tfds="gem/e2e_nlg:1.1.0",
        train_examples=33_525,
        columns=("meaning_representation", "target"),
        splits=WITH_TEST,
        **_GENERATION,
    ),
    TaskInfo(
        "schema_guided_dialog",
        tfds="gem/schema_guided_dialog:1.1.0",
        train_examples=164_982,
        columns=("prompt", "context", "target"),
        splits=WITH_TEST,
        **_GENERATION,
    ),
    TaskInfo(
        "web_nlg",
        tfds="gem/web_nlg_en:1.1.0",
        train_examples=35_426,
        columns=("input", "target"),
        splits=WITH_TEST,
        **_GENERATION,
    ),
    TaskInfo(
        "wiki_auto",
        tfds="gem/wiki_auto_asset_turk:1.1.0",
        train_examples=483_801,
        columns=("source", "target"),
        **_GENERATION,
    ),
)
