"""The patient and the treatment."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from outcomes.care.encryption import blind_index, seal, unseal
from outcomes.clinics.models import ClinicRow, ClinicRowQuerySet, User, validate_time_zone

# What turns the direction of the text after it, and could make a name read as another.
TURNING = re.compile("[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]")


def validate_one_line(value: str) -> None:
    """Refuse line breaks, control characters and marks that turn the direction of text."""
    if TURNING.search(value):
        raise ValidationError(_("Must be one line without control characters."))


class Channel(models.TextChoices):
    """A way to reach a person."""

    EMAIL = "email", _("E-mail")
    SMS = "sms", _("Text message")


class Indication(models.TextChoices):
    """The problem an episode treats; schedules may depend on it."""

    TRD = "trd", _("Treatment-resistant depression")
    DEPRESSION = "depression", _("Depression")
    BIPOLAR = "bipolar", _("Bipolar depression")
    ANXIETY = "anxiety", _("Anxiety disorder")
    PTSD = "ptsd", _("Post-traumatic stress disorder")
    SUICIDALITY = "suicidality", _("Suicidal thinking")
    ALCOHOL = "alcohol", _("Alcohol or other addiction")
    EATING = "eating", _("Eating disorder")
    PAIN = "pain", _("Chronic pain")
    OTHER = "other", _("Other")


class PatientQuerySet(ClinicRowQuerySet["Patient"]):
    """Patients, narrowed to those who want no messages for a while."""

    def paused_at(self, now: datetime) -> Self:
        """Keep patients who have paused what is sent to them."""
        return self.filter(paused_until__gt=now)


class Patient(ClinicRow):
    """A person treated by a clinic."""

    record_number = models.CharField(
        _("record number"),
        max_length=64,
        blank=True,
        help_text=_("The clinic's own number."),
        validators=[validate_one_line],
    )
    given_name = models.CharField(_("given name"), max_length=100, validators=[validate_one_line])
    family_name = models.CharField(
        _("family name"), max_length=100, blank=True, validators=[validate_one_line]
    )
    birth_date = models.DateField(_("date of birth"), null=True, blank=True)
    language = models.CharField(
        _("language"), max_length=10, choices=settings.LANGUAGES, default="en"
    )
    time_zone = models.CharField(
        _("time zone"), max_length=64, default="UTC", validators=[validate_time_zone]
    )
    preferred_channel = models.CharField(
        _("preferred channel"),
        max_length=10,
        choices=Channel.choices,
        blank=True,
        help_text=_("Where it cannot be used, the other one is."),
    )
    # What patients decide on their own page.
    asked_from = models.TimeField(
        _("not asked before"),
        null=True,
        blank=True,
        help_text=_("On the patient's clock. The clinic's quiet hours hold besides."),
    )
    paused_until = models.DateTimeField(_("paused until"), null=True, blank=True)
    # All questions on one page, as the patient chose; otherwise one after another.
    wants_one_page = models.BooleanField(default=False, editable=False)
    # Chosen by the patient for questionnaires that have no words in theirs; English when empty.
    words_language = models.CharField(max_length=10, blank=True, editable=False)
    is_synthetic = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField()

    objects = PatientQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["clinic", "record_number"],
                condition=~Q(record_number=""),
                name="patient_record_number_once",
                violation_error_message=_("A patient with this record number exists already."),
            ),
        ]
        indexes = [
            models.Index(fields=["clinic", "family_name", "given_name"]),
            models.Index(
                fields=["paused_until"],
                condition=Q(paused_until__isnull=False),
                name="patient_paused",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def is_paused(self, now: datetime) -> bool:
        """Say whether the patient wants no messages at this moment."""
        return self.paused_until is not None and self.paused_until > now

    @property
    def name(self) -> str:
        """Return the patient's name as it is written on pages."""
        return f"{self.given_name} {self.family_name}".strip()


class Suppression(models.TextChoices):
    """Why nothing is sent to a contact any more, though it is still on record."""

    HARD_BOUNCE = "hard_bounce", _("The address or number does not exist")
    OPTED_OUT = "opted_out", _("The patient replied STOP or unsubscribed")
    COMPLAINT = "complaint", _("The patient marked a message as spam")


class ContactQuerySet(ClinicRowQuerySet["Contact"]):
    """Contacts, found by value without opening them."""

    def with_value(self, channel: Channel, value: str) -> Self:
        """Keep contacts with exactly this normalised value."""
        return self.filter(channel=channel, value_index=blind_index(value))

    def usable(self) -> Self:
        """Keep contacts that nothing has stopped."""
        return self.filter(suppressed_at=None)


class Contact(ClinicRow):
    """One way to reach a patient, sealed at rest."""

    patient = models.ForeignKey(Patient, models.CASCADE, related_name="contacts")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    value_sealed = models.TextField()
    value_index = models.CharField(max_length=64, db_index=True)
    set_at = models.DateTimeField()
    suppressed_at = models.DateTimeField(null=True, blank=True)
    suppressed_reason = models.CharField(max_length=12, choices=Suppression.choices, blank=True)

    objects = ContactQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["patient", "channel"], name="contact_once_per_channel"),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} of a patient"

    @property
    def value(self) -> str:
        """Return the address or number in clear."""
        return unseal(self.value_sealed)

    @value.setter
    def value(self, text: str) -> None:
        self.value_sealed = seal(text)
        self.value_index = blind_index(text)


class ConsentQuerySet(ClinicRowQuerySet["Consent"]):
    """Consents, newest first."""

    def latest_for(self, patient: Patient, channel: str) -> Consent | None:
        """Return the newest decision of this patient about this channel."""
        return self.filter(patient=patient, channel=channel).order_by("-at", "-id").first()

    def given_now_by(self, patients: Collection[Patient]) -> set[tuple[UUID, str]]:
        """Return (patient, channel) wherever the newest decision of these patients is a yes."""
        decisions = self.filter(patient__in=patients).order_by("at", "id")
        newest = {
            (patient_id, channel): is_given
            for patient_id, channel, is_given in decisions.values_list(
                "patient_id", "channel", "is_given"
            )
        }
        return {decided for decided, is_given in newest.items() if is_given}


class Consent(ClinicRow):
    """A patient's decision about one channel: given or withdrawn, when, to which wording."""

    patient = models.ForeignKey(Patient, models.CASCADE, related_name="consents")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    is_given = models.BooleanField()
    wording_version = models.CharField(max_length=40)
    at = models.DateTimeField()

    objects = ConsentQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["patient", "channel", "-at"])]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} {'given' if self.is_given else 'withdrawn'}"


class EpisodeQuerySet(ClinicRowQuerySet["EpisodeOfCare"]):
    """Episodes, narrowed to open ones or to a clinician's own."""

    def open(self) -> Self:
        """Keep episodes that have not ended."""
        return self.filter(ended_on=None)

    def of_clinician(self, user: User) -> Self:
        """Keep episodes this user is responsible for."""
        return self.filter(clinicians=user)


class EpisodeOfCare(ClinicRow):
    """The clinic's responsibility for one patient's problem."""

    patient = models.ForeignKey(Patient, models.CASCADE, related_name="episodes")
    indication = models.CharField(_("indication"), max_length=20, choices=Indication.choices)
    clinicians = models.ManyToManyField(User, related_name="+", verbose_name=_("responsible"))
    started_on = models.DateField(_("started on"))
    ended_on = models.DateField(_("ended on"), null=True, blank=True)

    objects = EpisodeQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.get_indication_display()} since {self.started_on}"


class CourseKind(models.TextChoices):
    """What a course is for."""

    INDUCTION = "induction", _("Induction")
    MAINTENANCE = "maintenance", _("Maintenance")
    OTHER = "other", _("Other")


class Course(ClinicRow):
    """A planned run of sessions in an episode, measured by one version of a schedule."""

    episode = models.ForeignKey(EpisodeOfCare, models.CASCADE, related_name="courses")
    kind = models.CharField(_("kind"), max_length=20, choices=CourseKind.choices)
    schedule = models.ForeignKey(
        "outcomes.Schedule", models.PROTECT, null=True, blank=True, related_name="+"
    )
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    needs_plan = models.BooleanField(default=True, editable=False)

    objects = ClinicRowQuerySet["Course"].as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["needs_plan"], condition=Q(needs_plan=True), name="course_needs_plan"
            ),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()


class SessionStatus(models.TextChoices):
    """What became of a session."""

    PLANNED = "planned", _("Planned")
    DONE = "done", _("Done")
    PARTIAL = "partial", _("Partly done")
    STOPPED = "stopped", _("Stopped")
    NO_SHOW = "no_show", _("Patient did not come")
    CANCELLED = "cancelled", _("Cancelled")


HELD = (SessionStatus.DONE, SessionStatus.PARTIAL, SessionStatus.STOPPED)
NOT_HELD = (SessionStatus.NO_SHOW, SessionStatus.CANCELLED)


class Route(models.TextChoices):
    """How a drug or another treatment is given."""

    IV = "iv", _("Intravenous")
    IM = "im", _("Intramuscular")
    SC = "sc", _("Subcutaneous")
    INTRANASAL = "intranasal", _("Intranasal")
    SUBLINGUAL = "sublingual", _("Sublingual")
    ORAL = "oral", _("Oral")
    DEVICE = "device", _("Device (no drug)")


class SessionQuerySet(ClinicRowQuerySet["TreatmentSession"]):
    """Sessions, in the order of their time."""

    def held(self) -> Self:
        """Keep sessions in which treatment was given, wholly or in part."""
        return self.filter(status__in=HELD)

    def in_order(self) -> Self:
        """Order by the time the session happened, or is planned for."""
        return self.order_by(Coalesce("started_at", "planned_at"), "number")


class TreatmentSession(ClinicRow):
    """One held or planned treatment, numbered in its course.

    The lists below are rows kept with the session, each validated by `care.session_record`.
    """

    course = models.ForeignKey(Course, models.CASCADE, related_name="sessions")
    episode = models.ForeignKey(EpisodeOfCare, models.CASCADE, related_name="sessions")
    number = models.PositiveSmallIntegerField(_("number"), validators=[MinValueValidator(1)])
    phase = models.CharField(_("phase"), max_length=60, blank=True)
    planned_at = models.DateTimeField(_("planned for"))
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=12, choices=SessionStatus.choices)
    status_reason = models.CharField(_("reason"), max_length=200, blank=True)

    route = models.CharField(_("route"), max_length=12, choices=Route.choices, blank=True)
    drug = models.CharField(_("drug"), max_length=80, blank=True)
    formulation = models.CharField(_("formulation"), max_length=80, blank=True)
    dose_amount = models.DecimalField(
        _("dose"), max_digits=8, decimal_places=3, null=True, blank=True
    )
    dose_unit = models.CharField(_("unit"), max_length=20, blank=True)
    infusion_minutes = models.PositiveSmallIntegerField(_("minutes"), null=True, blank=True)
    lot = models.CharField(_("lot"), max_length=40, blank=True)

    weight_kg = models.DecimalField(
        _("weight (kg)"), max_digits=5, decimal_places=1, null=True, blank=True
    )
    weight_on = models.DateField(_("weighed on"), null=True, blank=True)
    has_fasted = models.BooleanField(_("fasted"), null=True, blank=True)
    has_escort = models.BooleanField(_("escort present"), null=True, blank=True)
    concomitant = models.JSONField(_("other medicines last taken"), default=list, blank=True)

    vitals = models.JSONField(_("vital signs"), default=list, blank=True)
    sedation = models.PositiveSmallIntegerField(_("MOAA/S"), null=True, blank=True)
    sedation_minute = models.PositiveSmallIntegerField(_("at minute"), null=True, blank=True)
    dissociation = models.PositiveSmallIntegerField(_("CADSS total"), null=True, blank=True)
    dissociation_minute = models.PositiveSmallIntegerField(_("at minute"), null=True, blank=True)
    effects = models.JSONField(_("effects during the session"), default=list, blank=True)
    adverse_events = models.JSONField(_("adverse events"), default=list, blank=True)

    setting = models.CharField(_("setting"), max_length=80, blank=True)
    prescriber = models.CharField(_("prescriber"), max_length=120, blank=True)
    monitor = models.CharField(_("monitored by"), max_length=120, blank=True)
    has_psychotherapy = models.BooleanField(_("with psychotherapy"), null=True, blank=True)
    ready_at = models.DateTimeField(_("ready for discharge"), null=True, blank=True)
    discharge_condition = models.CharField(_("condition"), max_length=200, blank=True)
    note = models.TextField(_("note"), blank=True)

    entered_by = models.CharField(max_length=254)
    entered_at = models.DateTimeField()
    edited_by = models.CharField(max_length=254, blank=True)
    edited_at = models.DateTimeField(null=True, blank=True)
    edit_reason = models.CharField(max_length=200, blank=True)

    objects = SessionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["course", "number"],
                name="session_number_once",
                violation_error_message=_("The course has a session with this number already."),
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None)
                | Q(started_at=None)
                | Q(ended_at__gte=models.F("started_at")),
                name="session_ends_after_start",
                violation_error_message=_("The session ends before it starts."),
            ),
        ]
        indexes = [models.Index(fields=["episode", "planned_at"])]

    def __str__(self) -> str:
        return f"Session {self.number}"

    @property
    def at(self) -> datetime:
        """Return when it started or, failing that, when it is planned for."""
        return self.started_at or self.planned_at

    @property
    def is_held(self) -> bool:
        """Say whether treatment was given, wholly or in part."""
        return self.status in HELD

    @property
    def dose_per_kg(self) -> Decimal | None:
        """Return the recorded dose divided by the recorded weight; a fact, never a suggestion.

        None unless dose and weight are recorded. In the dose's unit per kilogram, 2 decimals.
        """
        if self.dose_amount is None or not self.weight_kg:
            return None
        return round(Decimal(self.dose_amount) / Decimal(self.weight_kg), 2)

    @property
    def treatment_label(self) -> str:
        """Return drug, route and dose as recorded, e.g. “Ketamine IV 40 mg”."""
        dose = f"{self.dose_amount.normalize():f} {self.dose_unit}" if self.dose_amount else ""
        parts = [self.drug, str(Route(self.route).label) if self.route else "", dose.strip()]
        return " ".join(part for part in parts if part)

    def as_record(self) -> dict[str, Any]:
        """Return every clinical column as JSON-ready text, for the audit record."""
        skipped = {"id", "clinic", "course", "episode"}
        return {
            field.name: field.value_to_string(self)
            for field in self._meta.concrete_fields
            if field.name not in skipped
        }


class MarkKind(models.TextChoices):
    """What a marker on the chart stands for."""

    CHANGE = "change", _("Treatment change")
    NOTE = "note", _("Note")


class TreatmentChange(ClinicRow):
    """A change of other treatment, or a note, beside the course: a marker on the chart."""

    episode = models.ForeignKey(EpisodeOfCare, models.CASCADE, related_name="treatment_changes")
    kind = models.CharField(
        _("kind"), max_length=6, choices=MarkKind.choices, default=MarkKind.CHANGE
    )
    happened_on: models.DateField[date, date] = models.DateField(_("date"))
    description = models.CharField(_("in words"), max_length=120)
    entered_by = models.CharField(max_length=254)
    entered_at = models.DateTimeField()

    objects = ClinicRowQuerySet["TreatmentChange"].as_manager()

    def __str__(self) -> str:
        return self.description
