"""GLUE (Wang et al. 2019), without WNLI; RTE is in super_glue.py."""

from spot_jax.tasks import catalog
from spot_jax.text import metrics, postprocessors, preprocessors
from spot_jax.text.registration import add_classification, add_task, each_row

add_classification(
    catalog.get("cola"),
    prefix="cola",
    columns=["sentence"],
    kept=["idx"],
    metric_fns=[metrics.matthews_corrcoef],
)
add_classification(
    catalog.get("sst2"), prefix="sst2", columns=["sentence"], kept=["idx"]
)
add_classification(
    catalog.get("mrpc"),
    prefix="mrpc",
    columns=["sentence1", "sentence2"],
    kept=["idx"],
    metric_fns=[metrics.f1, metrics.accuracy],
)
add_classification(
    catalog.get("qqp"),
    prefix="qqp",
    columns=["question1", "question2"],
    kept=["idx"],
    metric_fns=[metrics.f1, metrics.accuracy],
)
add_classification(
    catalog.get("mnli"),
    prefix="mnli",
    columns=["hypothesis", "premise"],
    kept=["idx"],
)
add_classification(
    catalog.get("qnli"),
    prefix="qnli",
    columns=["question", "sentence"],
    kept=["idx"],
)
add_task(
    catalog.get("stsb"),
    [each_row(preprocessors.similarity, prefix="stsb", kept=("idx",))],
    [metrics.pearson_corrcoef, metrics.spearman_corrcoef],
    postprocess=postprocessors.number,
)
