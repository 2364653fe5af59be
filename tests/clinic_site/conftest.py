"""One clinic's day: a session held, a questionnaire answered with a positive safety answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from outcomes import workflows
from outcomes.alerts import services as alerts
from outcomes.alerts.models import Alert, CallRequest, Cover
from outcomes.audit.models import Actor
from outcomes.care.models import Course, EpisodeOfCare, Patient, TreatmentSession
from outcomes.clinics import services as clinics
from outcomes.clinics.access import Scope
from outcomes.clinics.models import ApiToken, Clinic, Membership, User
from outcomes.delivery.models import Invitation, Message
from outcomes.responses.models import Mode, QuestionnaireResponse
from outcomes.scheduling.models import Assignment
from outcomes.workflows import Enrolment
from tests.conftest import NOW, signed_in

PATIENT = Actor(kind="patient", id="", label="Patient's link")


@pytest.fixture(autouse=True)
def _clock(now: datetime):
    """Stop the clock at the test's moment."""
    with time_machine.travel(now, tick=False):
        yield


@dataclass(frozen=True)
class World:
    """Every kind of row that a page of the clinic may show."""

    clinic: Clinic
    patient: Patient
    episode: EpisodeOfCare
    course: Course
    session: TreatmentSession
    planned: TreatmentSession
    response: QuestionnaireResponse
    asked: Assignment
    alert: Alert
    call: CallRequest
    message: Message
    token: ApiToken
    member: Membership
    cover: Cover

    def url(self, name: str) -> str:
        """Return the address of a page about this world's row."""
        keys = {
            "patient_id": self.patient,
            "episode_id": self.episode,
            "course_id": self.course,
            "session_id": self.session,
            "response_id": self.response,
            "assignment_id": self.asked,
            "alert_id": self.alert,
            "call_id": self.call,
            "message_id": self.message,
            "token_id": self.token,
            "member_id": self.member,
            "cover_id": self.cover,
        }
        key = KEY_OF.get(name)
        kwargs = {key: keys[key].pk} if key else {}
        return reverse(f"clinic_site:{name}", kwargs={"clinic_slug": self.clinic.slug, **kwargs})


KEY_OF = {
    "patient": "patient_id",
    "patient_responses": "patient_id",
    "patient_sessions": "patient_id",
    "patient_items": "patient_id",
    "patient_compare": "patient_id",
    "patient_summary": "patient_id",
    "patient_summary_pdf": "patient_id",
    "edit_patient": "patient_id",
    "contact": "patient_id",
    "hand_over": "patient_id",
    "forget_devices": "patient_id",
    "patient_deliveries": "patient_id",
    "ask_again": "patient_id",
    "episode_clinicians": "episode_id",
    "course_new": "episode_id",
    "treatment_change_new": "episode_id",
    "episode_close": "episode_id",
    "session_new": "course_id",
    "session": "session_id",
    "session_edit": "session_id",
    "session_move": "session_id",
    "session_cancel": "session_id",
    "response": "response_id",
    "paper": "assignment_id",
    "response_seen": "response_id",
    "response_loss": "response_id",
    "all_seen": "patient_id",
    "response_correct": "response_id",
    "alert": "alert_id",
    "call_settle": "call_id",
    "message": "message_id",
    "member": "member_id",
    "member_end": "member_id",
    "member_phone": "member_id",
    "recipient_test": "member_id",
    "cover_remove": "cover_id",
    "token_revoke": "token_id",
}


def make_world(enrolment: Enrolment, user: User, member: Membership) -> World:
    """Let PHQ-9 be asked and answered with item 9 at 1, and a session be recorded late."""
    course, clinic = enrolment.course, enrolment.patient.clinic
    workflows.invite_patient(patient=enrolment.patient, now=NOW)
    assignment = Assignment.objects.filter(patient=enrolment.patient, instrument__code="PHQ-9")
    answers = {str(number): 1 for number in range(1, 11)}
    made = workflows.submit_response(
        assignment_id=assignment.under_way().get().pk,
        answers=answers,
        submission_id=f"test-{clinic.slug}",
        language="en",
        mode=Mode.LINK,
        by=PATIENT,
        now=NOW,
    )
    session = workflows.record_session(
        course=course,
        record={
            "planned_at": NOW - timedelta(days=1),
            "started_at": NOW - timedelta(days=1),
            "status": "done",
            "route": "iv",
            "drug": "Ketamine",
            "dose_amount": Decimal("40"),
            "dose_unit": "mg",
            "weight_kg": Decimal("80"),
            "vitals": [{"minute": 0, "systolic": 120, "diastolic": 80}],
        },
        by=user.actor,
        now=NOW,
    )
    token, _secret = clinics.create_token(
        clinic=clinic,
        name="Booking",
        scopes=[Scope.PATIENTS_READ],
        expires_at=NOW + timedelta(days=30),
        user=user,
        now=NOW,
    )
    return World(
        clinic=clinic,
        patient=enrolment.patient,
        episode=enrolment.episode,
        course=course,
        session=session,
        planned=course.sessions.filter(status="planned").in_order()[0],
        response=made.response,
        asked=Assignment.objects.get(
            patient=enrolment.patient, instrument__code="GAD-7", state="open"
        ),
        alert=made.alerts[0],
        call=alerts.ask_to_be_called(
            invitation=Invitation.objects.get(patient=enrolment.patient), by=PATIENT, now=NOW
        ),
        message=Message.objects.filter(clinic=clinic, patient=enrolment.patient)[0],
        token=token,
        member=member,
        cover=Cover.objects.create(
            clinic=clinic, user=user, weekday=5, starts=time(10), ends=time(14)
        ),
    )


@pytest.fixture
def world(enrolment: Enrolment, clinician: User, admin: User, care_team: User) -> World:
    """The clinic of the test."""
    member = Membership.objects.get(user=clinician)
    return make_world(enrolment, clinician, member)


@pytest.fixture
def other_world(other_enrolment: Enrolment, stranger: User) -> World:
    """A clinic nobody of the test's clinic may look into."""
    return make_world(other_enrolment, stranger, Membership.objects.get(user=stranger))


@pytest.fixture
def as_clinician(clinician: User) -> Client:
    """A clinician's browser."""
    return signed_in(clinician)


@pytest.fixture
def as_admin(admin: User) -> Client:
    """A clinic admin's browser."""
    return signed_in(admin)


@pytest.fixture
def as_care_team(care_team: User) -> Client:
    """The browser of somebody who may only read."""
    return signed_in(care_team)
