"""The demo clinic itself: its staff, its clock, and the sweeps that a worker would do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db.models import Min, Q

from outcomes import workflows
from outcomes.alerts import services as alerts
from outcomes.alerts.models import ANSWERING, Alert, AlertOutcome, AlertState
from outcomes.audit.models import SYSTEM
from outcomes.care.models import Course, Patient
from outcomes.clinics import services as clinics
from outcomes.clinics.access import Role
from outcomes.clinics.models import Clinic, User
from outcomes.delivery.models import Invitation, Lane, Message
from outcomes.management.simulation.clock import Clock
from outcomes.management.simulation.roster import ZONE
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.models import UNDER_WAY, Assignment, AssignmentState

Moments = dict[str, datetime | None]

# Known to everybody: given to accounts of synthetic clinics, and never in production.
DEMO_PASSWORD = "harbour-demo-clinic"  # noqa: S105
STAFF = (
    ("clinician", "Dr Amara Demo", Role.CLINICIAN),
    ("clinician2", "Dr Jonas Demo", Role.CLINICIAN),
    ("team", "Nell Demo", Role.CARE_TEAM),
    ("admin", "Ada Demo", Role.CLINIC_ADMIN),
)
CRISIS_TEXT = (
    "This clinic is made up. If you are in danger or thinking of harming yourself, call your "
    "local emergency number now; in the United States call 911, or call or text 988."
)
# Mail queued after this much before the end is left for the real workers to send.
LEFT_FOR_THE_WORKERS = timedelta(minutes=5)
OUTCOMES = (
    (AlertOutcome.SPOKE_SAFE, "Phoned. Passive thoughts, no plan. Seen again at the session.", 5),
    (AlertOutcome.SPOKE_PLAN, "Phoned. Safety plan reviewed together; partner is at home.", 3),
    (AlertOutcome.KNOWN, "Known since enrolment; discussed at the last visit.", 2),
    (AlertOutcome.NOT_REACHED, "No answer on the phone. Left a neutral message.", 2),
    (AlertOutcome.ENTERED_IN_ERROR, "Phoned. Patient says they touched the wrong answer.", 1),
)


def open_clinic(slug: str, now: datetime) -> tuple[Clinic, dict[str, User]]:
    """Make the demo clinic and its staff, who share a password that everybody knows."""
    clinic = clinics.create_clinic(
        slug=slug,
        name="Harbour Demo Clinic",
        display_name="Harbour Clinic",
        crisis_text=CRISIS_TEXT,
        phone="+1 202 555 0100",
        time_zone=ZONE,
        is_synthetic=True,
        by=SYSTEM,
        now=now,
    )
    password = make_password(DEMO_PASSWORD)
    staff = {}
    for mailbox, name, role in STAFF:
        email = f"{mailbox}@{slug}.example"
        user = clinics.add_member(
            clinic=clinic, email=email, name=name, role=role, by=SYSTEM, now=now
        ).user
        user.password = password
        user.save(update_fields=["password"])
        staff[mailbox] = user
        if role in ANSWERING:
            # Nobody is there to press the button; a synthetic clinic's confirmations do not lapse.
            alerts.confirm(clinic=clinic, user=user, by=SYSTEM, now=now)
    return clinic, staff


@contextmanager
def mail_handed_to_nobody() -> Iterator[None]:
    """Let the outbox work as ever while its mail goes nowhere.

    A simulated year must not fill a mailbox. The messages are sent as far as the product can tell,
    by synthetic people's own account they arrive, and their texts are kept nowhere.
    """
    former = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    try:
        yield
    finally:
        settings.EMAIL_BACKEND = former


@dataclass
class Stage:
    """Everything the patients' stories share."""

    clinic: Clinic
    staff: dict[str, User]
    ends_at: datetime
    clock: Clock = field(default_factory=Clock)

    def deliver(self, lane: Lane, now: datetime) -> None:
        """Send what is due, except the last minutes' mail, which the real workers send."""
        if now < self.ends_at - LEFT_FOR_THE_WORKERS:
            workflows.send_due(lane=lane, clock=lambda: now)

    def sweep(self, patient: Patient, due: Moments, now: datetime) -> Invitation | None:
        """Do for one patient what the workers do every minute; return a new invitation."""
        if is_past(due["closes"], now):
            scheduling.expire_closed(now=now)
        for course in Course.objects.filter(episode__patient=patient, needs_plan=True):
            scheduling.replan(course=course, now=now)
        invitation = None
        if Assignment.objects.filter(patient=patient).planned().answerable_at(now).exists():
            invitation = workflows.invite_patient(patient=patient, now=now)
        if invitation is not None or is_past(due["sends"], now):
            self.deliver(Lane.BULK, now)
        return invitation

    def moments(self, patient: Patient) -> Moments:
        """Return when the workers will next open, close or send something for a patient."""
        assignments = Assignment.objects.filter(patient=patient).aggregate(
            opens=Min("opens_at", filter=Q(state=AssignmentState.PLANNED)),
            closes=Min("closes_at", filter=Q(state__in=UNDER_WAY)),
        )
        waiting = Message.objects.filter(patient=patient).unsent()
        return assignments | waiting.aggregate(sends=Min("not_before"))

    def watch(self, alert: Alert, clinician: User, rng: Random, now: datetime) -> None:
        """Page about an alert until, after a while, the clinician takes it."""
        self.leave_open(alert, now)
        wait = timedelta(minutes=min(rng.lognormvariate(2.2, 0.8), 100))
        self.clock.at(now + wait, lambda then: self._acknowledge(alert, clinician, rng, then))

    def leave_open(self, alert: Alert, now: datetime) -> None:
        """Page about an alert that nobody takes before the end."""
        self.deliver(Lane.ALERT, now)
        self._escalate_later(alert)

    def _escalate_later(self, alert: Alert) -> None:
        if alert.next_at is not None:
            self.clock.at(alert.next_at, lambda then: self._escalate(alert, then))

    def _escalate(self, alert: Alert, now: datetime) -> None:
        alert.refresh_from_db()
        if alert.state not in (AlertState.OPEN, AlertState.PROVISIONAL):
            return
        alerts.escalate(alert=alert, now=now)
        self.deliver(Lane.ALERT, now)
        alert.refresh_from_db()
        self._escalate_later(alert)

    def _acknowledge(self, alert: Alert, user: User, rng: Random, now: datetime) -> None:
        alert.refresh_from_db()
        if alert.state not in (AlertState.OPEN, AlertState.PROVISIONAL):
            return
        outcome, note, _ = rng.choices(OUTCOMES, [weight for _, _, weight in OUTCOMES])[0]
        alerts.acknowledge(alert=alert, user=user, outcome=outcome, note=note, now=now)
        if outcome == AlertOutcome.NOT_REACHED:
            self.clock.at(
                now + timedelta(hours=rng.uniform(1, 5)),
                lambda then: self._follow_up(alert, user, then),
            )

    def _follow_up(self, alert: Alert, user: User, now: datetime) -> None:
        outcome, note, _ = OUTCOMES[0]
        alerts.resolve(alert=alert, user=user, outcome=outcome, note=note, now=now)


def is_past(moment: datetime | None, now: datetime) -> bool:
    """Say whether there is such a moment and it has come."""
    return moment is not None and moment <= now
