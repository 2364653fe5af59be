"""Hand a tablet over: a six-digit code or a QR code opens one invitation, once, for minutes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.urls import reverse

from outcomes.care.models import Patient
from outcomes.delivery.links import hash_token, token_of
from outcomes.delivery.models import CodeTries, HandOver, Invitation, Link
from outcomes.delivery.services.invitations import create_invitation, create_link, is_live
from outcomes.scheduling.models import Assignment

CODE_LASTS = timedelta(minutes=10)
DIGITS = 6
# Misses of one span of minutes: a thousand live codes would be needed for one guess in ten to hit.
SPAN = timedelta(minutes=10)
TRIES_BY_ONE = 10
TRIES_BY_ALL = 100


def invite_in_clinic(
    *, patient: Patient, assignments: Sequence[Assignment], now: datetime
) -> Invitation:
    """Return an invitation that nobody was written to about and that asks exactly this.

    An earlier one goes on, unless it is locked: another code is then another five tries at the
    birth date, and what was mailed to the patient is not touched by them.
    """
    wanted = {item.pk for item in assignments}
    earlier = Invitation.objects.filter(patient=patient, locked_at=None).live_at(now)
    for invitation in earlier.filter(links__hand_over__isnull=False).distinct():
        if set(invitation.assignments.under_way().values_list("pk", flat=True)) == wanted:
            return invitation
    return create_invitation(patient=patient, assignments=assignments, now=now)


def create_hand_over(*, invitation: Invitation, now: datetime) -> tuple[HandOver, str]:
    """Make a hand-over and its code; the patient's earlier ones end, with what they opened.

    The code is returned this once: a keyed hash is what is stored.
    """
    with transaction.atomic():
        Patient.objects.select_for_update().get(pk=invitation.patient_id)
        end_hand_overs(patient=invitation.patient, now=now)
        # A code that is over may be given again.
        HandOver.objects.exclude(code_hash="").filter(expires_at__lte=now).update(code_hash="")
        code = _unused_code()
        hand_over = HandOver.objects.create(
            clinic_id=invitation.clinic_id,
            invitation=invitation,
            link=create_link(invitation=invitation, now=now),
            code_hash=_keyed("code", code),
            created_at=now,
            expires_at=now + CODE_LASTS,
        )
    return hand_over, code


def _unused_code() -> str:
    while True:
        code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
        # Two clinics that draw the same number at the same instant: the database refuses one.
        if not HandOver.objects.filter(code_hash=_keyed("code", code)).exists():
            return code


def end_hand_overs(*, patient: Patient, now: datetime) -> None:
    """End every code of the patient, and every sitting on a tablet that one has opened."""
    mine = HandOver.objects.filter(invitation__patient=patient)
    Link.objects.filter(hand_over__in=mine, revoked_at=None).update(revoked_at=now)
    mine.exclude(code_hash="").update(code_hash="")


def end_hand_over(*, link: Link, now: datetime) -> None:
    """End one hand-over: what was answered is kept, another code goes on with it."""
    Link.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=now)
    HandOver.objects.filter(link=link).update(code_hash="")


def may_try_code(*, source: str, now: datetime, is_known: bool = False) -> bool:
    """Count one try, and say whether it may be looked at.

    `source` is where it comes from, such as a network address. Past the limit of one source or of
    the whole installation not even a correct code opens, so that guessing on is in vain. Counted in
    the database, before the look, so that tries at the same moment cannot slip by.
    `is_known`: a device that a code was opened on has a limit of its own, so that strangers who
    guess cannot close the tablets of every clinic.
    """
    span = _span_of(now)
    CodeTries.objects.filter(span__lt=span).delete()
    # One who is refused already must not use up what is left to the others.
    if _count(span, _keyed("source", source)) > TRIES_BY_ONE:
        return False
    return is_known or _count(span, "") <= TRIES_BY_ALL


def _count(span: int, source: str) -> int:
    tries, _is_new = CodeTries.objects.get_or_create(span=span, source=source)
    CodeTries.objects.filter(pk=tries.pk).update(count=F("count") + 1)
    tries.refresh_from_db(fields=["count"])
    return tries.count


def forget_try(*, source: str, now: datetime, is_known: bool = False) -> None:
    """Take back one try of this source: its code was right, and only misses count."""
    counted = [_keyed("source", source), *([] if is_known else [""])]
    tries = CodeTries.objects.filter(span=_span_of(now), source__in=counted)
    tries.filter(count__gt=0).update(count=F("count") - 1)


def _span_of(now: datetime) -> int:
    return int(now.timestamp() // SPAN.total_seconds())


def find_by_code(code: str, now: datetime) -> HandOver | None:
    """Return the hand-over that this code opens now; nothing tells why there is none."""
    return _openable(HandOver.objects.filter(code_hash=_keyed("code", code)).first(), now)


def find_by_token(token: str, now: datetime) -> HandOver | None:
    """Return the hand-over whose QR code holds this token, if it opens now."""
    found = HandOver.objects.filter(link__token_hash=hash_token(token)).first()
    return _openable(found, now)


def _openable(hand_over: HandOver | None, now: datetime) -> HandOver | None:
    if hand_over is None or not hand_over.code_hash or hand_over.expires_at <= now:
        return None
    return hand_over if is_live(hand_over.link, now) else None


def use_hand_over(*, hand_over: HandOver, now: datetime) -> bool:
    """Use the code up, once; False if somebody else just did, or it ended."""
    unused = HandOver.objects.filter(pk=hand_over.pk, used_at=None, expires_at__gt=now)
    return unused.exclude(code_hash="").update(used_at=now, code_hash="") == 1


def tablet_address_of(link: Link) -> str:
    """Return the full address in a hand-over's QR code."""
    path = reverse("patient_site:tablet_link", args=[token_of(link.pk, link.nonce)])
    return f"{settings.BASE_URL}{path}"


def _keyed(purpose: str, text: str) -> str:
    # A purpose of its own: this key also makes the tokens of links.
    message = f"hand-over {purpose}:{text}".encode()
    return hmac.new(settings.LINK_KEY.encode(), message, hashlib.sha256).hexdigest()
