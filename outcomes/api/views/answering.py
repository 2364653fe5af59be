"""What the patient's page calls: each tap is saved, and the whole is sent once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
from outcomes.clinics.access import Audience, Policy
from outcomes.delivery import sitting
from outcomes.delivery.models import Link
from outcomes.instruments.models import InstrumentVersion
from outcomes.responses.models import QuestionnaireResponse
from outcomes.responses.services import safety_of
from outcomes.scheduling.models import Assignment


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


@contextmanager
def asked_or_404() -> Iterator[None]:
    """Answer alike what the link does not ask and what does not exist."""
    try:
        yield
    except Assignment.DoesNotExist:
        raise Http404 from None


class AnswersView(AnsweringView):
    """The answers of an unfinished form."""

    @extend_schema(request=AutosaveSerializer, responses=SavedSerializer)
    def put(self, request: Request, assignment_id: UUID) -> Response:
        """Keep these answers; what was answered before and is not named stays."""
        asked = self.checked(AutosaveSerializer)
        now = timezone.now()
        response = _save(assignment_id, asked, self.link, now)
        reply = Response(
            {
                "revision": response.revision,
                "saved": list(asked["answers"]),
                "safety": bool(safety_of(response)),
            }
        )
        if renewed := sitting.renew_ticket(request.COOKIES[sitting.COOKIE], self.link, now):
            options = sitting.cookie_options(sitting.LASTS)
            reply.set_cookie(sitting.COOKIE, renewed, **options)
        return reply


@asked_or_404()
def _save(
    assignment_id: UUID, asked: dict[str, Any], link: Link, now: datetime
) -> QuestionnaireResponse:
    return workflows.save_answers(
        assignment_id=assignment_id,
        answers=asked["answers"],
        language=asked.get("language") or _language_of(assignment_id, link),
        mode=workflows.mode_of(link),
        by=sitting.actor_of(link.invitation),
        now=now,
        revision=asked["revision"],
        link=link,
    )


def _language_of(assignment_id: UUID, link: Link) -> str:
    """Return the language in which the patient's page words this questionnaire."""
    instruments = link.invitation.assignments.values_list("instrument", flat=True)
    versions = InstrumentVersion.objects.defer("content")
    version = versions.newest_of(instruments.get(pk=assignment_id), link.clinic_id)
    return sitting.words_for(version.definition, link.invitation.patient).language


class SubmitView(AnsweringView):
    """The end of a form."""

    @extend_schema(request=SubmitSerializer, responses=SubmittedSerializer)
    def post(self, request: Request, assignment_id: UUID) -> Response:
        """Store the finished form; the same sent again gets the same reply."""
        asked = self.checked(SubmitSerializer)
        submission = _submit(assignment_id, asked, self.link, timezone.now())
        return Response({"submitted": True, "submitted_at": submission.response.submitted_at})


@asked_or_404()
def _submit(
    assignment_id: UUID, asked: dict[str, Any], link: Link, now: datetime
) -> workflows.Submission:
    return workflows.submit_response(
        assignment_id=assignment_id,
        answers=asked["answers"],
        submission_id=str(asked["submission_id"]),
        language=asked["language"],
        mode=workflows.mode_of(link),
        by=sitting.actor_of(link.invitation),
        now=now,
        link=link,
    )
