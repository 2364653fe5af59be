"""The first sessions of a course, from a first time, a count and a rhythm (pure but for fields)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _

from outcomes.clinic_site.forms.fields import MomentField
from outcomes.scheduling.local_time import shift_days

MOST = 40


def expand(
    first: datetime, count: int, every_days: int | None, weekdays: Collection[int], zone: str
) -> list[datetime]:
    """Return `count` times from `first` on, all at its local clock time in `zone`.

    Weekdays (0 is Monday) win over a distance in days; without either there is only the first.
    The first time stands as given, on whatever weekday it is.
    """
    times = [first]
    day = first.astimezone(ZoneInfo(zone)).date()
    for shift in range(1, count * max(every_days or 1, 7)):
        if len(times) == count:
            break
        if weekdays:
            is_due = (day + timedelta(days=shift)).weekday() in weekdays
        else:
            is_due = every_days is not None and shift % every_days == 0
        if is_due:
            times.append(shift_days(first, shift, zone))
    return times


class PlannedSessionsForm(forms.Form):
    """Ask for the first sessions of a course; leaving all of it empty plans none."""

    first_session_at = MomentField(
        label=_("First session"), required=False, help_text=_("On the clinic's clock.")
    )
    session_count = forms.IntegerField(
        label=_("How many sessions"),
        min_value=1,
        max_value=MOST,
        required=False,
        widget=forms.NumberInput(attrs={"class": "input-tiny", "inputmode": "numeric"}),
    )
    every_days = forms.IntegerField(
        label=_("Every so many days"),
        min_value=1,
        max_value=365,
        required=False,
        widget=forms.NumberInput(attrs={"class": "input-tiny", "inputmode": "numeric"}),
    )
    weekdays = forms.TypedMultipleChoiceField(
        label=_("Or on these weekdays"),
        coerce=int,
        choices=list(WEEKDAYS.items()),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a count without a start, and several sessions without a rhythm."""
        cleaned = super().clean() or {}
        first, count = cleaned.get("first_session_at"), cleaned.get("session_count")
        has_rhythm = cleaned.get("every_days") or cleaned.get("weekdays")
        if (count or has_rhythm) and not first and "first_session_at" not in self.errors:
            self.add_error("first_session_at", _("Say when the first session is."))
        if count and count > 1 and not has_rhythm and "every_days" not in self.errors:
            self.add_error("every_days", _("Say every how many days, or on which weekdays."))
        if has_rhythm and not count and "session_count" not in self.errors:
            self.add_error("session_count", _("Say how many sessions."))
        return cleaned

    def planned_sessions(self, zone: str) -> list[datetime]:
        """Return the times asked for."""
        given = self.cleaned_data
        if given["first_session_at"] is None:
            return []
        return expand(
            given["first_session_at"],
            given["session_count"] or 1,
            given["every_days"],
            given["weekdays"],
            zone,
        )
