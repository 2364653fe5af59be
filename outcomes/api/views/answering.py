"""What the patient's page calls: each tap is saved, and the whole is sent once."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from outcomes import workflows
from outcomes.api.authentication import SittingAuthentication
from outcomes.api.parsing import StrictJSONParser
from outcomes.api.schema import DocumentedSchema
from outcomes.api.serializers.answering import (
    AutosaveSerializer,
    SavedSerializer,
    SubmitSerializer,
    SubmittedSerializer,
)
from outcomes.api.views.base import METHODS
from outcomes.audit.models import Actor
from outcomes.clinics.access import Audience, Policy
from outcomes.delivery import services as delivery
from outcomes.delivery import sitting
from outcomes.delivery.models import Link
from outcomes.instruments.models import InstrumentVersion
from outcomes.responses.models import Mode, QuestionnaireResponse
from outcomes.responses.services import StaleRevision, safety_of
from outcomes.scheduling.models import Assignment, AssignmentState


class AnsweringView(APIView):
    """A patient past the first page of a link, answering one of its questionnaires."""

    access_policy = Policy(Audience.PATIENT_LINK)
    authentication_classes = [SittingAuthentication]
    parser_classes = [StrictJSONParser]
    # A cache that is down must not cost an answer; whoever gets here holds a signed ticket.
    throttle_classes = []
    http_method_names = METHODS
    schema = DocumentedSchema()

    @property
    def link(self) -> Link:
        """Return the link whose ticket the browser holds."""
        return cast(Link, self.request.auth)

    def checked(self, serializer: Any) -> dict[str, Any]:
        """Return the checked body; raises ValidationError by field."""
        document = serializer(data=self.request.data)
        document.is_valid(raise_exception=True)
        checked: dict[str, Any] = document.validated_data
        return checked


class AnswersView(AnsweringView):
    """The answers of an unfinished form."""

    @extend_schema(request=AutosaveSerializer, responses=SavedSerializer)
    def put(self, request: Request, assignment_id: UUID) -> Response:
        """Keep these answers; what was answered before and is not named stays."""
        now = timezone.now()
        assignment = find_assignment(self.link, assignment_id, now)
        asked = self.checked(AutosaveSerializer)
        response = _save(assignment, asked, self.link, now)
        return Response(
            {
                "revision": response.revision,
                "saved": list(asked["answers"]),
                "safety": bool(safety_of(response)),
            }
        )


def _save(
    assignment: Assignment, asked: dict[str, Any], link: Link, now: datetime
) -> QuestionnaireResponse:
    try:
        return workflows.save_answers(
            assignment_id=assignment.pk,
            answers=asked["answers"],
            language=asked.get("language") or _language_of(assignment, link),
            mode=Mode.LINK,
            by=_patient(link),
            now=now,
            revision=asked["revision"],
        )
    except StaleRevision as newer:
        # The same answers sent again, because the reply was lost, are no conflict.
        if asked["answers"].items() <= newer.response.answers.items():
            return newer.response
        raise


def _patient(link: Link) -> Actor:
    return Actor(kind="patient", id=str(link.invitation.patient_id), label="Patient")


def _language_of(assignment: Assignment, link: Link) -> str:
    """Return the language in which the patient's page words this questionnaire."""
    versions = InstrumentVersion.objects.defer("content")
    version = versions.newest_of(assignment.instrument_id, link.clinic_id)
    return sitting.wording_for(version.definition, link.invitation.patient.language).language


class SubmitView(AnsweringView):
    """The end of a form."""

    @extend_schema(request=SubmitSerializer, responses=SubmittedSerializer)
    def post(self, request: Request, assignment_id: UUID) -> Response:
        """Store the finished form; the same sent again gets the same reply."""
        now = timezone.now()
        assignment = find_assignment(self.link, assignment_id, now)
        asked = self.checked(SubmitSerializer)
        submission = workflows.submit_response(
            assignment_id=assignment.pk,
            answers=asked["answers"],
            submission_id=str(asked["submission_id"]),
            language=asked["language"],
            mode=Mode.LINK,
            by=_patient(self.link),
            now=now,
        )
        return Response({"submitted": True, "submitted_at": submission.response.submitted_at})


def find_assignment(link: Link, assignment_id: UUID, now: datetime) -> Assignment:
    """Return what the link asks at this moment, or what was answered through it; raises Http404.

    An answered one stays known, so that a reply that was lost can be asked for again.
    """
    invitation = link.invitation
    # Whoever writes locks the whole row; here it only has to be this link's.
    own = invitation.assignments.filter(pk=assignment_id).only("pk", "instrument")
    assignment = None
    if delivery.is_live(link, now):
        assignment = own.answerable_at(now).first()
    if assignment is None and link.revoked_at is None and invitation.revoked_at is None:
        assignment = own.filter(state=AssignmentState.COMPLETED).first()
    if assignment is None:
        raise Http404
    return assignment
