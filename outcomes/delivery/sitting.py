"""A patient's ticket past a link's first page, and what its invitation asks.

The ticket stands in a signed cookie, opens one invitation only and holds no more than the link's
key. Whoever reads it asks `delivery.is_live` again, for every request. On a tablet that staff hand
over it lasts minutes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.db.models import QuerySet

from outcomes.audit.models import Actor
from outcomes.care.models import Patient
from outcomes.delivery.models import Invitation, Link, OwnPage
from outcomes.instruments.definition import Definition, Wording
from outcomes.instruments.models import InstrumentVersion, definition_of
from outcomes.scheduling.models import UNDER_WAY, Assignment

COOKIE = "sitting"
LASTS = timedelta(hours=2)  # since it was last used, to within RENEWED_AFTER
# Not with every page: of two links opened on one phone, the reply to the first must hardly ever
# come so late that it takes the second one's ticket away.
RENEWED_AFTER = timedelta(minutes=10)
# On a tablet that goes from hand to hand: since the last page asked for.
LASTS_ON_TABLET = timedelta(minutes=3)
# What a page needs of a link, and what a tap does: there the rest is read when asked for.
WHOLE = Link.objects.select_related("hand_over", "invitation__patient", "invitation__clinic")
LEAN = Link.objects.select_related("hand_over", "invitation").only(
    *("clinic", "revoked_at", "hand_over__link", "invitation__clinic", "invitation__patient"),
    *("invitation__opens_at", "invitation__closes_at", "invitation__locked_at"),
    *("invitation__completed_at", "invitation__revoked_at"),
)
# What is left when all is sent: it opens the thank-you page and nothing else.
RECEIPT_COOKIE = "thanks"
RECEIPT_LASTS = timedelta(minutes=10)
# Between a hand-over's code and the questions stands the check that this is the right person.
TABLET_COOKIE = "tablet"


def make_ticket(link: Link, now: datetime) -> str:
    """Return the ticket of whoever has shown that this link reached the right person."""
    return _seal(link, COOKIE, now)


def find_ticket(text: str, now: datetime, links: QuerySet[Link] = WHOLE) -> Link | None:
    """Return the link of a genuine ticket not unused for two hours, whatever became of the link.

    A ticket on a tablet lasts three minutes, and every page gives it anew.
    `links` says what is read of it: WHOLE for a page, which shows patient and clinic, or LEAN.
    """
    return _open(text, COOKIE, now, LASTS, links)


def renew_ticket(text: str, link: Link, now: datetime) -> str:
    """Return the link's ticket anew where the one in use has aged; empty where it need not be.

    A tablet's is given by its pages alone.
    """
    is_due = not is_on_tablet(link) and _age(_read(text, COOKIE), now) >= RENEWED_AFTER
    return make_ticket(link, now) if is_due else ""


def cookie_options(lasts: timedelta) -> dict[str, Any]:
    """Return how a cookie is set that no script reads."""
    return {
        "max_age": lasts,
        "secure": settings.SESSION_COOKIE_SECURE,
        "httponly": True,
        "samesite": "Lax",
    }


def make_tablet_ticket(link: Link, now: datetime) -> str:
    """Return the ticket of a tablet whose code was accepted, and no more."""
    return _seal(link, TABLET_COOKIE, now)


def find_tablet_ticket(text: str, now: datetime) -> Link | None:
    """Return the link of a genuine ticket to the check on a tablet."""
    return _open(text, TABLET_COOKIE, now, LASTS)


def is_on_tablet(link: Link) -> bool:
    """Say whether the link was made to hand over a tablet."""
    return hasattr(link, "hand_over")


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
    text: str, purpose: str, now: datetime, lasts: timedelta, links: QuerySet[Link] = WHOLE
) -> Link | None:
    try:
        content = _read(text, purpose)
    except signing.BadSignature:
        return None
    age = _age(content, now)
    if age > lasts:
        return None
    link = next(iter(links.filter(pk=UUID(content["link"]))), None)
    is_left = link is not None and is_on_tablet(link) and age > LASTS_ON_TABLET
    return None if is_left else link


def _read(text: str, purpose: str) -> dict[str, Any]:
    content: dict[str, Any] = signing.Signer(salt=f"outcomes.{purpose}").unsign_object(text)
    return content


def _age(content: Mapping[str, Any], now: datetime) -> timedelta:
    return timedelta(seconds=now.timestamp() - content["at"])


def actor_of(sent: Invitation | OwnPage) -> Actor:
    """Name in the audit record whoever comes in through what was sent to them; never by name."""
    return Actor(kind="patient", id=str(sent.patient_id), label="Patient")


def assignments_of(invitation: Invitation, now: datetime) -> list[Assignment]:
    """Return what the invitation still asks, in the order in which the schedule names it."""
    related = ("instrument", "rule", "course")
    asked = invitation.assignments.answerable_at(now).select_related(*related)
    return sorted(asked, key=_place)


def opens_next(invitation: Invitation, now: datetime) -> datetime | None:
    """Return when the first of what the invitation asks opens; None if nothing will."""
    ahead = invitation.assignments.answerable_after(now).order_by("opens_at")
    return ahead.values_list("opens_at", flat=True).first()


def _place(assignment: Assignment) -> tuple[bool, int, datetime, int]:
    rule, code = assignment.rule, assignment.instrument.code
    codes = rule.content["instruments"]
    place = codes.index(code) if code in codes else len(codes)
    return (assignment.follows_id is not None, rule.position, assignment.due_at, place)


def expected_minutes(assignments: Iterable[Assignment]) -> int:
    """Return about how many minutes answering takes: the instruments' estimates, at least 1."""
    asked = list(assignments)
    return _minutes(asked, hashes_of(asked))


def _minutes(asked: Iterable[Assignment], hashes: Mapping[UUID, str]) -> int:
    minutes = (definition_of(hashes[item.instrument_id]).minutes.value for item in asked)
    return max(1, math.ceil(sum(estimate or 0 for estimate in minutes)))


def asks_once(assignments: Sequence[Assignment]) -> bool:
    """Say whether exactly one question is asked."""
    if len(assignments) != 1:
        return False
    [content_hash] = hashes_of(assignments).values()
    return len(definition_of(content_hash).items) == 1


def note_minutes(invitations: Collection[Invitation]) -> None:
    """Look up how long each of these takes, in one query and one more for each clinic.

    One of which it cannot be said is left to whoever renders it.
    """
    covers = Invitation.assignments.through.objects.filter(
        invitation__in=invitations, assignment__state__in=UNDER_WAY
    )
    asked: dict[UUID, list[Assignment]] = {}
    by_clinic: dict[UUID, list[Assignment]] = {}
    for row in covers.select_related("assignment"):
        asked.setdefault(row.invitation_id, []).append(row.assignment)
        by_clinic.setdefault(row.assignment.clinic_id, []).append(row.assignment)
    hashes = {clinic: hashes_of(rows) for clinic, rows in by_clinic.items()}
    for invitation in invitations:
        rows, known = asked.get(invitation.pk, []), hashes.get(invitation.clinic_id, {})
        if rows and all(item.instrument_id in known for item in rows):
            invitation.minutes = _minutes(rows, known)


def hashes_of(assignments: Sequence[Assignment]) -> dict[UUID, str]:
    """Return, by instrument, the content that the assignments of one clinic ask now."""
    if not assignments:
        return {}
    versions = InstrumentVersion.objects.used_by(assignments[0].clinic_id).filter(
        instrument__in={assignment.instrument_id for assignment in assignments}
    )
    return dict(versions.values_list("instrument_id", "content_hash"))


def words_for(definition: Definition, patient: Patient) -> Wording:
    """Return the instrument's words as this patient is asked them."""
    return wording_for(definition, patient.language, patient.words_language)


def wording_for(definition: Definition, *languages: str) -> Wording:
    """Return the instrument's words in the first of these languages that it has, each whole.

    Where it has none of them, English stands in before any other, for most instruments are
    validated in it first; one instrument is never asked in two languages.
    """
    known = definition.languages
    return definition.wording(next(code for code in (*languages, "en", *known) if code in known))


def other_languages(assignments: Sequence[Assignment], language: str) -> tuple[str, ...]:
    """Return in which other languages all can be asked that has no words in this one, if any has.

    English comes first. Empty where everything can be asked in this language.
    """
    definitions = [definition_of(content_hash) for content_hash in hashes_of(assignments).values()]
    known = [set(row.languages) for row in definitions if language not in row.languages]
    shared = set.intersection(*known) if known else set()
    return tuple(sorted(shared, key=lambda code: (code != "en", code)))
