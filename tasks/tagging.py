"""Named entities: CoNLL-2003 (Tjong Kim Sang and De Meulder 2003), as text."""

from spot_jax.tasks import catalog
from spot_jax.text import metrics, postprocessors, preprocessors
from spot_jax.text.registration import add_task, each_row

add_task(
    catalog.get("conll2003"),
    [preprocessors.keep_sentences, each_row(preprocessors.name_entities)],
    [metrics.entity_f1],
    postprocess=postprocessors.entities,
)
