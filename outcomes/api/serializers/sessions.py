"""The session record, as it is read, recorded, edited, moved and cancelled."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from outcomes.api.serializers.fields import Choice, DateText, Filters, Instant, Number, Strict, Text
from outcomes.care.models import NOT_HELD, Course, SessionStatus, TreatmentSession
from outcomes.care.session_record import NUMBER_AT_MOST, SEVERITIES, SLOTS, WHOLE_NUMBERS

RECORD = (
    "number",
    "phase",
    "planned_at",
    "started_at",
    "ended_at",
    "status",
    "status_reason",
    "route",
    "drug",
    "formulation",
    "dose_amount",
    "dose_unit",
    "infusion_minutes",
    "lot",
    "weight_kg",
    "weight_on",
    "has_fasted",
    "has_escort",
    "concomitant",
    "vitals",
    "sedation",
    "sedation_minute",
    "dissociation",
    "dissociation_minute",
    "effects",
    "adverse_events",
    "setting",
    "prescriber",
    "monitor",
    "has_psychotherapy",
    "ready_at",
    "discharge_condition",
    "note",
)
SMALL = {"max_value": NUMBER_AT_MOST, "min_value": 0}
ROWS_AT_MOST = 200


class VitalSigns(Strict):
    """Vital signs at one minute of the session; minutes before its start are negative."""

    minute = Number()
    slot = Choice([(code, label) for code, label in SLOTS.items()], required=False)
    systolic = Number(required=False, allow_null=True)
    diastolic = Number(required=False, allow_null=True)
    heart_rate = Number(required=False, allow_null=True)
    spo2 = Number(required=False, allow_null=True)
    respiratory_rate = Number(required=False, allow_null=True)


class Medicine(Strict):
    """Another medicine, and when it was last taken."""

    medicine = Text(max_length=120)
    last_taken_on = DateText(required=False, allow_null=True)


class Effect(Strict):
    """An effect during the session."""

    effect = Text(max_length=120)
    severity = Choice([(name, name) for name in SEVERITIES])
    onset_minute = Number(required=False, allow_null=True)
    resolved_minute = Number(required=False, allow_null=True)


class AdverseEvent(Strict):
    """An adverse event, what was done and how it ended."""

    term = Text(max_length=120)
    is_serious = serializers.BooleanField()
    action = Text(required=False, allow_blank=True, max_length=500)
    outcome = Text(required=False, allow_blank=True, max_length=500)


def _rows(row: Strict) -> serializers.ListSerializer[Any]:
    return serializers.ListSerializer(child=row, required=False, max_length=ROWS_AT_MOST)


class SessionRecord(serializers.ModelSerializer[TreatmentSession]):
    """The columns that a person records."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: Text,
        models.DateTimeField: Instant,
        models.TextField: Text,
    }
    serializer_choice_field = Choice

    concomitant = _rows(Medicine())
    vitals = _rows(VitalSigns())
    effects = _rows(Effect())
    adverse_events = _rows(AdverseEvent())

    class Meta:
        model = TreatmentSession
        fields: tuple[str, ...] = RECORD
        # What contradicts another row is found by the workflow, under its lock.
        validators: list[Any] = []
        extra_kwargs: dict[str, dict[str, Any]] = {
            **dict.fromkeys(WHOLE_NUMBERS, SMALL),
            "number": {**SMALL, "min_value": 1, "required": False},
            "note": {"max_length": 10_000},
        }


class SessionSerializer(SessionRecord):
    """A session, with who entered and edited it."""

    patient = serializers.UUIDField(source="episode.patient_id", read_only=True)
    dose_per_kg = serializers.DecimalField(
        max_digits=12,
        decimal_places=2,
        allow_null=True,
        read_only=True,
        help_text=_("The recorded dose by the recorded weight: a fact, not a suggestion."),
    )
    updated_at = serializers.DateTimeField(read_only=True)

    class Meta(SessionRecord.Meta):
        fields = (
            "id",
            "patient",
            "episode",
            "course",
            *RECORD,
            "dose_per_kg",
            "entered_by",
            "entered_at",
            "edited_by",
            "edited_at",
            "edit_reason",
            "updated_at",
        )


class SessionFilters(Filters):
    """What sessions may be narrowed by."""

    patient = serializers.UUIDField(source="episode__patient_id", required=False)
    course = serializers.UUIDField(source="course_id", required=False)
    updated_since = Instant(
        source="updated_at__gte",
        required=False,
        help_text=_("Entered or edited at or after this moment."),
    )


class _Confirmable(Strict, SessionRecord):
    is_confirmed = serializers.BooleanField(
        default=False,
        write_only=True,
        help_text=_("True keeps values outside the usual ranges as they are."),
    )


class NewSessionSerializer(_Confirmable):
    """A session to record: planned, held or backdated."""

    course = serializers.UUIDField()

    class Meta(SessionRecord.Meta):
        fields = ("course", *RECORD, "is_confirmed")

    def validate_course(self, course_id: Any) -> Course:
        """Return the course; one of another clinic does not exist."""
        courses = Course.objects.visible_to(self.context["request"].user)
        course = courses.filter(pk=course_id).first()
        if course is None:
            raise serializers.ValidationError(_("There is no such course."))
        return course


class SessionEditSerializer(_Confirmable):
    """A change of a session's record, with the reason; what is left out stays as it is."""

    reason = Text(max_length=200, write_only=True)

    class Meta(SessionRecord.Meta):
        fields = ("reason", *RECORD, "is_confirmed")
        extra_kwargs = {
            **SessionRecord.Meta.extra_kwargs,
            "planned_at": {"required": False},
            "status": {"required": False},
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse an edit that changes nothing."""
        if not set(RECORD) & set(attrs):
            raise serializers.ValidationError(_("Name at least one field to change."))
        return attrs


class MoveSerializer(Strict):
    """Another time for a session, with the reason."""

    planned_at = Instant()
    reason = Text(max_length=200)
    is_confirmed = serializers.BooleanField(default=False)


class CancelSerializer(Strict):
    """Why a session does not take place, and whether the patient did not come."""

    reason = Text(max_length=200)
    status = Choice(
        [(state.value, state.label) for state in NOT_HELD], default=SessionStatus.CANCELLED
    )
