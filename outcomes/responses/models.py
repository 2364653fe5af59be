"""What the patient answered, and what it scores."""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from outcomes.clinics.models import ClinicRow, ClinicRowQuerySet, User
from outcomes.instruments.definition import Definition
from outcomes.instruments.models import definition_of


class ResponseStatus(models.TextChoices):
    """Where a filling-in stands. Only one in progress may change."""

    IN_PROGRESS = "in_progress", _("In progress")
    FINAL = "final", _("Final")
    CORRECTED = "corrected", _("Replaced by a correction")


class Mode(models.TextChoices):
    """How the answers came in."""

    LINK = "link", _("Patient's link")
    KIOSK = "kiosk", _("In the clinic")
    STAFF = "staff", _("Entered by staff")
    IMPORT = "import", _("Imported")


class RemarkQuerySet(ClinicRowQuerySet["Remark"]):
    """Words of patients, in their order."""

    def newest_first(self) -> Self:
        """Put the last words first."""
        return self.order_by("-written_at", "-pk")


class Remark(ClinicRow):
    """What the patient added in their own words when they sent. Never changed, never interpreted.

    The filling-ins sent with it point here.
    """

    LONGEST = 1000

    patient = models.ForeignKey("outcomes.Patient", models.CASCADE, related_name="remarks")
    episode = models.ForeignKey("outcomes.EpisodeOfCare", models.CASCADE, related_name="remarks")
    text = models.TextField(max_length=LONGEST)
    language = models.CharField(max_length=10)
    mode = models.CharField(max_length=8, choices=Mode.choices)
    written_at = models.DateTimeField()
    # That of the sending, made by the patient's page.
    submission_id = models.CharField(max_length=64)

    objects = RemarkQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["patient", "submission_id"], name="remark_once_per_sending"
            ),
            models.CheckConstraint(condition=~Q(text=""), name="remark_has_words"),
        ]
        indexes = [models.Index(fields=["episode", "-written_at"], name="remark_of_episode")]

    def __str__(self) -> str:
        return f"Words of a patient, {self.get_mode_display()}"


class ResponseQuerySet(ClinicRowQuerySet["QuestionnaireResponse"]):
    """Responses by their status."""

    def final(self) -> Self:
        """Keep what was submitted and not replaced."""
        return self.filter(status=ResponseStatus.FINAL)

    def unseen(self) -> Self:
        """Keep what was submitted here and no member of staff has said to have seen."""
        return self.final().filter(seen_at=None).exclude(mode=Mode.IMPORT)

    def in_progress(self) -> Self:
        """Keep what the patient is still filling in, or left half done."""
        return self.filter(status=ResponseStatus.IN_PROGRESS)


class QuestionnaireResponse(ClinicRow):
    """One filling-in: a document of answers, immutable once final."""

    patient = models.ForeignKey("outcomes.Patient", models.CASCADE, related_name="responses")
    episode = models.ForeignKey("outcomes.EpisodeOfCare", models.CASCADE, related_name="responses")
    assignment = models.ForeignKey(
        "outcomes.Assignment", models.SET_NULL, null=True, related_name="responses"
    )
    instrument_version = models.ForeignKey(
        "outcomes.InstrumentVersion", models.PROTECT, related_name="+"
    )
    content_hash = models.CharField(max_length=64)
    status = models.CharField(max_length=12, choices=ResponseStatus.choices)
    mode = models.CharField(max_length=8, choices=Mode.choices)
    language = models.CharField(max_length=10)
    answers: models.JSONField[Any, dict[str, int | None]] = models.JSONField(default=dict)
    answered_at: models.JSONField[Any, dict[str, str]] = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(default=0)
    # The revision in which each answer was last changed: two windows may answer different ones.
    changed_in: models.JSONField[Any, dict[str, int]] = models.JSONField(default=dict)
    started_at = models.DateTimeField(null=True, blank=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    stored_at = models.DateTimeField()
    submission_id = models.CharField(max_length=64, unique=True)
    # Of an imported one: its number in the source, where that numbers its measurements.
    measurement_number = models.PositiveSmallIntegerField(null=True, blank=True)
    corrects = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="correction"
    )
    # Who copied it from paper, if anybody, and whether they did so twice until both agreed.
    entered_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    is_entered_twice = models.BooleanField(default=False)
    # Who of the staff has said that they have seen it; no acknowledgement of an alert.
    seen_at = models.DateTimeField(null=True, blank=True)
    seen_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    # Who of the clinicians has confirmed that response is lost, where its score shows that.
    loss_confirmed_at = models.DateTimeField(null=True, blank=True)
    loss_confirmed_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+"
    )
    # What the patient wrote when they sent this, and perhaps other ones with it.
    remark = models.ForeignKey(
        Remark, models.SET_NULL, null=True, blank=True, related_name="responses"
    )
    correction_reason = models.CharField(max_length=200, blank=True)

    objects = ResponseQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["assignment"],
                condition=Q(status__in=["in_progress", "final"]),
                name="response_one_current_per_assignment",
            ),
            models.CheckConstraint(
                condition=Q(status="in_progress") | Q(submitted_at__isnull=False),
                name="response_final_has_time",
            ),
        ]
        indexes = [models.Index(fields=["episode", "submitted_at"])]

    def __str__(self) -> str:
        return f"{self.instrument_version} {self.status}"

    @property
    def definition(self) -> Definition:
        """Return the questionnaire that was answered; the version's row need not be read."""
        return definition_of(self.content_hash)


class ScoreQuerySet(ClinicRowQuerySet["Score"]):
    """Scores, narrowed to those that count."""

    def current(self) -> Self:
        """Keep the newest scoring of final responses; every other score stays stored."""
        return self.filter(is_current=True, response__status=ResponseStatus.FINAL)


class Score(ClinicRow):
    """One result of one response: a value, a word, or why there is neither. Never overwritten.

    `band` is the band of the value or, for a result in words, the result itself.
    """

    response = models.ForeignKey(QuestionnaireResponse, models.CASCADE, related_name="scores")
    patient = models.ForeignKey("outcomes.Patient", models.CASCADE, related_name="scores")
    episode = models.ForeignKey("outcomes.EpisodeOfCare", models.CASCADE, related_name="scores")
    instrument_code = models.CharField(max_length=40)
    scale = models.CharField(max_length=40)
    value = models.FloatField(null=True, blank=True)
    standard_error = models.FloatField(null=True, blank=True)
    band = models.CharField(max_length=60, blank=True)
    is_prorated = models.BooleanField(default=False)
    missing_reason = models.CharField(max_length=200, blank=True)
    scoring_version = models.CharField(max_length=20)
    is_current = models.BooleanField(default=True)
    at = models.DateTimeField()

    objects = ScoreQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["response", "scale", "scoring_version"], name="score_once_per_version"
            ),
            models.UniqueConstraint(
                fields=["response", "scale"],
                condition=Q(is_current=True),
                name="score_one_current",
            ),
            models.CheckConstraint(
                condition=Q(value__isnull=False) | ~Q(band="") | ~Q(missing_reason=""),
                name="score_result_or_reason",
            ),
        ]
        indexes = [models.Index(fields=["episode", "instrument_code", "scale", "at"])]

    def __str__(self) -> str:
        return f"{self.instrument_code} {self.scale}"
