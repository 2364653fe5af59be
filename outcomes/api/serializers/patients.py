"""Patients, their episodes and courses, and the document that enrols one."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from outcomes.api.errors import Conflict
from outcomes.api.serializers.fields import Choice, Filters, Instant, Strict, Text
from outcomes.care import services as care
from outcomes.care.models import (
    Channel,
    Course,
    CourseKind,
    EpisodeOfCare,
    Indication,
    Patient,
)
from outcomes.clinics.access import Role
from outcomes.clinics.models import ApiToken, Membership, User, validate_time_zone
from outcomes.scheduling.models import Schedule

DETAILS = ("record_number", "given_name", "family_name", "birth_date", "language", "time_zone")


class CourseSerializer(serializers.ModelSerializer[Course]):
    """A planned run of sessions, and the schedule that measures it."""

    patient = serializers.UUIDField(source="episode.patient_id", read_only=True)
    schedule = serializers.CharField(source="schedule.code", allow_null=True, read_only=True)
    schedule_version = serializers.IntegerField(
        source="schedule.version", allow_null=True, read_only=True
    )

    class Meta:
        model = Course
        fields = (
            "id",
            "patient",
            "episode",
            "kind",
            "schedule",
            "schedule_version",
            "started_at",
            "ended_at",
        )


class CourseFilters(Filters):
    """What courses may be narrowed by."""

    patient = serializers.UUIDField(source="episode__patient_id", required=False)


class EpisodeSerializer(serializers.ModelSerializer[EpisodeOfCare]):
    """The clinic's responsibility for one problem, and who answers for it."""

    clinicians = serializers.SerializerMethodField()
    courses = CourseSerializer(many=True, read_only=True)

    class Meta:
        model = EpisodeOfCare
        fields = ("id", "indication", "started_on", "ended_on", "clinicians", "courses")

    @extend_schema_field(serializers.ListField(child=serializers.EmailField()))
    def get_clinicians(self, episode: EpisodeOfCare) -> list[str]:
        """Return the e-mail addresses of those who answer for it."""
        return sorted(user.email for user in episode.clinicians.all())


class PatientSerializer(serializers.ModelSerializer[Patient]):
    """A patient. Addresses and numbers are never given: only by which channels there are any."""

    contact_channels = serializers.SerializerMethodField()
    consents = serializers.SerializerMethodField()
    episodes = EpisodeSerializer(many=True, read_only=True)

    class Meta:
        model = Patient
        fields = (
            "id",
            *DETAILS,
            "is_synthetic",
            "created_at",
            "contact_channels",
            "consents",
            "episodes",
        )

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(Channel.choices)))
    def get_contact_channels(self, patient: Patient) -> list[str]:
        """Return the channels by which there is an address or number."""
        return sorted(contact.channel for contact in patient.contacts.all())

    @extend_schema_field(serializers.DictField(child=serializers.BooleanField()))
    def get_consents(self, patient: Patient) -> dict[str, bool]:
        """Return the newest decision by channel."""
        decisions = sorted(patient.consents.all(), key=lambda consent: (consent.at, consent.pk))
        return {consent.channel: consent.is_given for consent in decisions}


class ContactsSerializer(Strict):
    """How to reach the patient; written, never read back."""

    email = Text(required=False, max_length=254)
    sms = Text(required=False, max_length=40)

    def validate_email(self, value: str) -> str:
        """Return the address in lower case."""
        return care.normalise_contact(Channel.EMAIL, value)

    def validate_sms(self, value: str) -> str:
        """Return the number as E.164."""
        return care.normalise_contact(Channel.SMS, value)


class EnrolmentSerializer(Strict):
    """One document that enrols a patient."""

    record_number = Text(required=False, allow_blank=True, max_length=64)
    given_name = Text(max_length=100)
    family_name = Text(required=False, allow_blank=True, max_length=100)
    birth_date = serializers.DateField(required=False, allow_null=True)
    language = Choice(settings.LANGUAGES, required=False)
    time_zone = Text(
        required=False, max_length=64, help_text=_("An IANA name; the clinic's own if left out.")
    )
    contacts = ContactsSerializer(required=False)
    consents = serializers.ListField(
        child=Choice(Channel.choices),
        required=False,
        max_length=10,
        help_text=_("The channels the patient agreed to."),
    )
    indication = Choice(Indication.choices)
    clinicians = serializers.ListField(
        child=serializers.EmailField(),
        min_length=1,
        max_length=20,
        help_text=_("E-mail addresses of the members who answer for the patient."),
    )
    course_kind = Choice(CourseKind.choices)
    schedule = Text(
        allow_null=True, max_length=60, help_text=_("The code of a schedule; null asks nothing.")
    )
    planned_sessions = serializers.ListField(child=Instant(), required=False, max_length=100)

    @property
    def token(self) -> ApiToken:
        """Return the token that asks."""
        token: ApiToken = self.context["request"].user
        return token

    def validate_record_number(self, value: str) -> str:
        """Refuse a number that is taken, as a conflict: the patient may be enrolled already."""
        if value and Patient.objects.visible_to(self.token).filter(record_number=value).exists():
            raise Conflict(_("A patient with this record number exists already."), "duplicate")
        return value

    def validate_time_zone(self, value: str) -> str:
        """Refuse a name that is no time zone."""
        validate_time_zone(value)
        return value

    def validate_clinicians(self, emails: list[str]) -> list[User]:
        """Return the members with these addresses."""
        members = Membership.objects.visible_to(self.token).active().select_related("user")
        # Only these are told of alerts.
        members = members.filter(role__in=(Role.CLINICIAN, Role.CLINIC_ADMIN))
        found = {member.user.email: member.user for member in members}
        missing = {
            str(position): [_("No clinician of the clinic has this e-mail address.")]
            for position, email in enumerate(emails)
            if email.lower() not in found
        }
        if missing:
            raise serializers.ValidationError(missing)
        return [found[email.lower()] for email in emails]

    def validate_schedule(self, code: str | None) -> Schedule | None:
        """Return the current version of the clinic's own schedule, else of the shipped one."""
        if code is None:
            return None
        schedules = Schedule.objects.filter(code=code, is_current=True)
        schedule = (
            schedules.filter(clinic=self.token.clinic_id).first()
            or schedules.filter(clinic=None).first()
        )
        if schedule is None:
            raise serializers.ValidationError(_("There is no such schedule."))
        return schedule

    def as_enrolment(self) -> dict[str, Any]:
        """Return the checked document as `workflows.enrol_patient` takes it."""
        data = self.validated_data
        clinic = self.token.clinic
        details = {"time_zone": clinic.time_zone, "language": clinic.language}
        schedule = data["schedule"]
        return {
            "clinic": clinic,
            "details": details | {name: data[name] for name in DETAILS if name in data},
            "contacts": {Channel(key): value for key, value in data.get("contacts", {}).items()},
            "consents": [Channel(key) for key in dict.fromkeys(data.get("consents", []))],
            "indication": data["indication"],
            "clinicians": data["clinicians"],
            "course_kind": data["course_kind"],
            "schedule_id": schedule.pk if schedule else None,
            "sessions_planned_at": data.get("planned_sessions", []),
        }
