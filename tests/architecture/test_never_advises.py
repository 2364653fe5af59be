"""The product records and shows; nothing that anybody reads of it advises, in any language."""

from __future__ import annotations

import pytest
from django.conf import settings

from tests.architecture.advice import ADVICE, ALLOWED, advice_in, texts


def test_no_text_of_the_product_advises() -> None:
    found = [
        f"{file}: {words}"
        for file, language, text in texts()
        for words in advice_in(text, language)
    ]
    assert found == []


def test_every_reviewed_sentence_still_stands_in_the_product() -> None:
    everything = "\n".join(" ".join(text.split()) for _file, _language, text in texts())
    assert [sentence for sentence in ALLOWED if sentence not in everything] == []


def test_every_language_of_the_product_has_its_words_of_advice() -> None:
    assert {code for code, _name in settings.LANGUAGES} == set(ADVICE)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "We recommend another infusion."),
        ("en", "This patient is due for a booster."),
        ("en", "Risk level: high"),
        ("en", "The optimal dose is 0.5 mg/kg."),
        ("en", "Patients like this are likely to respond."),
        ("en", "The interval should be shorter."),
        ("en", "Consider increasing the dose; it is not too late."),
        ("en", "Needs another infusion."),
        ("en", "It does not advise. We advise rest."),
        ("de", "Die Dosis sollte erhöht werden."),
        ("de", "Wir empfehlen eine weitere Sitzung."),
        ("de", "Die nächste Dosis: 40 mg"),
        ("es", "Se recomienda otra sesión."),
        ("es", "Debería aumentar la dosis."),
        ("fr", "Nous recommandons une autre séance."),
        ("fr", "Ce patient devrait recevoir une perfusion."),
        ("pt", "Recomendamos outra sessão."),
        ("pt", "O paciente precisa de mais sessões."),
    ],
)
def test_the_check_knows_advice_when_it_sees_it(language: str, text: str) -> None:
    assert advice_in(text, language)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "PHQ-9 fell from 18 to 9."),
        ("en", "Days since session 23: 19. Earlier intervals: 26, 31."),
        ("de", "Der PHQ-9 fiel von 18 auf 9."),
        ("es", "Puntuación a los 7 días de la sesión 3."),
        ("fr", "Votre clinique prévoit de vous poser des questions."),
        ("pt", "Considera-se cada questionário respondido."),
    ],
)
def test_the_check_passes_over_facts(language: str, text: str) -> None:
    assert advice_in(text, language) == []
