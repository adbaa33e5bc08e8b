"""Natural language inference outside GLUE and SuperGLUE."""

from spot_jax.tasks import catalog
from spot_jax.text.preprocessors import keep_labelled
from spot_jax.text.registration import add_classification

add_classification(
    catalog.get("doc_nli"), prefix="doc_nli", columns=["hypothesis", "premise"]
)
add_classification(
    catalog.get("anli_r1"), prefix="anli_r1", columns=["hypothesis", "context"]
)
add_classification(
    catalog.get("anli_r2"), prefix="anli_r2", columns=["hypothesis", "context"]
)
add_classification(
    catalog.get("anli_r3"), prefix="anli_r3", columns=["hypothesis", "context"]
)
add_classification(
    catalog.get("snli"),
    prefix="snli",
    columns=["hypothesis", "premise"],
    before=[keep_labelled],
)
