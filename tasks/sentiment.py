"""Sentiment outside GLUE."""

import functools

from spot_jax.tasks import catalog
from spot_jax.text import metrics, postprocessors, preprocessors
from spot_jax.text.registration import add_classification, add_task, each_row

# The columns of GoEmotions (Demszky et al. 2020), in its order.
EMOTIONS = tuple(
    "admiration amusement anger annoyance approval caring confusion curiosity desire "
    "disappointment disapproval disgust embarrassment excitement fear gratitude grief "
    "joy love nervousness neutral optimism pride realization relief remorse sadness "
    "surprise".split()
)

add_classification(
    catalog.get("yelp_polarity"), prefix="yelp_polarity_reviews", columns=["text"]
)
add_classification(catalog.get("cr"), prefix="cr", columns=["text"])
add_task(
    catalog.get("sentiment140"),
    [each_row(preprocessors.sentiment140, labels=catalog.get("sentiment140").labels)],
    [metrics.accuracy],
    postprocess=functools.partial(
        postprocessors.label_index, labels=catalog.get("sentiment140").labels
    ),
)
add_task(
    catalog.get("go_emotions"),
    [each_row(preprocessors.go_emotions, emotions=EMOTIONS)],
    [metrics.accuracy],
    postprocess=functools.partial(postprocessors.named, names=EMOTIONS),
)
