"""Where every open episode stands: one row each, kept for the caseload to sort and filter by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Self

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from outcomes.care.models import EpisodeOfCare, Indication
from outcomes.clinics.models import ClinicRow, ClinicRowQuerySet, User
from outcomes.review.reach import ReachProblem

# Stands where there is no such moment: it sorts last, and a row is compared by columns alone.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)

# The order of the caseload, as indexes serve it; `caseload.ORDER` says it in words.
IN_ORDER = ("alert_order", "is_reached", "due_order", "name_order", "id")

# The conditions of the worklists that do not depend on the time of day.
UNSEEN = Q(unseen__gt=0)
ALERTED = Q(open_alerts__gt=0)
WORSE = Q(is_reliably_worse=True)
NEWLY_RESPONDED = Q(is_response_unseen=True)
LOST = Q(lost_response_at__isnull=False)
NOT_REACHED = Q(is_reached=False)


def _index(name: str, condition: Q | None = None, *columns: str) -> models.Index:
    return models.Index(fields=["clinic", *columns, *IN_ORDER], condition=condition, name=name)


class StandingQuerySet(ClinicRowQuerySet["Standing"]):
    """Standings, narrowed to a clinician's own, to a name, and put in the caseload's order."""

    def of_clinician(self, user: User) -> Self:
        """Keep the episodes this user is responsible for."""
        responsible = EpisodeOfCare.clinicians.through.objects.filter(
            episodeofcare_id=OuterRef("episode_id"), user_id=user.pk
        )
        return self.filter(Exists(responsible))

    def named(self, text: str) -> Self:
        """Keep patients of whose names or record number each word typed is a beginning."""
        rows = self
        for word in text.split():
            begins = order_of(word)
            rows = rows.filter(
                Q(name_order__startswith=begins)
                | Q(given_order__startswith=begins)
                | Q(record_order__startswith=begins)
            )
        return rows

    def in_order(self) -> Self:
        """Order as `caseload.ORDER` says."""
        return self.order_by(*IN_ORDER)


def order_of(*names: str) -> str:
    """Return names as they are compared: without capitals and outer spaces."""
    return " ".join(name.casefold() for name in names if name).strip()


class Standing(ClinicRow):
    """Where one open episode stands, as its rows say: a copy for the list, never a source.

    Everything here follows from other rooms' rows and can be made anew from them at any time
    (`services.refresh`); ADR 15 says how it keeps up with them.
    """

    episode = models.OneToOneField(EpisodeOfCare, models.CASCADE, related_name="standing")
    patient = models.ForeignKey("outcomes.Patient", models.CASCADE, related_name="+")
    indication = models.CharField(max_length=20, choices=Indication.choices)
    given_name = models.CharField(max_length=100)
    family_name = models.CharField(max_length=100, blank=True)
    record_number = models.CharField(max_length=64, blank=True)
    time_zone = models.CharField(max_length=64)
    # Case folding may lengthen a name.
    name_order = models.CharField(max_length=400)
    given_order = models.CharField(max_length=300)
    record_order = models.CharField(max_length=200, blank=True)

    # What needs a person.
    open_alerts = models.PositiveIntegerField(default=0)
    alert_order = models.DateTimeField(default=NEVER)
    reach_problem = models.CharField(max_length=20, choices=ReachProblem.choices, blank=True)
    is_reached = models.BooleanField(default=True)
    unanswered = models.PositiveIntegerField(default=0)
    due_order = models.DateTimeField(default=NEVER)
    closes_at = models.DateTimeField(null=True)
    unseen = models.PositiveIntegerField(default=0)
    seen_at = models.DateTimeField(null=True)
    seen_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    # The clinic's main instrument.
    instrument_code = models.CharField(max_length=40)
    last_value = models.FloatField(null=True)
    last_at = models.DateTimeField(null=True)
    last_band = models.CharField(max_length=60, blank=True)
    baseline_value = models.FloatField(null=True)
    baseline_at = models.DateTimeField(null=True)
    is_reliably_worse = models.BooleanField(default=False)
    responded_at = models.DateTimeField(null=True)
    is_response_unseen = models.BooleanField(default=False)
    lost_response_at = models.DateTimeField(null=True)
    # The last points and what was missed between them, for the sparkline: moments as ISO 8601.
    points: models.JSONField[Any, list[tuple[str, float]]] = models.JSONField(default=list)
    missed: models.JSONField[Any, list[str]] = models.JSONField(default=list)

    first_session_at = models.DateTimeField(null=True)
    last_session_at = models.DateTimeField(null=True)
    last_session_number = models.PositiveSmallIntegerField(null=True)
    next_session_at = models.DateTimeField(null=True)

    objects = StandingQuerySet.as_manager()

    class Meta:
        indexes = [
            _index("standing_order"),
            _index("standing_unseen", UNSEEN),
            _index("standing_alerted", ALERTED),
            _index("standing_worse", WORSE),
            _index("standing_responded", NEWLY_RESPONDED),
            _index("standing_lost", LOST),
            _index("standing_not_reached", NOT_REACHED),
            _index("standing_indication", None, "indication"),
            models.Index(fields=["clinic", "due_order"], name="standing_due"),
            models.Index(
                fields=["closes_at"], condition=Q(closes_at__isnull=False), name="standing_closes"
            ),
            # A search by the beginning of a word; elsewhere than in PostgreSQL plain indexes.
            *(
                models.Index(
                    fields=["clinic", column],
                    opclasses=["uuid_ops", "varchar_pattern_ops"],
                    name=f"standing_{column}",
                )
                for column in ("name_order", "given_order", "record_order")
            ),
        ]

    def __str__(self) -> str:
        return f"Standing of {self.name}"

    @property
    def name(self) -> str:
        """Return the patient's name as it is written on pages."""
        return f"{self.given_name} {self.family_name}".strip()

    @property
    def oldest_due_at(self) -> datetime | None:
        """Return when the oldest unanswered questionnaire was or is due."""
        return self.due_order if self.unanswered else None


class StandingMark(ClinicRow):
    """How far a clinic's standings follow its audit record, and when all were last made anew.

    `number` is the last audit event followed. They are made anew in the order of keys, and
    `rebuilt_to` is the last episode done; while `rebuilt_at` is empty, the standings are known to
    lack something.
    """

    number = models.PositiveBigIntegerField(default=0)
    rebuilt_to = models.UUIDField(null=True)
    rebuilt_at = models.DateTimeField(null=True)

    objects = ClinicRowQuerySet["StandingMark"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["clinic"], name="standing_mark_once_per_clinic"),
        ]

    def __str__(self) -> str:
        return f"{self.clinic_id} at {self.number}"


class SavedView(ClinicRow):
    """A narrowed caseload that a user has given a name: which filters, never a search text."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    name = models.CharField(_("name"), max_length=60)
    filters: models.JSONField[Any, dict[str, str]] = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    objects = ClinicRowQuerySet["SavedView"].as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["clinic", "user", "name"],
                name="saved_view_name_once",
                violation_error_message=_("You have a view with this name already."),
            ),
        ]

    def __str__(self) -> str:
        return self.name
