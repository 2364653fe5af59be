"""The work that is interrupted at every boundary, and what must hold after a fresh start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import cycle
from typing import ClassVar
from zoneinfo import ZoneInfo

from django.test import Client
from django.urls import reverse

from outcomes import workflows
from outcomes.alerts import services as alerts
from outcomes.alerts.models import Alert, AlertOutcome, AlertState
from outcomes.audit.models import Actor
from outcomes.care.models import Channel, Contact, Patient
from outcomes.clinics.models import Clinic, User
from outcomes.delivery import channels
from outcomes.delivery import services as delivery
from outcomes.delivery.channels.base import Guarantee
from outcomes.delivery.models import (
    Invitation,
    Lane,
    Message,
    MessageKind,
    MessageState,
    ProviderEvent,
    ProviderEventKind,
    Unreached,
)
from outcomes.responses.models import Mode, QuestionnaireResponse, ResponseStatus
from outcomes.scheduling.models import Assignment, AssignmentState
from tests.campaign.boundary import Boundaries, Clock, Mailbag
from tests.campaign.world import ITEM_9, Person

Tell = Callable[[str], None]
#: Minutes after an interruption at which a fresh dispatcher looks: past a lease, past each backoff.
LOOKS = (1, 2, 7)


@dataclass
class Scenario:
    """One piece of work on one patient, from `now` on."""

    person: Person
    now: datetime
    mailbag: Mailbag
    told: list[str] = field(default_factory=list)
    name: ClassVar[str] = ""
    lane: ClassVar[Lane] = Lane.ALERT
    looks: ClassVar[tuple[int, ...]] = LOOKS
    short_faces: ClassVar[tuple[Guarantee, ...]] = (Guarantee.KEYED,)

    def prepare(self) -> None:
        """Do what comes before the work."""

    def work(self, boundaries: Boundaries, tell: Tell) -> None:
        """Do the work, which may be interrupted anywhere."""
        raise NotImplementedError

    def finish(self) -> None:
        """Do what the patient's phone and a fresh dispatcher do afterwards."""
        for minutes in self.looks:
            self.look(self.now + timedelta(minutes=minutes))

    def look(self, at: datetime) -> None:
        """Let a fresh dispatcher go round once."""
        if self.lane == Lane.ALERT:
            workflows.escalate_due(now=at)
        else:
            workflows.invite_due(now=at)
        self.send(Clock(at), self.mailbag)

    def send(self, clock: Clock, mailbag: Mailbag) -> None:
        """Send what is due by this provider."""
        channels.providers()[Channel.EMAIL] = mailbag  # type: ignore[index]
        workflows.send_due(lane=self.lane, clock=clock)

    def send_interruptibly(self, boundaries: Boundaries, clock: Clock) -> None:
        """Send what is due; the provider's calls are boundaries too."""
        mailbag = Mailbag(self.mailbag.path, self.mailbag.guarantee, boundaries.cross)
        self.send(clock, mailbag)

    def tidy(self) -> None:
        """Leave nothing behind that the next run would meet."""
        for alert in Alert.objects.filter(patient=self.person.patient_id):
            if alert.state in (AlertState.OPEN, AlertState.PROVISIONAL):
                user = User.objects.get(memberships__clinic=alert.clinic_id)
                at = self.now + timedelta(hours=3, minutes=30)
                alerts.acknowledge(
                    alert=alert, user=user, outcome=AlertOutcome.SPOKE_SAFE, note="", now=at
                )
        Message.objects.unsent().delete()

    # -- What must hold ----------------------------------------------------------------------

    def problems(self) -> Iterator[str]:
        """Yield one sentence for everything that does not hold."""
        raise NotImplementedError

    def messages(self) -> list[Message]:
        """Return the messages that this work is about."""
        if self.lane == Lane.ALERT:
            return list(Message.objects.filter(alert__patient=self.person.patient_id))
        return list(Message.objects.filter(patient=self.person.patient_id))

    def effects(self, message: Message) -> int:
        """Count how often a message reached a person, whatever key it bore."""
        key, texts = str(message.pk), self.mailbag.read()
        mine = [text for found, _to, text in texts if found == key]
        address = self.person.email if message.patient_id else ""
        if address:
            return sum(to == address for _key, to, _text in texts)
        if message.alert_id:
            return sum(str(message.alert_id) in text for _key, _to, text in texts)
        return len(mine)

    def _sent_once(self, *, pages: int = 1) -> Iterator[str]:
        """Check that each message went out, and how often it may have."""
        for message in self.messages():
            if message.state != MessageState.SENT:
                yield f"a message is {message.state} ({message.state_reason})"
            count = self.effects(message)
            most = pages * (2 if self.mailbag.guarantee == Guarantee.PLAIN else 1)
            if count < pages:
                yield f"a message is lost: {count} effects, not {pages}"
            if count > most:
                yield f"a message came {count} times, at most {most} allowed"

    def alert(self) -> Alert | None:
        """Return the patient's one alert."""
        return Alert.objects.filter(patient=self.person.patient_id).first()

    def _one_alert(self) -> Iterator[str]:
        count = Alert.objects.filter(patient=self.person.patient_id).count()
        if count != 1:
            yield f"there are {count} alerts for one positive answer"


def _actor(person: Person) -> Actor:
    return Actor(kind="patient", id=str(person.patient_id), label="Patient")


class Submit(Scenario):
    """A positive answer is submitted, alerts, and a page is sent."""

    name = "submit"
    short_faces = (Guarantee.KEYED,)

    def submit(self, at: datetime) -> None:
        """Send the form, as the phone does and does again."""
        workflows.submit_response(
            assignment_id=self.person.assignment_id,
            answers=self.person.answers,
            submission_id=self.person.submission_id,
            language="en",
            mode=Mode.LINK,
            by=_actor(self.person),
            now=at,
        )

    def work(self, boundaries: Boundaries, tell: Tell) -> None:
        """Submit, tell the patient, send the page."""
        self.submit(self.now)
        tell("saved")
        self.send_interruptibly(boundaries, Clock(self.now + timedelta(seconds=1)))

    def finish(self) -> None:
        """A phone that was not told sends the form again; dispatchers go on."""
        final = QuestionnaireResponse.objects.filter(
            assignment=self.person.assignment_id, status=ResponseStatus.FINAL
        )
        stored = final.first()
        raised = Alert.objects.filter(patient=self.person.patient_id).count()
        # Before anybody tries again: the alert is born with the answer, or not at all.
        self.before_retry = (stored is not None, raised)
        if "saved" not in self.told:
            self.submit(self.now + timedelta(seconds=30))
        super().finish()

    def problems(self) -> Iterator[str]:
        """One answer, one alert, and each page once."""
        is_stored, raised = self.before_retry
        if "saved" in self.told and not is_stored:
            yield "an answer the phone was told is saved is missing"
        if raised != int(is_stored):
            yield f"{int(is_stored)} stored positive answers, {raised} alerts"
        yield from self._one_alert()
        if not self.messages():
            yield "an alert pages nobody"
        yield from self._sent_once()


class Idle(Submit):
    """A positive answer in an unfinished form alerts after ten idle minutes."""

    name = "idle"
    looks = (12, 13, 20)
    short_faces = (Guarantee.KEYED,)

    def submit(self, at: datetime) -> None:
        """Tap the answer."""
        workflows.save_answers(
            assignment_id=self.person.assignment_id,
            answers={ITEM_9: self.person.answers[ITEM_9]},
            language="en",
            mode=Mode.LINK,
            by=_actor(self.person),
            now=at,
        )

    def work(self, boundaries: Boundaries, tell: Tell) -> None:
        """Tap, wait, open the alert, send the page."""
        self.submit(self.now)
        tell("saved")
        later = self.now + timedelta(minutes=11)
        workflows.escalate_due(now=later)
        self.send_interruptibly(boundaries, Clock(later))

    def finish(self) -> None:
        """A phone that was not told taps again; dispatchers go on."""
        stored = QuestionnaireResponse.objects.filter(assignment=self.person.assignment_id).first()
        raised = Alert.objects.filter(patient=self.person.patient_id).count()
        self.before_retry = (stored is not None, raised)
        if "saved" not in self.told:
            self.submit(self.now + timedelta(seconds=30))
        Scenario.finish(self)


class Escalate(Submit):
    """An alert that nobody acknowledged pages again."""

    name = "escalate"
    short_faces = (Guarantee.KEYED,)
    PAGES = 3

    def prepare(self) -> None:
        """Have an alert whose first page was sent."""
        self.submit(self.now)
        self.send(Clock(self.now + timedelta(seconds=1)), self.mailbag)

    def work(self, boundaries: Boundaries, tell: Tell) -> None:
        """Escalate at the first tier, send the page."""
        later = self.now + timedelta(minutes=60, seconds=5)
        workflows.escalate_due(now=later)
        self.send_interruptibly(boundaries, Clock(later))

    def finish(self) -> None:
        """Go on past the second tier."""
        for minutes in (62, 69, 75, 121, 122, 129, 140):
            self.look(self.now + timedelta(minutes=minutes))

    def problems(self) -> Iterator[str]:
        """It still stands open, and has paged at every tier."""
        yield from self._one_alert()
        alert = self.alert()
        if alert is None or alert.state != AlertState.OPEN or alert.next_at is None:
            yield "an alert that nobody acknowledged has stopped escalating"
            return
        pages = {message.dedupe for message in self.messages()}
        if len(pages) != self.PAGES:
            yield f"{len(pages)} pages by the second tier, not {self.PAGES}"
        if any(message.state != MessageState.SENT for message in self.messages()):
            yield "a page was not sent"
        count = sum(str(alert.pk) in text for _key, _to, text in self.mailbag.read())
        most = self.PAGES + (self.mailbag.guarantee == Guarantee.PLAIN)
        if not self.PAGES <= count <= most:
            yield f"{count} pages reached somebody, not {self.PAGES}"


class Acknowledge(Submit):
    """A named person takes an alert: paging stops, wholly or not at all."""

    name = "acknowledge"
    short_faces = (Guarantee.KEYED,)

    def prepare(self) -> None:
        """Have an open alert whose first page was sent and opened."""
        self.submit(self.now)
        self.send(Clock(self.now + timedelta(seconds=1)), self.mailbag)
        workflows.escalate_due(now=self.now + timedelta(minutes=61))

    def work(self, boundaries: Boundaries, tell: Tell) -> None:
        """Acknowledge."""
        alert = self.alert()
        assert alert is not None
        user = User.objects.get(memberships__clinic=alert.clinic_id)
        at = self.now + timedelta(minutes=62)
        alerts.acknowledge(alert=alert, user=user, outcome=AlertOutcome.SPOKE_SAFE, note="", now=at)
        tell("saved")

    def finish(self) -> None:
        """Go on for three hours."""
        for minutes in (63, 70, 130, 190):
            self.look(self.now + timedelta(minutes=minutes))

    def problems(self) -> Iterator[str]:
        """Either it was acknowledged and is silent, or it was not and goes on paging."""
        alert = self.alert()
        assert alert is not None
        pages = sum(str(alert.pk) in text for _key, _to, text in self.mailbag.read())
        is_taken = alert.acknowledged_by_id is not None
        if "saved" in self.told and not is_taken:
            yield "an acknowledgement that was told is missing"
        if is_taken and pages != 1:
            yield f"{pages - 1} pages after the acknowledgement"
        if not is_taken and pages < 3:
            yield "an alert that nobody acknowledged has stopped paging"


class Invite(Scenario):
    """What is due is asked, in one invitation with one message."""

    name = "invite"
    lane = Lane.BULK
    short_faces = (Guarantee.PLAIN, Guarantee.SEARCHABLE)

    def prepare(self) -> None:
        """Have something that is planned and due, and nothing asked yet."""
        Invitation.objects.filter(patient=self.person.patient_id).delete()
        Assignment.objects.filter(pk=self.person.assignment_id).update(
            state=AssignmentState.PLANNED, asked_at=None
        )

    def work(self, boundaries: Boundaries, tell: Tell) -> None:
        """Invite and send."""
        workflows.invite_due(now=self.now)
        self.send_interruptibly(boundaries, Clock(self.now + timedelta(seconds=1)))

    def problems(self) -> Iterator[str]:
        """One invitation, one message, once."""
        count = Invitation.objects.filter(patient=self.person.patient_id).count()
        if count != 1:
            yield f"{count} invitations"
        if len(self.messages()) != 1:
            yield f"{len(self.messages())} messages"
        yield from self._sent_once()


class Remind(Scenario):
    """A reminder is sent, or skipped where it may have been sent."""

    name = "remind"
    lane = Lane.BULK
    short_faces = (Guarantee.PLAIN,)

    def prepare(self) -> None:
        """Have a reminder that is due."""
        Message.objects.create(
            clinic_id=Patient.objects.get(pk=self.person.patient_id).clinic_id,
            kind=MessageKind.REMINDER,
            lane=Lane.BULK,
            channel=Channel.EMAIL,
            dedupe=f"reminder:{self.person.link_id}",
            patient_id=self.person.patient_id,
            link_id=self.person.link_id,
            not_before=self.now,
            created_at=self.now,
        )

    def work(self, boundaries: Boundaries, tell: Tell) -> None:
        """Send it."""
        self.send_interruptibly(boundaries, Clock(self.now + timedelta(seconds=1)))

    def problems(self) -> Iterator[str]:
        """It came once; by a server that keeps no key perhaps not at all, never twice."""
        if self.mailbag.guarantee != Guarantee.PLAIN:
            yield from self._sent_once()
            return
        message = self.messages()[0]
        count = self.effects(message)
        if count > 1:
            yield f"a reminder came {count} times"
        if message.state == MessageState.SENT and count == 0:
            yield "a reminder is recorded as sent and came never"
        if message.state not in (MessageState.SENT, MessageState.CANCELLED):
            yield f"a reminder is {message.state}"


class Quiet(Remind):
    """At eleven at night nothing is sent, in whatever kind of zone; in the morning it is."""

    name = "quiet"
    short_faces = ()
    ZONES = ("America/New_York", "Asia/Kolkata", "Etc/GMT+5", "Europe/London", "UTC")
    _turns: ClassVar[Iterator[str]] = cycle(ZONES)

    def prepare(self) -> None:
        """Have a reminder that is due at night where the patient lives."""
        super().prepare()
        self.zone = next(self._turns)
        patient = Patient.objects.get(pk=self.person.patient_id)
        Patient.objects.filter(pk=patient.pk).update(time_zone=self.zone)
        hours = {"quiet_from": time(21), "quiet_until": time(8)}
        Clinic.objects.filter(pk=patient.clinic_id).update(**hours)
        night = self.now.astimezone(ZoneInfo(self.zone)).replace(hour=23, minute=0)
        self.night = night.astimezone(UTC)
        Assignment.objects.filter(pk=self.person.assignment_id).update(
            closes_at=self.night + timedelta(days=3)
        )

    def work(self, boundaries: Boundaries, tell: Tell) -> None:
        """Look at night."""
        self.send_interruptibly(boundaries, Clock(self.night))

    def finish(self) -> None:
        """Look again at night, and in the morning."""
        self.look(self.night + timedelta(minutes=2))
        self.at_night = len(self.mailbag.read())
        for minutes in (0, 1, 8):
            self.look(self.night + timedelta(hours=9, minutes=minutes))

    def problems(self) -> Iterator[str]:
        """Nothing at night, once in the morning."""
        if self.at_night:
            yield f"sent at night in {self.zone}"
        yield from self._sent_once()


class Bounce(Remind):
    """The provider reports that the address does not exist: nothing more goes there."""

    name = "bounce"
    short_faces = (Guarantee.KEYED,)

    def prepare(self) -> None:
        """Have a reminder that is due five minutes later."""
        super().prepare()
        later = self.now + timedelta(minutes=5)
        Message.objects.filter(patient=self.person.patient_id).update(not_before=later)

    def report(self) -> None:
        """Tell it, as the provider does until it is heard."""
        report = delivery.Report(
            provider=self.mailbag.name,
            event_key=f"bounce-{self.person.link_id}",
            kind=ProviderEventKind.BOUNCED,
            channel=Channel.EMAIL,
            happened_at=self.now,
            to=self.person.email,
        )
        workflows.take_report(report=report, now=self.now)

    def work(self, boundaries: Boundaries, tell: Tell) -> None:
        """Take the report."""
        self.report()
        tell("taken")

    def finish(self) -> None:
        """A provider that was not heard reports again; dispatchers go on."""
        if "taken" not in self.told:
            self.report()
        super().finish()

    def problems(self) -> Iterator[str]:
        """It is kept once, the contact is stopped, staff has one task, and nothing is sent."""
        kept = ProviderEvent.objects.filter(event_key=f"bounce-{self.person.link_id}").count()
        tasks = Unreached.objects.open().filter(patient=self.person.patient_id).count()
        if (kept, tasks) != (1, 1):
            yield f"the report is kept {kept} times, with {tasks} tasks for staff"
        if not Contact.objects.filter(
            patient=self.person.patient_id, suppressed_at__isnull=False
        ).exists():
            yield "the contact is not stopped"
        if self.mailbag.read():
            yield "a message went to an address that does not exist"


class Opened(Escalate):
    """A page was opened and the alert looked at: it goes on paging all the same."""

    name = "opened"
    short_faces = ()

    def prepare(self) -> None:
        """Have an alert that a member of staff has looked at."""
        super().prepare()
        alert = self.alert()
        assert alert is not None
        client = Client(SERVER_NAME="127.0.0.1")
        user = User.objects.get(memberships__clinic=alert.clinic_id)
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        page = client.get(reverse("clinic_site:alert", args=[alert.clinic.slug, alert.pk]))
        if page.status_code != 200:
            raise RuntimeError(f"The alert's page answered {page.status_code}.")


SCENARIOS: tuple[type[Scenario], ...] = (
    Submit,
    Idle,
    Escalate,
    Acknowledge,
    Opened,
    Invite,
    Remind,
    Bounce,
    Quiet,
)


def by_name() -> dict[str, type[Scenario]]:
    """Return the scenarios by name."""
    return {each.name: each for each in SCENARIOS}
