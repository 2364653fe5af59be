"""Handing over: a link or a tablet, from hand to hand; whose phone it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.care.models import (
    Patient,
)
from outcomes.delivery import services as delivery
from outcomes.delivery.models import (
    NOT_FOR_ME,
    HandOver,
    Invitation,
    Link,
)
from outcomes.delivery.sitting import is_on_tablet
from outcomes.responses.models import Mode
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.models import Assignment
from outcomes.workflows.recording import record


@audit.atomic()
def hand_over_link(*, patient: Patient, by: Actor, now: datetime) -> str | None:
    """Return an address for what the patient can answer now, without sending it; None if nothing.

    For a patient who is in the clinic or on the telephone.
    """
    due = list(Assignment.objects.filter(patient=patient).answerable_at(now))
    if not due:
        return None
    scheduling.open_due(assignments=due, now=now)
    invitation = delivery.create_invitation(patient=patient, assignments=due, now=now)
    link = delivery.create_link(invitation=invitation, now=now)
    record(invitation, "link.handed_over", by, now)
    return delivery.address_of(link)


@dataclass(frozen=True, slots=True)
class TabletCode:
    """What opens a patient's questions on a tablet: shown once to whoever hands it over."""

    code: str
    address: str
    expires_at: datetime


@audit.atomic()
def hand_over_tablet(*, patient: Patient, by: Actor, now: datetime) -> TabletCode | None:
    """Make a code for what the patient can answer now, on a tablet of the clinic; None if nothing.

    The patient's earlier codes end, and so does a sitting on another tablet.
    """
    due = list(Assignment.objects.filter(patient=patient).answerable_at(now))
    if not due:
        return None
    scheduling.open_due(assignments=due, now=now)
    invitation = delivery.invite_in_clinic(patient=patient, assignments=due, now=now)
    hand_over, code = delivery.create_hand_over(invitation=invitation, now=now)
    record(hand_over.invitation, "tablet.handed_over", by, now)
    address = delivery.tablet_address_of(hand_over.link)
    return TabletCode(code, address, hand_over.expires_at)


@audit.atomic()
def open_tablet(*, hand_over: HandOver, by: Actor, now: datetime) -> bool:
    """Use a code up; False if it was just used elsewhere."""
    if not delivery.use_hand_over(hand_over=hand_over, now=now):
        return False
    record(hand_over.invitation, "tablet.opened", by, now)
    return True


@audit.atomic()
def lock_tablet(*, link: Link, by: Actor, now: datetime) -> None:
    """End what a tablet shows; what was answered is kept, and a new code goes on with it."""
    delivery.end_hand_over(link=link, now=now)
    record(link.invitation, "tablet.locked", by, now)


def mode_of(link: Link) -> Mode:
    """Return how answers through this link come in: on a tablet of the clinic, or elsewhere."""
    return Mode.KIOSK if is_on_tablet(link) else Mode.LINK


@audit.atomic()
def decline_invitation(*, invitation: Invitation, by: Actor, now: datetime) -> None:
    """End an invitation that reached somebody else, and tell staff through the audit record.

    No phone of the patient is known any more: who held this one was not the patient.
    """
    delivery.revoke_invitation(invitation=invitation, reason=NOT_FOR_ME, by=by, now=now)
    # The same message told the address of the patient's own page.
    delivery.renew_own_page(patient=invitation.patient, reason=NOT_FOR_ME, by=by, now=now)
    delivery.forget_devices(patient=invitation.patient, now=now)


@audit.atomic()
def remember_device(*, invitation: Invitation, by: Actor, now: datetime) -> str | None:
    """Let the phone that passed the check open later links of the course without it.

    Returns the secret it is to keep; None where no course is under way.
    """
    course = delivery.remembered_course(invitation)
    if course is None:
        return None
    device, secret = delivery.remember_device(patient=invitation.patient, course=course, now=now)
    record(device, "device.remembered", by, now)
    return secret


@audit.atomic()
def forget_devices(*, patient: Patient, by: Actor, now: datetime, secret: str = "") -> int:
    """Have every phone of a patient, or the one with this secret, asked for the check again."""
    forgotten = delivery.forget_devices(patient=patient, now=now, secret=secret)
    if forgotten:
        audit.record(
            clinic_id=patient.clinic_id,
            by=by,
            now=now,
            action="device.forgotten",
            object_type="Patient",
            object_id=patient.pk,
            patient_id=patient.pk,
            data={"phones": forgotten},
        )
    return forgotten
