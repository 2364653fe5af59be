"""Treatment sessions: read, recorded, edited with a reason, moved, cancelled."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models.functions import Coalesce
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from outcomes import workflows
from outcomes.api.serializers.sessions import (
    CancelSerializer,
    MoveSerializer,
    NewSessionSerializer,
    SessionEditSerializer,
    SessionFilters,
    SessionSerializer,
)
from outcomes.api.views.base import ClinicalViewSet
from outcomes.audit import services as audit
from outcomes.care.models import TreatmentSession
from outcomes.clinics.access import Scope


class SessionViewSet(ClinicalViewSet):
    """Sessions of the clinic's courses, with the whole session record."""

    scopes = {
        # Whoever may change a record is shown it.
        "list": frozenset({Scope.SESSIONS_READ, Scope.SESSIONS_WRITE}),
        "retrieve": frozenset({Scope.SESSIONS_READ, Scope.SESSIONS_WRITE}),
        "create": Scope.SESSIONS_WRITE,
        "partial_update": Scope.SESSIONS_WRITE,
        "move": Scope.SESSIONS_WRITE,
        "cancel": Scope.SESSIONS_WRITE,
    }
    filters = SessionFilters
    queryset = TreatmentSession.objects.select_related("episode").annotate(
        updated_at=Coalesce("edited_at", "entered_at")
    )
    serializer_class = SessionSerializer

    @extend_schema(request=NewSessionSerializer, responses={201: SessionSerializer})
    @audit.atomic()
    def create(self, request: Request) -> Response:
        """Record a session, planned, held or backdated; the course is planned anew."""
        record = self.checked(NewSessionSerializer).validated_data
        session = workflows.record_session(
            course=record.pop("course"),
            is_confirmed=record.pop("is_confirmed"),
            record=record,
            by=self.token.actor,
            now=self.now,
        )
        return self.show(session, status.HTTP_201_CREATED)

    @extend_schema(request=SessionEditSerializer, responses=SessionSerializer)
    @audit.atomic()
    def partial_update(self, request: Request, **key: Any) -> Response:
        """Change a session's record, with the reason; the course is planned anew."""
        session = self.get_object()
        changes = self.checked(SessionEditSerializer).validated_data
        session = workflows.edit_session(
            session=session,
            reason=changes.pop("reason"),
            is_confirmed=changes.pop("is_confirmed"),
            changes=changes,
            by=self.token.actor,
            now=self.now,
        )
        return self.show(session)

    @extend_schema(request=MoveSerializer, responses=SessionSerializer)
    @action(detail=True, methods=["post"])
    @audit.atomic()
    def move(self, request: Request, **key: Any) -> Response:
        """Plan a session for another time; what hangs on it moves along."""
        session = self.get_object()
        asked = self.checked(MoveSerializer).validated_data
        session = workflows.move_session(
            session=session, **asked, by=self.token.actor, now=self.now
        )
        return self.show(session)

    @extend_schema(request=CancelSerializer, responses=SessionSerializer)
    @action(detail=True, methods=["post"])
    @audit.atomic()
    def cancel(self, request: Request, **key: Any) -> Response:
        """Record that a planned session does not take place; what hung on it is withdrawn."""
        session = self.get_object()
        asked = self.checked(CancelSerializer).validated_data
        session = workflows.cancel_session(
            session=session, **asked, by=self.token.actor, now=self.now
        )
        return self.show(session)

    def patient_of(self, row: Any) -> UUID:
        """Return the key of the session's patient."""
        key: UUID = row.episode.patient_id
        return key
