"""The catalog: every task and mixture, its size, metrics, labels and members.

Importing it needs neither TensorFlow nor SeqIO, so that programs can list tasks and
check names in milliseconds. SPoT §3.1 (Table 2) names the 26 tasks of the study,
Appendix B the mixtures.

How 55 labelled data sets are counted: the families of Appendix B have 64 members; RTE
is in three of them, and SST-2, MRPC, QQP, STS-B, MNLI, QNLI, CB, XSum and WikiLingua
are in two, which leaves 53 names. The three rounds of ANLI are three data sets, as the
authors registered them: 55. What is in two families is one task: RTE in the form of
SuperGLUE, XSum and WikiLingua in the form of GEM.
"""

import difflib

from spot_jax.errors import InputError
from spot_jax.tasks.catalog_entry import TaskInfo
from spot_jax.tasks.catalog_members import MEMBERS
from spot_jax.tasks.catalog_miniature import MINIATURE
from spot_jax.tasks.catalog_more import MORE
from spot_jax.tasks.catalog_sources import SOURCES
from spot_jax.tasks.catalog_targets import TARGETS

# The limit K on the size of a set in a mixture (SPoT §2.1.3).
MIXING_LIMIT = 2**19
TASKS = {task.name: task for task in (*SOURCES, *TARGETS, *MEMBERS, *MORE, *MINIATURE)}
# What a text may not say from which a model of the study learns.
STUDY_LABELS = frozenset(
    label for task in (*SOURCES, *TARGETS) for label in task.labels
)


def _mixture(name: str, *members: str, note: str = "") -> TaskInfo:
    size = sum(TASKS[member].train_examples for member in members)
    return TaskInfo(
        name,
        family=name,
        kind="mixture",
        train_examples=size,
        members=members,
        note=note,
    )


_ANLI = ("anli_r1", "anli_r2", "anli_r3")
_FAMILIES = (
    _mixture(
        "glue_mixture",
        *("cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte"),
    ),
    _mixture(
        "super_glue_mixture",
        *("boolq", "cb", "copa", "multirc", "record", "rte", "wic", "wsc"),
    ),
    _mixture(
        "nli_mixture",
        *(*_ANLI, "cb", "doc_nli", "mnli", "qnli", "rte", "snli"),
        note="the paper's 7 data sets, with ANLI's three rounds as three members",
    ),
    _mixture("similarity_mixture", "cxc", "mrpc", "qqp", "stsb"),
    _mixture(
        "sentiment_mixture",
        *("cr", "go_emotions", "sentiment140", "sst2", "yelp_polarity"),
    ),
    _mixture(
        "mrqa_mixture",
        *("mrqa_squad", "news_qa", "trivia_qa"),
        *("search_qa", "hotpot_qa", "natural_questions"),
    ),
    _mixture(
        "rainbow_mixture",
        *("alpha_nli", "cosmos_qa", "hellaswag", "piqa", "social_iqa", "winogrande"),
    ),
    _mixture("translation_mixture", "wmt14_en_de", "wmt15_en_fr", "wmt16_en_ro"),
    _mixture(
        "summarization_mixture",
        *("aeslc", "billsum", "cnn_dailymail", "wiki_lingua", "gigaword"),
        *("multi_news", "newsroom", "samsum", "xsum"),
    ),
    _mixture(
        "gem_mixture",
        *("common_gen", "dart", "e2e_nlg", "schema_guided_dialog"),
        *("web_nlg", "wiki_auto", "xsum", "wiki_lingua"),
    ),
)
LABELLED = tuple(
    dict.fromkeys(member for family in _FAMILIES for member in family.members)
)
MIXTURES = {
    mixture.name: mixture
    for mixture in (
        *_FAMILIES,
        _mixture(
            "all_mixture",
            *("c4_prefix_lm", *LABELLED),
            note="C4 and 55 labelled data sets, ANLI's three rounds counted as three",
        ),
    )
}


def get(name: str) -> TaskInfo:
    """Returns the catalog's line for a task or mixture.

    Raises:
        InputError: there is no such name; the message lists the nearest ones.
    """
    everything = TASKS | MIXTURES
    if name not in everything:
        raise InputError(unknown_name(name, everything))
    return everything[name]


def add(task: TaskInfo) -> None:
    """Adds a line for a task of your own, so that its labels and metrics are known.

    Raises:
        InputError: the name is taken.
    """
    if task.name in TASKS | MIXTURES:
        raise InputError(f"there is already a task or mixture {task.name!r}")
    TASKS[task.name] = task


def unknown_name(name: str, known: object) -> str:
    """Returns the message for a name that is none of the `known` names.

    `unknown_name("sst", TASKS)` -> "there is no task or mixture 'sst'; did you mean
    sst2? `spot_jax inspect_tasks` lists them all".
    """
    close = difflib.get_close_matches(name, list(known), n=4, cutoff=0.5)
    question = f"did you mean {' or '.join(close)}? " if close else ""
    return (
        f"there is no task or mixture {name!r}; {question}"
        "`spot_jax inspect_tasks` lists them all"
    )
