"""A patient's ticket past a link's first page, and what its invitation asks.

The ticket stands in a signed cookie, opens one invitation only and holds no more than the link's
key. Whoever reads it asks `delivery.is_live` again, for every request.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.core import signing

from outcomes.audit.models import Actor
from outcomes.delivery.models import Invitation, Link
from outcomes.instruments.definition import Definition, Wording
from outcomes.instruments.models import InstrumentVersion, definition_of
from outcomes.scheduling.models import Assignment

COOKIE = "sitting"
LASTS = timedelta(hours=2)
WHOLE = ("invitation__patient", "invitation__clinic")
# What is left when all is sent: it opens the thank-you page and nothing else.
RECEIPT_COOKIE = "thanks"
RECEIPT_LASTS = timedelta(minutes=10)


def make_ticket(link: Link, now: datetime) -> str:
    """Return the ticket of whoever has shown that this link reached the right person."""
    return _seal(link, COOKIE, now)


def find_ticket(text: str, now: datetime, related: Sequence[str] = WHOLE) -> Link | None:
    """Return the link of a genuine ticket not older than two hours, whatever became of the link.

    `related` is read along: a page shows patient and clinic, an answer needs the invitation only.
    """
    return _open(text, COOKIE, now, LASTS, related)


def make_receipt(link: Link, now: datetime) -> str:
    """Return what remains with the patient when all is sent."""
    return _seal(link, RECEIPT_COOKIE, now)


def read_receipt(text: str, now: datetime) -> Link | None:
    """Return the link of a genuine receipt not older than ten minutes."""
    return _open(text, RECEIPT_COOKIE, now, RECEIPT_LASTS)


def _seal(link: Link, purpose: str, now: datetime) -> str:
    content = {"link": link.pk.hex, "at": int(now.timestamp())}
    return signing.Signer(salt=f"outcomes.{purpose}").sign_object(content)


def _open(
    text: str, purpose: str, now: datetime, lasts: timedelta, related: Sequence[str] = WHOLE
) -> Link | None:
    try:
        content = signing.Signer(salt=f"outcomes.{purpose}").unsign_object(text)
    except signing.BadSignature:
        return None
    if now.timestamp() - content["at"] > lasts.total_seconds():
        return None
    links = Link.objects.select_related(*related)
    return links.filter(pk=UUID(content["link"])).first()


def actor_of(invitation: Invitation) -> Actor:
    """Name in the audit record whoever answers through this invitation; never by name."""
    return Actor(kind="patient", id=str(invitation.patient_id), label="Patient")


def assignments_of(invitation: Invitation, now: datetime) -> list[Assignment]:
    """Return what the invitation still asks, in the order in which the schedule names it."""
    asked = invitation.assignments.answerable_at(now).select_related("instrument", "rule")
    return sorted(asked, key=_place)


def _place(assignment: Assignment) -> tuple[int, datetime, int]:
    rule = assignment.rule
    return (
        rule.position,
        assignment.due_at,
        rule.content["instruments"].index(assignment.instrument.code),
    )


def expected_minutes(assignments: Iterable[Assignment]) -> int:
    """Return about how many minutes answering takes: the instruments' estimates, at least 1."""
    asked = list(assignments)
    hashes = hashes_of(asked)
    minutes = (definition_of(hashes[item.instrument_id]).minutes.value for item in asked)
    return max(1, math.ceil(sum(estimate or 0 for estimate in minutes)))


def hashes_of(assignments: Sequence[Assignment]) -> dict[UUID, str]:
    """Return, by instrument, the content that the assignments of one clinic ask now."""
    if not assignments:
        return {}
    versions = InstrumentVersion.objects.used_by(assignments[0].clinic_id).filter(
        instrument__in={assignment.instrument_id for assignment in assignments}
    )
    return dict(versions.values_list("instrument_id", "content_hash"))


def wording_for(definition: Definition, language: str) -> Wording:
    """Return the instrument's words in this language or, where there are none, in another whole.

    English stands in before any other, for most instruments are validated in it first; one
    instrument is never asked in two languages.
    """
    if language not in definition.languages:
        language = "en" if "en" in definition.languages else definition.languages[0]
    return definition.wording(language)
