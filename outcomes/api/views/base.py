"""What all views share: the policy, visibility, filters, and the audit of every reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from django.utils import timezone
from rest_framework import status
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.serializers import Serializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from outcomes.api.parsing import StrictJSONParser
from outcomes.api.permissions import Needs
from outcomes.api.schema import DocumentedSchema
from outcomes.api.serializers.fields import Filters
from outcomes.audit import services as audit
from outcomes.clinics.access import Audience, Policy
from outcomes.clinics.models import ApiToken

METHODS = ["get", "head", "post", "put", "patch"]
PAGING = ("cursor", "page_size")


class VisibleToToken(BaseFilterBackend):
    """Keep the rows of the token's clinic: what is foreign does not exist."""

    def filter_queryset(self, request: Request, queryset: Any, view: APIView) -> Any:
        """Return the rows that the token may see."""
        return queryset.visible_to(request.user)


class DeclaredFilters(BaseFilterBackend):
    """Narrow a list by the filters its view declares, and by no others."""

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        """Return the rows asked for; raises ValidationError for a filter that does not exist."""
        if view.action != "list":
            return queryset
        asked = {key: text for key, text in request.query_params.items() if key not in PAGING}
        filters = view.filters(data=asked)
        filters.is_valid(raise_exception=True)
        return queryset.filter(**filters.validated_data)


class TokenViewSet(GenericViewSet[Any]):
    """Records that a token reads, a page at a time or one by one."""

    access_policy = Policy(Audience.TOKEN)
    scopes: ClassVar[Mapping[str, Needs]] = {}
    filters: ClassVar[type[Filters]] = Filters
    filter_backends = [DeclaredFilters]
    parser_classes = [StrictJSONParser]
    http_method_names = METHODS
    lookup_value_converter = "uuid"
    schema = DocumentedSchema()
    now: datetime

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Take the time, once for the whole request."""
        self.now = timezone.now()
        super().initial(request, *args, **kwargs)

    @property
    def token(self) -> ApiToken:
        """Return the token that asks."""
        token: ApiToken = self.request.user  # type: ignore[assignment]
        return token

    def list(self, request: Request) -> Response:
        """Give a page of records, those stored last first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        assert page is not None
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def retrieve(self, request: Request, **key: Any) -> Response:
        """Give one record."""
        return Response(self.get_serializer(self.get_object()).data)

    def checked(self, serializer: type[Serializer[Any]]) -> Any:
        """Return the serializer of the request's body; raises ValidationError by field."""
        document = serializer(data=self.request.data, context={"request": self.request})
        document.is_valid(raise_exception=True)
        return document


class ClinicalViewSet(TokenViewSet):
    """Records of patients: the token's clinic only, and every reading is audited."""

    filter_backends = [VisibleToToken, DeclaredFilters]

    @audit.atomic()
    def list(self, request: Request) -> Response:
        """Give a page of records, those stored last first, and note who read them."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        assert page is not None
        response = self.get_paginated_response(self.get_serializer(page, many=True).data)
        self._note_reading(page)
        return response

    @audit.atomic()
    def retrieve(self, request: Request, **key: Any) -> Response:
        """Give one record, and note who read it."""
        row = self.get_object()
        response = Response(self.get_serializer(row).data)
        self._note_reading([row])
        return response

    def show(self, row: models.Model, code: int = status.HTTP_200_OK) -> Response:
        """Reply with a record that was just written, as a reader would see it."""
        row = self.filter_queryset(self.get_queryset()).get(pk=row.pk)
        response = Response(self.get_serializer(row).data, code)
        if code == status.HTTP_201_CREATED:
            name = f"api:{self.basename}-detail"
            response["Location"] = reverse(name, args=[row.pk], request=self.request)
        return response

    def patient_of(self, row: Any) -> UUID:
        """Return the key of the patient a row is about."""
        key: UUID = row.patient_id
        return key

    def _note_reading(self, rows: Sequence[models.Model]) -> None:
        patients = list(dict.fromkeys(self.patient_of(row) for row in rows))
        audit.record(
            clinic_id=self.token.clinic_id,
            by=self.token.actor,
            now=self.now,
            action="patient.viewed",
            object_type=self.get_queryset().model.__name__,
            object_id="" if self.action == "list" else rows[0].pk,
            patient_id=patients[0] if len(patients) == 1 else None,
            data={
                "page": f"api.{self.basename}.{self.action}",
                "patients": [str(key) for key in patients],
            },
        )
