"""Assignments, responses, scores and alerts: read only."""

from __future__ import annotations

from outcomes.alerts.models import Alert
from outcomes.api.serializers.results import (
    AlertFilters,
    AlertSerializer,
    AssignmentFilters,
    AssignmentSerializer,
    ResponseFilters,
    ResponseSerializer,
    ScoreFilters,
    ScoreSerializer,
)
from outcomes.api.views.base import ClinicalViewSet
from outcomes.clinics.access import Scope
from outcomes.responses.models import QuestionnaireResponse, Score
from outcomes.scheduling.models import Assignment


class AssignmentViewSet(ClinicalViewSet):
    """What patients are, were or will be asked, and when."""

    scopes = {"list": Scope.ASSIGNMENTS_READ, "retrieve": Scope.ASSIGNMENTS_READ}
    filters = AssignmentFilters
    queryset = Assignment.objects.select_related("instrument")
    serializer_class = AssignmentSerializer


class ResponseViewSet(ClinicalViewSet):
    """Each filling-in with its answers; a corrected one stays readable."""

    scopes = {"list": Scope.SCORES_READ, "retrieve": Scope.SCORES_READ}
    filters = ResponseFilters
    queryset = QuestionnaireResponse.objects.select_related("instrument_version__instrument")
    serializer_class = ResponseSerializer


class ScoreViewSet(ClinicalViewSet):
    """Scores that count: those of responses that no correction has replaced."""

    scopes = {"list": Scope.SCORES_READ, "retrieve": Scope.SCORES_READ}
    filters = ScoreFilters
    queryset = Score.objects.current()
    serializer_class = ScoreSerializer


class AlertViewSet(ClinicalViewSet):
    """Answers that need a person. A machine reads them; only a person acknowledges."""

    scopes = {"list": Scope.ALERTS_READ, "retrieve": Scope.ALERTS_READ}
    filters = AlertFilters
    queryset = Alert.objects.select_related("rule__instrument", "acknowledged_by")
    serializer_class = AlertSerializer
