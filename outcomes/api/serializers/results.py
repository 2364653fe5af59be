"""What was asked, what was answered, what it scores, and what needs a person: all read only."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from outcomes.alerts.models import Alert, AlertState
from outcomes.api.serializers.fields import Choice, Filters, Instant
from outcomes.responses.models import QuestionnaireResponse, ResponseStatus, Score
from outcomes.scheduling.models import Assignment, AssignmentState

ANSWERS_SCHEMA = {
    "type": "object",
    "additionalProperties": {"type": "integer", "nullable": True},
    "description": "Answers by item number; null where none was given.",
}


class AssignmentSerializer(serializers.ModelSerializer[Assignment]):
    """One questionnaire for one patient, with its window."""

    instrument = serializers.CharField(source="instrument.code", read_only=True)

    class Meta:
        model = Assignment
        fields = (
            "id",
            "patient",
            "episode",
            "course",
            "instrument",
            "rule_code",
            "occurrence",
            "anchor_session",
            "state",
            "opens_at",
            "due_at",
            "closes_at",
            "asked_at",
            "completed_at",
        )


class AssignmentFilters(Filters):
    """What assignments may be narrowed by."""

    patient = serializers.UUIDField(source="patient_id", required=False)
    state = Choice(AssignmentState.choices, required=False)
    due_from = Instant(source="due_at__gte", required=False)
    due_until = Instant(source="due_at__lte", required=False)


class ResponseSerializer(serializers.ModelSerializer[QuestionnaireResponse]):
    """One filling-in with its answers."""

    instrument = serializers.CharField(source="instrument_version.instrument.code", read_only=True)
    instrument_version = serializers.CharField(source="instrument_version.version", read_only=True)
    answers = serializers.SerializerMethodField()

    class Meta:
        model = QuestionnaireResponse
        fields = (
            "id",
            "patient",
            "episode",
            "assignment",
            "instrument",
            "instrument_version",
            "content_hash",
            "status",
            "mode",
            "language",
            "answers",
            "started_at",
            "submitted_at",
            "stored_at",
            "corrects",
            "correction_reason",
        )

    @extend_schema_field(ANSWERS_SCHEMA)
    def get_answers(self, response: QuestionnaireResponse) -> dict[str, int | None]:
        """Return the answers as they are stored."""
        return response.answers


class ResponseFilters(Filters):
    """What responses may be narrowed by."""

    patient = serializers.UUIDField(source="patient_id", required=False)
    status = Choice(ResponseStatus.choices, required=False)


class ScoreSerializer(serializers.ModelSerializer[Score]):
    """One scale of one response: its value, or why there is none."""

    class Meta:
        model = Score
        fields = (
            "id",
            "patient",
            "episode",
            "response",
            "instrument_code",
            "scale",
            "value",
            "band",
            "is_prorated",
            "missing_reason",
            "scoring_version",
            "at",
        )


class ScoreFilters(Filters):
    """What scores may be narrowed by."""

    patient = serializers.UUIDField(source="patient_id", required=False)
    instrument = serializers.CharField(source="instrument_code", max_length=40, required=False)
    since = Instant(
        source="at__gte", required=False, help_text=_("Answered at or after this moment.")
    )


class AlertSerializer(serializers.ModelSerializer[Alert]):
    """An answer that needs a person, and what that person did."""

    instrument = serializers.CharField(source="rule.instrument.code", default=None, read_only=True)
    item = serializers.CharField(
        source="rule.link_id", default=None, read_only=True, help_text=_("Empty for a scale.")
    )
    scale = serializers.CharField(
        source="rule.scale", default=None, read_only=True, help_text=_("Empty for an item.")
    )
    acknowledged_by = serializers.EmailField(
        source="acknowledged_by.email", default=None, read_only=True
    )

    class Meta:
        model = Alert
        fields = (
            "id",
            "patient",
            "episode",
            "response",
            "reason",
            "instrument",
            "item",
            "scale",
            "value",
            "state",
            "tier",
            "raised_at",
            "opened_at",
            "next_at",
            "acknowledged_by",
            "acknowledged_at",
            "outcome",
            "resolved_at",
        )


class AlertFilters(Filters):
    """What alerts may be narrowed by."""

    patient = serializers.UUIDField(source="patient_id", required=False)
    state = Choice(AlertState.choices, required=False)
