"""Write the address of a patient's own page: made once, renewed when what went out must end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.care.models import EpisodeOfCare, Patient
from outcomes.delivery.links import hash_token, new_nonce, token_of
from outcomes.delivery.models import Link, Message, MessageState, OwnPage, UnreachedReason
from outcomes.delivery.recheck import PAUSED
from outcomes.delivery.services.unreached import settle_locked
from outcomes.delivery.sitting import is_on_tablet


def ensure_own_pages(*, patients: Iterable[Patient], now: datetime) -> None:
    """Make an address for each of these patients who has none, in two statements for all."""
    wanted = {patient.pk: patient for patient in patients}
    known = OwnPage.objects.filter(patient__in=wanted).values_list("patient_id", flat=True)
    missing = wanted.keys() - set(known)
    if missing:
        made = [_new_page(wanted[key], now) for key in sorted(missing)]
        OwnPage.objects.bulk_create(made, ignore_conflicts=True)


def _new_page(patient: Patient, now: datetime) -> OwnPage:
    page = OwnPage(clinic_id=patient.clinic_id, patient=patient, created_at=now)
    _give_token(page)
    return page


def _give_token(page: OwnPage) -> None:
    page.nonce = new_nonce()
    page.token_hash = hash_token(token_of(page.pk, page.nonce))


def own_path_of(page: OwnPage) -> str:
    """Return the page's path, made from the key outside the database."""
    return reverse("patient_site:own_door", args=[token_of(page.pk, page.nonce)])


def own_address_of(patient: Patient) -> str:
    """Return the full address for a message to this patient; empty where it opens nothing."""
    page: OwnPage | None = getattr(patient, "own_page", None)
    if page is None or page.revoked_at is not None or page.locked_at is not None:
        return ""
    return f"{settings.BASE_URL}{own_path_of(page)}"


def own_path_beside(link: Link) -> str:
    """Return the page's path for whoever holds this link to questions; empty if there is none.

    A link that went out before the address was renewed may be with somebody else, and a tablet is
    in many hands.
    """
    page = OwnPage.objects.filter(patient=link.invitation.patient_id).first()
    if page is None or not is_own_page_live(page) or is_on_tablet(link):
        return ""
    is_older = page.renewed_at is not None and link.created_at < page.renewed_at
    return "" if is_older else own_path_of(page)


def find_own_page(token: str) -> OwnPage | None:
    """Return the page with this token, whatever became of it; None if there is none."""
    found = OwnPage.objects.filter(token_hash=hash_token(token))
    return found.select_related("patient", "clinic").first()


def is_own_page_live(page: OwnPage) -> bool:
    """Say whether the address leads anywhere: not revoked, and the patient is in care here."""
    in_care = EpisodeOfCare.objects.open().filter(patient=page.patient_id)
    return page.revoked_at is None and in_care.exists()


@transaction.atomic
def renew_own_page(*, patient: Patient, reason: str, by: Actor, now: datetime) -> None:
    """Give the page another address, so that what went out before opens nothing."""
    page = OwnPage.objects.select_for_update().filter(patient=patient).first()
    if page is None:
        return
    if page.locked_at is not None:
        locks = [UnreachedReason.LOCKED_PAGE]
        settle_locked(patient=patient, note=reason, by=by, now=now, reasons=locks)
    _give_token(page)
    page.renewed_at, page.failed_checks, page.locked_at = now, 0, None
    page.save(update_fields=["nonce", "token_hash", "renewed_at", "failed_checks", "locked_at"])
    _record(page, by, now, "own_page.renewed", {"reason": reason})


@transaction.atomic
def revoke_own_page(*, page: OwnPage, by: Actor, now: datetime) -> None:
    """Let the page open to nobody until staff allow it again."""
    OwnPage.objects.filter(pk=page.pk).update(revoked_at=now)
    _record(page, by, now, "own_page.revoked")


@transaction.atomic
def allow_own_page(*, page: OwnPage, by: Actor, now: datetime) -> None:
    """Let the page open again, at another address: the next invitation by e-mail tells it."""
    OwnPage.objects.filter(pk=page.pk).update(revoked_at=None)
    renew_own_page(patient=page.patient, reason="allowed by staff", by=by, now=now)


def let_pause_end(*, patient: Patient, now: datetime) -> None:
    """Look again at once at what a pause holds back: it has ended, or ends at another time."""
    held = Message.objects.filter(patient=patient, state=MessageState.PENDING, state_reason=PAUSED)
    held.update(not_before=now)


def _record(
    page: OwnPage, by: Actor, now: datetime, action: str, data: dict[str, str] | None = None
) -> None:
    audit.record(
        clinic_id=page.clinic_id,
        by=by,
        now=now,
        action=action,
        object_type="OwnPage",
        object_id=page.pk,
        patient_id=page.patient_id,
        data=data,
    )
