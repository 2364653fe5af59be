"""The list of rooms: every model of the house, so that Django finds it."""

from outcomes.alerts.models import Alert, AlertEvent, AlertRule, CallRequest, Cover, Recipient
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
from outcomes.delivery.models import (
    CodeTries,
    DispatcherLoop,
    DispatchMark,
    HandOver,
    Invitation,
    Link,
    Message,
    OwnPage,
    ProviderEvent,
    ProviderGate,
    RememberedDevice,
    Unreached,
)
from outcomes.instruments.models import Instrument, InstrumentVersion
from outcomes.responses.models import QuestionnaireResponse, Remark, Score
from outcomes.review.models import SavedView, Standing, StandingMark
from outcomes.scheduling.models import Assignment, Schedule, ScheduleDraft, ScheduleRule

__all__ = [
    "Alert",
    "AlertEvent",
    "AlertRule",
    "ApiToken",
    "Assignment",
    "AuditChain",
    "AuditEvent",
    "CallRequest",
    "Clinic",
    "CodeTries",
    "Consent",
    "Contact",
    "Course",
    "Cover",
    "DispatchMark",
    "DispatcherLoop",
    "EpisodeOfCare",
    "HandOver",
    "Instrument",
    "InstrumentVersion",
    "Invitation",
    "Link",
    "Membership",
    "Message",
    "OwnPage",
    "Patient",
    "ProviderEvent",
    "ProviderGate",
    "QuestionnaireResponse",
    "Recipient",
    "Remark",
    "RememberedDevice",
    "SavedView",
    "Schedule",
    "ScheduleDraft",
    "ScheduleRule",
    "Score",
    "Standing",
    "StandingMark",
    "TreatmentChange",
    "TreatmentSession",
    "Unreached",
    "User",
]
