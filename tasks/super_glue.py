"""SuperGLUE (Wang et al. 2019); RTE serves the GLUE mixture too."""

from spot_jax.tasks import catalog
from spot_jax.text.registration import add_classification

add_classification(
    catalog.get("rte"),
    prefix="rte",
    columns=["hypothesis", "premise"],
    kept=["idx"],
)
