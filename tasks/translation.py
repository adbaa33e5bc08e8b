"""Translation from English: WMT 2014, 2015 and 2016."""

from spot_jax.tasks import catalog
from spot_jax.text import generation, preprocessors
from spot_jax.text.registration import add_task, each_row


def _add_translation(name: str, language: str, target: str) -> None:
    add_task(
        catalog.get(name),
        [
            each_row(
                preprocessors.text_to_text,
                prefix=f"translate English to {language}:",
                source="en",
                target=target,
            )
        ],
        [generation.bleu],
    )


_add_translation("wmt14_en_de", language="German", target="de")
_add_translation("wmt15_en_fr", language="French", target="fr")
_add_translation("wmt16_en_ro", language="Romanian", target="ro")
