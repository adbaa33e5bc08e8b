"""Crisscrossed Captions (Parekh et al. 2021), the part on pairs of captions."""

from spot_jax.tasks import catalog
from spot_jax.text import metrics, postprocessors, preprocessors
from spot_jax.text.registration import add_task, each_row

add_task(
    catalog.get("cxc"),
    [each_row(preprocessors.similarity, prefix="cxc")],
    [metrics.pearson_corrcoef, metrics.spearman_corrcoef],
    postprocess=postprocessors.number,
)
