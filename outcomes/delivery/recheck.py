"""Whether a claimed message may still go out: looked up for a whole batch, decided one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Min

from outcomes.care.models import Channel, Consent, Contact
from outcomes.clinics.models import Membership, User
from outcomes.delivery import quiet
from outcomes.delivery.models import Invitation, Lane, Message, MessageKind
from outcomes.scheduling.local_time import local_instant
from outcomes.scheduling.models import UNDER_WAY

# What a message that the patient's pause holds back says of itself.
PAUSED = "paused by the patient"
# Longer than any local day, through every clock change.
A_DAY_BACK = timedelta(hours=50)


@dataclass(frozen=True, slots=True)
class Go:
    """Send it to this address or number."""

    to: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Not before this moment, for this reason."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Not any more, for this reason."""

    reason: str


def sent_lately(patients: Collection[UUID], now: datetime) -> defaultdict[UUID, list[datetime]]:
    """Return when each patient was sent what counts for the day's limit, a local day back."""
    sent: defaultdict[UUID, list[datetime]] = defaultdict(list)
    counted = Message.objects.filter(
        patient__in=patients, lane=Lane.BULK, sent_at__gt=now - A_DAY_BACK
    )
    for patient, at in counted.values_list("patient", "sent_at"):
        assert patient is not None
        assert at is not None
        sent[patient].append(at)
    return sent


# Which alert, whom, and by which channel.
Page = tuple[UUID | None, UUID | None, str]


class Facts:
    """Everything that decides about a batch of messages, read in a few queries.

    What changes after it was read cancels the message itself, and whoever sends it looks at that
    once more.
    """

    def __init__(self, messages: Sequence[Message], now: datetime) -> None:
        patients = {message.patient_id for message in messages if message.patient_id}
        invitations = {message.link.invitation_id for message in messages if message.link}
        self._contacts: dict[tuple[UUID, str], Contact] = {}
        self._consents: dict[tuple[UUID, str], bool] = {}
        self._sent = sent_lately(patients, now)
        # Of each invitation that can be answered, when the first of its questionnaires closes.
        self._open: dict[UUID, datetime] = {}
        self._paged: dict[Page, datetime] = {}
        self._staff: set[tuple[UUID, UUID | None]] = set()
        self._awaited: set[tuple[UUID, UUID | None]] = set()
        self._tested: dict[tuple[UUID, UUID | None, str], datetime] = {}
        if users := {message.user_id for message in messages if message.user_id}:
            self._read_staff(users)
            self._read_pages({message.alert_id for message in messages if message.alert_id})
        if patients:
            self._read_patients(patients, invitations, now)

    def _read_staff(self, users: set[UUID]) -> None:
        members = Membership.objects.active().filter(user__in=users)
        self._staff.update(members.values_list("clinic", "user"))
        awaited = Membership.objects.awaited().filter(user__in=users)
        self._awaited.update(awaited.values_list("clinic", "user"))
        tests = Message.objects.filter(kind=MessageKind.TEST, user__in=users).order_by("created_at")
        for clinic, user, channel, at in tests.values_list(
            "clinic", "user", "channel", "created_at"
        ):
            self._tested[clinic, user, channel] = at

    def _read_pages(self, alerts: set[UUID]) -> None:
        pages = Message.objects.filter(alert__in=alerts, sent_at__isnull=False).order_by("sent_at")
        for page in pages.only("alert", "user", "channel", "sent_at"):
            self.note_sent(page, page.sent_at or page.created_at)

    def _read_patients(self, patients: set[UUID], invitations: set[UUID], now: datetime) -> None:
        for contact in Contact.objects.filter(patient__in=patients):
            self._contacts[contact.patient_id, contact.channel] = contact
        consents = Consent.objects.filter(patient__in=patients).order_by("at", "id")
        for patient, channel, is_given in consents.values_list("patient", "channel", "is_given"):
            self._consents[patient, channel] = is_given
        answerable = Invitation.objects.filter(
            pk__in=invitations, assignments__state__in=UNDER_WAY, assignments__closes_at__gt=now
        )
        closing = answerable.annotate(closes_first=Min("assignments__closes_at"))
        self._open = dict(closing.values_list("pk", "closes_first"))

    def decide(self, message: Message, now: datetime) -> Go | Wait | Stop:
        """Say whether the message goes out now, later or not at all."""
        if message.lane == Lane.ALERT:
            return self._decide_for_staff(message)
        if reason := self._reason_to_stop(message, now):
            return Stop(reason)
        assert message.patient is not None
        return self._wait(message, now) or Go(
            self._contacts[message.patient.pk, message.channel].value
        )

    def note_sent(self, message: Message, now: datetime) -> None:
        """Count a message of this very batch, too."""
        if message.patient_id is not None:
            self._sent[message.patient_id].append(now)
        elif message.alert_id is not None:
            self._paged[_page(message)] = now

    def _decide_for_staff(self, message: Message) -> Go | Stop:
        assert message.user is not None
        if reason := self._reason_not_to_tell(message, message.user):
            return Stop(reason)
        to = message.user.email if message.channel == Channel.EMAIL else message.user.phone
        return Go(to) if to else Stop("no contact")

    def _reason_not_to_tell(self, message: Message, user: User) -> str:
        member = (message.clinic_id, user.pk)
        if message.kind == MessageKind.MEMBERSHIP:
            return "" if member in self._awaited else "invitation over"
        is_operator = user.is_superuser and user.is_active
        if not is_operator and member not in self._staff:
            return "no longer works here"
        if message.kind == MessageKind.TEST:
            newest = self._tested[message.clinic_id, user.pk, message.channel]
            return "a newer test follows" if newest > message.created_at else ""
        if message.kind != MessageKind.ALERT:
            return ""
        assert message.alert is not None
        if message.alert.state != "open":
            return "alert acknowledged"
        # After an outage one page says what all the waiting ones would.
        paged_at = self._paged.get(_page(message))
        return "paged since" if paged_at is not None and paged_at > message.created_at else ""

    def _reason_to_stop(self, message: Message, now: datetime) -> str:
        if message.expires_at is not None and message.expires_at <= now:
            return "too late"
        if message.link is None or message.link.revoked_at is not None:
            return "link revoked"
        invitation = message.link.invitation
        if invitation.revoked_at:
            return invitation.revoked_reason or "link revoked"
        if invitation.locked_at:
            return "link locked"
        if invitation.completed_at or invitation.pk not in self._open:
            return "nothing left to answer"
        assert message.patient_id is not None
        contact = self._contacts.get((message.patient_id, message.channel))
        if contact is None:
            return "no contact"
        if contact.suppressed_at is not None:
            return "contact stopped"
        if not self._consents.get((message.patient_id, message.channel)):
            return "no consent"
        if message.kind == MessageKind.REMINDER and _pause_of(message, now):
            return PAUSED
        return ""

    def _wait(self, message: Message, now: datetime) -> Wait | None:
        """Return what holds the message back, if anything does.

        A pause, quiet hours, the patient's own hour, or the day's limit.
        """
        clinic, patient = message.clinic, message.patient
        assert patient is not None
        if until := _pause_of(message, now):
            return Wait(until, PAUSED)
        hours = (patient.time_zone, clinic.quiet_from, clinic.quiet_until)
        if until := quiet.quiet_until(now, *hours):
            return Wait(until, "quiet hours")
        if until := self._own_hour_of(message, now):
            return Wait(until, "the patient's hour")
        sent_today = quiet.count_of_the_day(self._sent[patient.pk], now, patient.time_zone)
        if sent_today < clinic.messages_per_day:
            return None
        today = now.astimezone(ZoneInfo(patient.time_zone)).date()
        midnight = local_instant(today + timedelta(days=1), time(0), patient.time_zone)
        return Wait(quiet.quiet_until(midnight, *hours) or midnight, "messages of the day")

    def _own_hour_of(self, message: Message, now: datetime) -> datetime | None:
        """Return the hour before which the patient wants no message, while it is to come today.

        It never loses a questionnaire: an hour that is quiet by now, or after the first one closes,
        is void.
        """
        clinic, patient = message.clinic, message.patient
        assert patient is not None
        clock = patient.asked_from
        if clock is None or quiet.is_quiet_at(clock, clinic.quiet_from, clinic.quiet_until):
            return None
        assert message.link is not None
        until = quiet.own_hour_after(now, patient.time_zone, clock)
        closes_at = self._open[message.link.invitation_id]
        return None if until and until >= closes_at else until


def _pause_of(message: Message, now: datetime) -> datetime | None:
    """Return until when the patient has paused messages; None where they have not."""
    assert message.patient is not None
    return message.patient.paused_until if message.patient.is_paused(now) else None


def _page(message: Message) -> Page:
    return (message.alert_id, message.user_id, message.channel)
