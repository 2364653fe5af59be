"""Store what a patient adds in their own words when they send."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from outcomes.responses.models import QuestionnaireResponse, Remark

# Control characters and halves of characters; a database stores not all of them.
UNWANTED = ("Cc", "Cs")
KEPT = "\n\t"


class OtherRemark(Exception):
    """Other words were stored with this sending; they stay."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a patient typed, and the language of the page they typed it on."""

    text: str = field(repr=False)  # no traceback may quote it
    language: str


def tidied(text: str) -> str:
    """Return the text without control characters or space around it, one end to every line."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = (sign for sign in lines if sign in KEPT or unicodedata.category(sign) not in UNWANTED)
    return "".join(kept).strip()


def store_remark(
    *,
    words: Words,
    sent: Sequence[QuestionnaireResponse],
    submission_id: str,
    now: datetime,
    is_repeat: bool = False,
) -> Remark | None:
    """Store the words beside the filling-ins `sent` with them; None where they are there already.

    `is_repeat` says that nothing else is sent anew. Raises OtherRemark where the sending was
    stored with other words or none, ValidationError for words too long or none; the caller's
    transaction holds the filling-ins locked.
    """
    text, first = tidied(words.text), sent[0]
    if not text:
        raise ValidationError(_("There are no words to store."))
    if len(text) > Remark.LONGEST:
        raise ValidationError(_("These words are too long."))
    stored = Remark.objects.filter(patient=first.patient_id, submission_id=submission_id)
    if is_repeat or stored.exists():
        if not stored.filter(text=text).exists():
            raise OtherRemark("This was sent with other words, or none.")
        return None
    remark = Remark.objects.create(
        clinic_id=first.clinic_id,
        patient_id=first.patient_id,
        episode_id=first.episode_id,
        text=text,
        language=words.language,
        mode=first.mode,
        written_at=now,
        submission_id=submission_id,
    )
    _tie(remark, [row.pk for row in sent])
    return remark


def _tie(remark: Remark, keys: Collection[UUID]) -> None:
    QuestionnaireResponse.objects.filter(pk__in=keys, remark=None).update(remark=remark)


def is_remark_stored(*, patient_id: UUID, submission_id: str, text: str) -> bool:
    """Say whether exactly these words of the patient came in with this sending."""
    rows = Remark.objects.filter(patient=patient_id, submission_id=submission_id)
    return rows.filter(text=tidied(text)).exists()
