"""Write the cover calendar: who is paged first, when."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from outcomes.alerts.models import Cover
from outcomes.alerts.services.recipients import answering_members
from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.clinics.models import Clinic, User

MOST_LINES = 200
# Dates go before the week: a slip of the year would silence the weekly lines for decades.
LONGEST = timedelta(days=366)


@audit.atomic()
def add_cover(
    *,
    clinic: Clinic,
    user: User,
    starts: time,
    ends: time,
    weekdays: tuple[int, ...] = (),
    starts_on: date | None = None,
    ends_on: date | None = None,
    by: Actor,
    now: datetime,
) -> list[Cover]:
    """Put a person on cover for hours of some weekdays, or of every day between two dates.

    Raises ValidationError for somebody who may not answer alerts, for both kinds at once or
    neither, and for dates in the wrong order, gone by or of more than a year.
    """
    if not answering_members().filter(clinic=clinic, user=user).exists():
        raise ValidationError({"user": _("Only a member who may answer alerts can be on cover.")})
    today = now.astimezone(ZoneInfo(clinic.time_zone)).date()
    spans = _spans(weekdays, starts_on, ends_on, today)
    if Cover.objects.filter(clinic=clinic).count() + len(spans) > MOST_LINES:
        raise ValidationError(_("A calendar has at most %d lines.") % MOST_LINES)
    made = []
    for span in spans:
        row = Cover(clinic=clinic, user=user, starts=starts, ends=ends, **span)
        if Cover.objects.filter(
            clinic=clinic, user=user, starts=starts, ends=ends, **span
        ).exists():
            raise ValidationError(_("This line stands in the calendar already."))
        row.full_clean()
        row.save(force_insert=True)
        _record(row, "cover.added", by, now)
        made.append(row)
    return made


def _spans(
    weekdays: tuple[int, ...], starts_on: date | None, ends_on: date | None, today: date
) -> list[dict[str, Any]]:
    if bool(weekdays) == (starts_on is not None):
        raise ValidationError(_("Choose weekdays, or dates: one of the two."))
    if weekdays:
        return [{"weekday": day} for day in sorted(set(weekdays))]
    last = ends_on or starts_on
    assert starts_on is not None
    assert last is not None
    if last < starts_on:
        raise ValidationError({"ends_on": _("The last day is before the first.")})
    if last < today:
        raise ValidationError({"ends_on": _("The last day has passed.")})
    if last - starts_on > LONGEST:
        raise ValidationError({"ends_on": _("Choose a year at most: weekly lines hold for ever.")})
    return [{"starts_on": starts_on, "ends_on": last}]


@audit.atomic()
def remove_cover(*, cover: Cover, by: Actor, now: datetime) -> None:
    """Take a line out of the calendar."""
    _record(cover, "cover.removed", by, now)
    cover.delete()


def _record(row: Cover, action: str, by: Actor, now: datetime) -> None:
    hours = {"starts": f"{row.starts:%H:%M}", "ends": f"{row.ends:%H:%M}"}
    days = (
        {"weekday": row.weekday}
        if row.weekday is not None
        else {"starts_on": str(row.starts_on), "ends_on": str(row.ends_on)}
    )
    audit.record(
        clinic_id=row.clinic_id,
        by=by,
        now=now,
        action=action,
        object_type="Cover",
        object_id=row.pk,
        data={"user": str(row.user_id), **hours, **days},
    )
