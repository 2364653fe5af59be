"""Patients and their courses; enrolling."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Prefetch
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from outcomes import workflows
from outcomes.api.serializers.patients import (
    CourseFilters,
    CourseSerializer,
    EnrolmentSerializer,
    PatientSerializer,
)
from outcomes.api.views.base import ClinicalViewSet
from outcomes.audit import services as audit
from outcomes.care.models import Contact, Course, EpisodeOfCare, Patient
from outcomes.clinics.access import Scope

COURSES = Course.objects.select_related("schedule").order_by("started_at", "pk")
EPISODES = EpisodeOfCare.objects.order_by("started_on", "pk").prefetch_related(
    "clinicians", Prefetch("courses", COURSES)
)


class PatientViewSet(ClinicalViewSet):
    """Patients of the clinic, each with channels, consents, episodes and courses."""

    scopes = {
        "list": Scope.PATIENTS_READ,
        "retrieve": Scope.PATIENTS_READ,
        "create": Scope.PATIENTS_WRITE,
    }
    # The sealed contact values stay in the database: the API never gives them.
    queryset = (
        Patient.objects.prefetch_related("consents")
        .prefetch_related(Prefetch("contacts", Contact.objects.only("patient_id", "channel")))
        .prefetch_related(Prefetch("episodes", EPISODES))
    )
    serializer_class = PatientSerializer

    @extend_schema(request=EnrolmentSerializer, responses={201: PatientSerializer})
    @audit.atomic()
    def create(self, request: Request) -> Response:
        """Enrol a patient: person, contacts, consents, episode, course and planned sessions."""
        document = self.checked(EnrolmentSerializer)
        enrolment = workflows.enrol_patient(
            **document.as_enrolment(), by=self.token.actor, now=self.now
        )
        return self.show(enrolment.patient, status.HTTP_201_CREATED)

    def patient_of(self, row: Any) -> UUID:
        """Return the key of the patient."""
        key: UUID = row.pk
        return key


class CourseViewSet(ClinicalViewSet):
    """Courses of the clinic's patients, and the schedule that measures each."""

    scopes = {"list": Scope.PATIENTS_READ, "retrieve": Scope.PATIENTS_READ}
    filters = CourseFilters
    queryset = Course.objects.select_related("episode", "schedule")
    serializer_class = CourseSerializer

    def patient_of(self, row: Any) -> UUID:
        """Return the key of the course's patient."""
        key: UUID = row.episode.patient_id
        return key
