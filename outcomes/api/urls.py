"""Addresses of this front door, under /api/."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path
from rest_framework.routers import SimpleRouter

from outcomes.api.views import webhooks
from outcomes.api.views.answering import AnswersView, SubmitView
from outcomes.api.views.library import InstrumentViewSet, ScheduleViewSet
from outcomes.api.views.patients import CourseViewSet, PatientViewSet
from outcomes.api.views.results import (
    AlertViewSet,
    AssignmentViewSet,
    ResponseViewSet,
    ScoreViewSet,
)
from outcomes.api.views.sessions import SessionViewSet
from outcomes.api.views.system import SchemaView, UnknownAddress

router = SimpleRouter(use_regex_path=False)
router.register("patients", PatientViewSet, "patients")
router.register("courses", CourseViewSet, "courses")
router.register("sessions", SessionViewSet, "sessions")
router.register("assignments", AssignmentViewSet, "assignments")
router.register("responses", ResponseViewSet, "responses")
router.register("scores", ScoreViewSet, "scores")
router.register("alerts", AlertViewSet, "alerts")
router.register("schedules", ScheduleViewSet, "schedules")
router.register("instruments", InstrumentViewSet, "instruments")

version_1 = [
    *router.urls,
    path("answering/<uuid:assignment_id>/answers/", AnswersView.as_view(), name="answers"),
    path("answering/<uuid:assignment_id>/submit/", SubmitView.as_view(), name="submit"),
    path("schema/", SchemaView.as_view(), name="schema"),
]

hooks = [
    path("mail/<slug:provider>/", webhooks.mail, name="mail_hook"),
    path("twilio/status/<uuid:message_id>/", webhooks.twilio_status, name="twilio_status"),
    path("twilio/incoming/", webhooks.twilio_incoming, name="twilio_incoming"),
    path("telnyx/status/<uuid:message_id>/", webhooks.telnyx_status, name="telnyx_status"),
    path("telnyx/incoming/", webhooks.telnyx_incoming, name="telnyx_incoming"),
]

app_name = "api"
urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include(version_1)),
    path("hooks/", include(hooks)),
    re_path(r"^[\s\S]*$", UnknownAddress.as_view(), name="unknown"),
]
