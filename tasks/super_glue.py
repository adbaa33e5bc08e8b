"""SuperGLUE (Wang et al. 2019); RTE serves the GLUE mixture too."""

from spot_jax.tasks import catalog
from spot_jax.text import metrics, postprocessors, preprocessors, questions, wsc
from spot_jax.text.registration import add_classification, add_task, each_row

add_classification(
    catalog.get("boolq"),
    prefix="boolq",
    columns=["passage", "question"],
    kept=["idx"],
)
add_classification(
    catalog.get("cb"),
    prefix="cb",
    columns=["hypothesis", "premise"],
    kept=["idx"],
    metric_fns=[metrics.mean_3class_f1, metrics.accuracy],
)
add_classification(
    catalog.get("copa"),
    prefix="copa",
    columns=["choice1", "choice2", "premise", "question"],
    kept=["idx"],
)
add_task(
    catalog.get("multirc"),
    [each_row(preprocessors.multirc, labels=catalog.get("multirc").labels)],
    [
        metrics.of_values(metrics.f1),
        metrics.mean_over_groups(metrics.exact_match),
    ],
    postprocess=postprocessors.multirc,
)
add_task(
    catalog.get("record"),
    [questions.record],
    [metrics.first_of_group(metrics.squad)],
    postprocess=postprocessors.record,
)
add_classification(
    catalog.get("rte"),
    prefix="rte",
    columns=["hypothesis", "premise"],
    kept=["idx"],
)
add_classification(
    catalog.get("wic"),
    prefix="wic",
    columns=["sentence1", "sentence2", "word"],
    kept=["idx"],
)
add_task(
    catalog.get("wsc"),
    [each_row(wsc.wsc)],
    [metrics.accuracy],
    postprocess=postprocessors.wsc,
    source=wsc.TrueRowsTrain(catalog.get("wsc")),
)
