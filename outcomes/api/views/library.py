"""Questionnaires and schedules, for any token: no patient is in them."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import Q, QuerySet
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from outcomes.api.permissions import ANY_SCOPE
from outcomes.api.serializers.library import (
    InstrumentDetailSerializer,
    InstrumentSerializer,
    ScheduleSerializer,
)
from outcomes.api.views.base import DeclaredFilters, TokenViewSet
from outcomes.clinics.models import ApiToken
from outcomes.instruments.models import InstrumentVersion
from outcomes.scheduling.models import Schedule


class InstrumentViewSet(TokenViewSet):
    """The questionnaires that the clinic can use, each in its current version."""

    scopes = {"list": ANY_SCOPE, "retrieve": ANY_SCOPE}
    queryset = InstrumentVersion.objects.select_related("instrument")
    lookup_field = "instrument__code"
    lookup_url_kwarg = "code"
    lookup_value_converter = "str"

    def get_queryset(self) -> QuerySet[InstrumentVersion]:
        """Return the versions that the token's clinic uses."""
        return InstrumentVersion.objects.used_by(self.token.clinic_id).select_related("instrument")

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        """Return the short form for a list, the whole for one."""
        return InstrumentSerializer if self.action == "list" else InstrumentDetailSerializer


class ShippedOrOwn(BaseFilterBackend):
    """Keep what ships with the product and what the token's clinic made."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> QuerySet[Any]:
        """Return the schedules that the clinic may choose from, or once did."""
        token = cast(ApiToken, request.user)
        return queryset.filter(Q(clinic=None) | Q(clinic=token.clinic_id))


class ScheduleViewSet(TokenViewSet):
    """Measurement plans in all their versions: courses under way keep theirs."""

    scopes = {"list": ANY_SCOPE, "retrieve": ANY_SCOPE}
    filter_backends = [ShippedOrOwn, DeclaredFilters]
    queryset = Schedule.objects.prefetch_related("rules")
    serializer_class = ScheduleSerializer
