"""Write the caseload's copy of where episodes stand, and the views that users save of it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from outcomes.audit import services as audit
from outcomes.audit.models import AuditChain, AuditEvent
from outcomes.care.models import EpisodeOfCare
from outcomes.clinics.models import Clinic, User
from outcomes.review.models import SavedView, Standing, StandingMark
from outcomes.review.standings import stand

# So many audit events are followed, or episodes read, in one transaction.
AT_ONCE = 200
# However many events were followed, everything is read anew so often.
REBUILT_EVERY = timedelta(days=1)
# Nobody's standing changes because a record was read.
READINGS = ("patient.viewed",)
# What concerns every patient of the clinic, and names none.
CONCERNING_ALL = (
    "clinic.changed",
    "database.reconciled",
    "instrument.saved",
    "instrument.worded",
    "instrument.retired",
    "patients.simulated",
    "scores.renewed",
)
COLUMNS = [
    field.name
    for field in Standing._meta.concrete_fields
    if field.name not in ("id", "clinic", "episode")
]
VIEWS_AT_MOST = 20


@transaction.atomic
def refresh(*, clinic: Clinic, episodes: Collection[UUID], now: datetime) -> int:
    """Write where these episodes stand; return how many were not recorded so before.

    An episode that is not open has no standing.
    """
    found = {row.episode_id: row for row in stand(clinic, episodes, now)}
    stored = {row.episode_id: row for row in Standing.objects.filter(episode__in=episodes)}
    gone = [row.pk for key, row in stored.items() if key not in found]
    Standing.objects.filter(pk__in=gone).delete()
    changed = [
        row for key, row in found.items() if key not in stored or _facts(row) != _facts(stored[key])
    ]
    Standing.objects.bulk_create(
        changed, update_conflicts=True, unique_fields=["episode"], update_fields=COLUMNS
    )
    return len(gone) + len(changed)


def _facts(row: Standing) -> list[object]:
    return [row.serializable_value(name) for name in COLUMNS]


def is_behind(clinic: Clinic) -> bool:
    """Say whether anything has happened to the clinic's patients that its standings lack."""
    mark = StandingMark.objects.filter(clinic=clinic).first()
    if mark is None or mark.rebuilt_at is None:
        return True
    return _news(mark).exists()


def _news(mark: StandingMark) -> QuerySet[AuditEvent]:
    events = AuditEvent.objects.filter(clinic_id=mark.clinic_id, number__gt=mark.number)
    concerns_one = Q(patient_id__isnull=False) & ~Q(action__in=READINGS)
    return events.filter(concerns_one | Q(action__in=CONCERNING_ALL))


@transaction.atomic
def follow(*, clinic: Clinic, now: datetime) -> int:
    """Bring standings up to what the audit record tells, a batch; return how many were read anew.

    Events commit in the order of their numbers, together with what they tell: whatever the rows
    hold when an event is seen is at least as new as the event. One process at a time.
    """
    mark = _locked_mark(clinic)
    head = AuditChain.objects.filter(pk=clinic.pk).values_list("number", flat=True).first() or 0
    events = _news(mark).order_by("number").values_list("number", "action", "patient_id")
    news = list(events[:AT_ONCE])
    last = news[-1][0] if news else 0
    mark.number = last if len(news) == AT_ONCE else max(head, last)
    if any(action in CONCERNING_ALL for _number, action, _patient in news):
        mark.rebuilt_at, mark.rebuilt_to = None, None
    episodes = set(_episodes_of({patient for _number, _action, patient in news if patient}))
    if _is_rebuilding(mark, now):
        episodes |= set(_next_to_rebuild(mark, now))
    refresh(clinic=clinic, episodes=episodes, now=now)
    mark.save()
    return len(episodes)


def _locked_mark(clinic: Clinic) -> StandingMark:
    StandingMark.objects.get_or_create(clinic=clinic)
    return StandingMark.objects.select_for_update(of=("self",)).get(clinic=clinic)


def _episodes_of(patients: Collection[UUID]) -> QuerySet[EpisodeOfCare, UUID]:
    return EpisodeOfCare.objects.filter(patient__in=patients).values_list("pk", flat=True)


def _is_rebuilding(mark: StandingMark, now: datetime) -> bool:
    if mark.rebuilt_at is None or mark.rebuilt_to is not None:
        return True
    return mark.rebuilt_at <= now - REBUILT_EVERY


def _next_to_rebuild(mark: StandingMark, now: datetime) -> list[UUID]:
    """Return the next episodes in the order of keys, and move the mark past them."""
    rows = EpisodeOfCare.objects.filter(clinic=mark.clinic_id).order_by("pk")
    rest = rows if mark.rebuilt_to is None else rows.filter(pk__gt=mark.rebuilt_to)
    keys = list(rest.values_list("pk", flat=True)[:AT_ONCE])
    if len(keys) < AT_ONCE:
        mark.rebuilt_to, mark.rebuilt_at = None, now
    else:
        mark.rebuilt_to = keys[-1]
    return keys


@transaction.atomic
def refresh_closed(*, clinic: Clinic, now: datetime) -> int:
    """Bring standings up to date whose questionnaires have closed since; return how many.

    Nothing but time has happened to them, so no audit event tells of it.
    """
    _locked_mark(clinic)
    rows = Standing.objects.filter(clinic=clinic, closes_at__lte=now).order_by("closes_at")
    episodes = list(rows.values_list("episode", flat=True)[:AT_ONCE])
    refresh(clinic=clinic, episodes=episodes, now=now)
    return len(episodes)


def rebuild(*, clinic: Clinic, now: datetime) -> tuple[int, int]:
    """Read where every episode of the clinic stands, a batch to a transaction.

    Returns how many episodes there are, and of how many another standing was recorded before.
    """
    read = differing = 0
    last: UUID | None = None
    rows = EpisodeOfCare.objects.filter(clinic=clinic).order_by("pk").values_list("pk", flat=True)
    while keys := list((rows if last is None else rows.filter(pk__gt=last))[:AT_ONCE]):
        with transaction.atomic():
            _locked_mark(clinic)
            differing += refresh(clinic=clinic, episodes=keys, now=now)
        read, last = read + len(keys), keys[-1]
    StandingMark.objects.filter(clinic=clinic).update(rebuilt_at=now, rebuilt_to=None)
    return read, differing


def clinics_behind(now: datetime) -> QuerySet[Clinic]:
    """Return the clinics whose audit record has gone on, or that are to be read anew."""
    mark = StandingMark.objects.filter(clinic=OuterRef("pk"))
    chain = AuditChain.objects.filter(pk=OuterRef("pk")).values("number")
    return Clinic.objects.annotate(
        followed=Coalesce(Subquery(mark.values("number")), 0),
        written=Coalesce(Subquery(chain), 0),
        rebuilt=Subquery(mark.values("rebuilt_at")),
        rebuilding=Subquery(mark.values("rebuilt_to")),
    ).filter(
        Q(written__gt=F("followed"))
        | Q(rebuilt=None)
        | Q(rebuilding__isnull=False)
        | Q(rebuilt__lte=now - REBUILT_EVERY)
    )


@transaction.atomic
def save_view(
    *, clinic: Clinic, user: User, name: str, filters: dict[str, str], now: datetime
) -> SavedView:
    """Keep the caseload's filters under a name; raises ValidationError for one there already."""
    mine = SavedView.objects.filter(clinic=clinic, user=user)
    if mine.count() >= VIEWS_AT_MOST:
        words = _("You have %(n)d views already: delete one first.")
        raise ValidationError({"name": words % {"n": VIEWS_AT_MOST}})
    view = SavedView(clinic=clinic, user=user, name=name, filters=filters, created_at=now)
    view.full_clean()
    view.save(force_insert=True)
    _record(view, "view.saved", now)
    return view


@transaction.atomic
def delete_view(*, view: SavedView, now: datetime) -> None:
    """Forget a saved view."""
    _record(view, "view.deleted", now)
    view.delete()


def _record(view: SavedView, action: str, now: datetime) -> None:
    audit.record(
        clinic_id=view.clinic_id,
        by=view.user.actor,
        now=now,
        action=action,
        object_type="SavedView",
        object_id=view.pk,
    )
