"""The list of rooms: every model of the house, so that Django finds it."""

from outcomes.alerts.models import Alert, AlertEvent, AlertRule
from outcomes.audit.models import AuditChain, AuditEvent
from outcomes.care.models import (
    Consent,
    Contact,
    Course,
    EpisodeOfCare,
    Patient,
    TreatmentChange,
    TreatmentSession,
)
from outcomes.clinics.models import ApiToken, Clinic, Membership, User
from outcomes.delivery.models import Invitation, Link, Message
from outcomes.instruments.models import Instrument, InstrumentVersion
from outcomes.responses.models import QuestionnaireResponse, Score
from outcomes.scheduling.models import Assignment, Schedule, ScheduleRule

__all__ = [
    "Alert",
    "AlertEvent",
    "AlertRule",
    "ApiToken",
    "Assignment",
    "AuditChain",
    "AuditEvent",
    "Clinic",
    "Consent",
    "Contact",
    "Course",
    "EpisodeOfCare",
    "Instrument",
    "InstrumentVersion",
    "Invitation",
    "Link",
    "Membership",
    "Message",
    "Patient",
    "QuestionnaireResponse",
    "Schedule",
    "ScheduleRule",
    "Score",
    "TreatmentChange",
    "TreatmentSession",
    "User",
]
