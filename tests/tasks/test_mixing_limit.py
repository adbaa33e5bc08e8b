"""K is a value of the configuration, also after the mixtures are registered."""

import pytest
import seqio

import spot_jax.tasks
from spot_jax.tasks import catalog, mixtures


def test_the_limit_caps_the_rates_of_registered_mixtures():
    spot_jax.tasks.register_all()
    mixture = seqio.MixtureRegistry.get("glue_mixture")
    rates = {task.name: mixture.get_rate(task) for task in mixture.tasks}
    assert rates["mnli"] == 392_702
    try:
        mixtures.use_mixing_limit(5000)
        capped = {task.name: mixture.get_rate(task) for task in mixture.tasks}
    finally:
        mixtures.use_mixing_limit(catalog.MIXING_LIMIT)
    assert capped == {name: min(rate, 5000) for name, rate in rates.items()}


def test_a_limit_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="MIXING_LIMIT is 0"):
        mixtures.use_mixing_limit(0)
