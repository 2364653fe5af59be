"""Questionnaires and schedules: what a clinic may choose from. No patient is in them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from outcomes.instruments.models import InstrumentVersion
from outcomes.scheduling.models import Schedule

FREE_FORM: dict[str, Any] = {"type": "object", "additionalProperties": {}}


class InstrumentSerializer(serializers.ModelSerializer[InstrumentVersion]):
    """The current version of a questionnaire."""

    code = serializers.CharField(source="instrument.code", read_only=True)
    title = serializers.CharField(source="instrument.title", read_only=True)
    is_sendable = serializers.BooleanField(source="definition.is_sendable", read_only=True)
    languages = serializers.ListField(
        source="definition.languages", child=serializers.CharField(), read_only=True
    )

    class Meta:
        model = InstrumentVersion
        fields: tuple[str, ...] = (
            "code",
            "title",
            "version",
            "content_hash",
            "is_sendable",
            "languages",
        )


class InstrumentDetailSerializer(InstrumentSerializer):
    """A questionnaire with its items, options and published scoring."""

    content = serializers.SerializerMethodField()

    class Meta(InstrumentSerializer.Meta):
        fields = (*InstrumentSerializer.Meta.fields, "content")

    @extend_schema_field(FREE_FORM)
    def get_content(self, version: InstrumentVersion) -> dict[str, Any]:
        """Return the definition as it is stored."""
        return version.content


class ScheduleSerializer(serializers.ModelSerializer[Schedule]):
    """One version of a measurement plan, with its rules."""

    is_own = serializers.SerializerMethodField()
    spacing_days = serializers.DictField(child=serializers.IntegerField(), read_only=True)
    rules = serializers.SerializerMethodField()

    class Meta:
        model = Schedule
        fields = (
            "id",
            "code",
            "version",
            "name",
            "description",
            "is_own",
            "is_current",
            "spacing_days",
            "rules",
        )

    def get_is_own(self, schedule: Schedule) -> bool:
        """Say whether the clinic made it; else it ships with the product."""
        return schedule.clinic_id is not None

    @extend_schema_field({"type": "array", "items": FREE_FORM})
    def get_rules(self, schedule: Schedule) -> list[dict[str, Any]]:
        """Return the schedule's lines in order."""
        return [rule.content for rule in schedule.rules.all()]
