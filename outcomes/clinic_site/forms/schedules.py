"""Forms about schedules: one line in words, the schedule around it, and the sample course."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms.boundfield import BoundWidget
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from outcomes.care.models import Indication
from outcomes.clinic_site.forms.fields import ClockField, DayField
from outcomes.clinic_site.forms.patients import ScheduleField
from outcomes.clinic_site.schedule_words import ANCHORS
from outcomes.clinics.models import Clinic
from outcomes.scheduling.checking import Sending
from outcomes.scheduling.definition import (
    LARGEST,
    RuleSpec,
    ScheduleError,
    faults_of,
    parse_rule,
)
from outcomes.scheduling.sample import SAMPLE, Sample

UNITS = [("hours", gettext_lazy("hours")), ("days", gettext_lazy("days"))]
LONG_UNITS = [("days", gettext_lazy("days")), ("weeks", gettext_lazy("weeks"))]
HOURS_IN = {"hours": 1, "days": 24}
DAYS_IN = {"days": 1, "weeks": 7}


def _number(label: Any, required: bool = False, at_least: int = 0, **options: Any) -> Any:
    widget = forms.NumberInput(attrs={"class": "input-tiny", "inputmode": "numeric"})
    return forms.IntegerField(
        label=label,
        required=required,
        min_value=at_least,
        max_value=LARGEST,
        widget=widget,
        **options,
    )


def _choice(label: Any, choices: Any, **options: Any) -> forms.ChoiceField:
    widget = forms.Select(attrs={"class": "input-short"})
    return forms.ChoiceField(label=label, choices=choices, widget=widget, **options)


def numbers_in(text: str) -> list[int]:
    """Return whole numbers written with commas or spaces between; raises ValidationError."""
    words = text.replace(",", " ").split()
    for word in words:
        digits = word.removeprefix("-")
        if not digits.isascii() or not digits.isdigit() or len(word) > 5:
            raise ValidationError(_("“%(word)s” is not a whole number.") % {"word": word})
    return [int(word) for word in words]


# -- One line ------------------------------------------------------------------------------------


class RuleForm(forms.Form):
    """One line of a schedule, in words."""

    title = forms.CharField(
        label=gettext_lazy("Title"),
        max_length=120,
        help_text=gettext_lazy("What staff read in lists, such as: One week after each session."),
    )
    instruments = forms.MultipleChoiceField(
        label=gettext_lazy("Ask"), widget=forms.CheckboxSelectMultiple
    )
    offset_value = _number(gettext_lazy("Due"), required=True, initial=0)
    offset_unit = _choice(gettext_lazy("Hours or days"), UNITS, initial="days")
    offset_side = _choice(
        gettext_lazy("Before or after"),
        [("after", gettext_lazy("after")), ("before", gettext_lazy("before"))],
    )
    anchor = forms.ChoiceField(
        label=gettext_lazy("This moment"),
        choices=list(ANCHORS.items()),
        initial="each_session",
        widget=forms.Select(attrs={"class": "input-medium"}),
    )
    time_of_day = ClockField(
        label=gettext_lazy("At"),
        required=False,
        help_text=gettext_lazy(
            "On the patient's clock; only with days. Empty: the time of the moment itself."
        ),
    )
    opens_value = _number(gettext_lazy("Opens"), required=True, at_least=1, initial=12)
    opens_unit = _choice(gettext_lazy("Before it is due"), UNITS)
    closes_value = _number(gettext_lazy("Closes"), initial=48)
    closes_unit = _choice(gettext_lazy("After it is due"), UNITS)
    closes_at_anchor = forms.BooleanField(
        label=gettext_lazy("Or: closes at the moment itself, such as when the session begins"),
        required=False,
    )
    repeat_value = _number(gettext_lazy("Again every"), at_least=1)
    repeat_unit = _choice(gettext_lazy("Repeat in"), UNITS, initial="days")
    repeat_from = _number(
        gettext_lazy("Repeats begin on day"),
        at_least=-LARGEST,
        help_text=gettext_lazy("Empty: one interval after the first."),
    )
    until_next_session = forms.BooleanField(
        label=gettext_lazy("Until the next session"), required=False
    )
    until_value = _number(gettext_lazy("Until"), at_least=-LARGEST)
    until_unit = _choice(gettext_lazy("After the moment"), LONG_UNITS, initial="weeks")
    until_date = DayField(
        label=gettext_lazy("Until the date"),
        required=False,
        help_text=gettext_lazy("On the patient's calendar."),
    )
    only_if_older_than_days = _number(
        gettext_lazy("Only if the last answer is at least so many days old"), at_least=1
    )
    indications = forms.MultipleChoiceField(
        label=gettext_lazy("Only for patients with"),
        required=False,
        choices=Indication.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None chosen: for every patient."),
    )
    reminders_after_hours = forms.CharField(
        label=gettext_lazy("Remind after"),
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"class": "input-medium"}),
        help_text=gettext_lazy("Hours after opening, such as: 24, 48. Empty: no reminder."),
    )
    basis = forms.CharField(
        label=gettext_lazy("What it rests on"),
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2, "class": "short"}),
        help_text=gettext_lazy("A source, or that it is the clinic's own choice."),
    )
    revision = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(
        self,
        data: Any = None,
        *,
        code: str,
        sending: Mapping[str, Sending],
        spacing: Mapping[str, int],
        **options: Any,
    ) -> None:
        super().__init__(data, **options)
        self.code, self.sending, self.spacing = code, sending, spacing
        marks = {
            "no_wording": _("(no wording here)"),
            "switched_off": _("(switched off)"),
            "by_clinician": _("(clinician-rated)"),
        }
        self.fields["instruments"].choices = [  # type: ignore[attr-defined]
            (name, f"{name} {marks.get(sending[name], '')}".strip())
            for name in sorted(sending, key=str.lower)
        ]

    def clean_reminders_after_hours(self) -> list[int]:
        """Read the hours."""
        return numbers_in(self.cleaned_data["reminders_after_hours"])

    def clean(self) -> dict[str, Any]:
        """Refuse a line that cannot stand by itself, at the field that says so."""
        data = super().clean() or {}
        if data.get("closes_value", 0) is None and not data.get("closes_at_anchor"):
            self.add_error("closes_value", _("Enter a number: 0 closes it when it is due."))
        if not self.errors:
            entry = self.entry()
            try:
                faults = list(faults_of(parse_rule(entry, "rule"), self.spacing))
            except ScheduleError as error:
                faults = [(error.path.removeprefix("rule."), error.reason)]
            for path, reason in faults:
                field = FIELD_OF.get(path.split(".")[0])
                self.add_error(field, self._refused(field, reason))
        return data

    def _refused(self, field: str | None, reason: str) -> str:
        """Return a reason behind what was typed; the page names the field."""
        typed = self.data.get(field) if field and field != "instruments" else ""
        return f"“{typed}” {reason}" if typed and typed != "on" else reason

    @property
    def sendable(self) -> list[BoundWidget]:
        """Return the questionnaires that can be sent here, and those chosen already."""
        return [box for box in self["instruments"] if self._is_at_hand(box)]

    @property
    def others(self) -> list[BoundWidget]:
        """Return the questionnaires that cannot be sent here."""
        return [box for box in self["instruments"] if not self._is_at_hand(box)]

    def _is_at_hand(self, box: BoundWidget) -> bool:
        return self.sending[str(box.data["value"])] == "sendable" or bool(box.data["selected"])

    def entry(self) -> dict[str, Any]:
        """Return the line as a schedule holds it."""
        given = self.cleaned_data
        sign = -1 if given["offset_side"] == "before" else 1
        entry = {
            "code": self.code,
            "title": given["title"],
            "instruments": given["instruments"],
            "anchor": given["anchor"],
            "offset": {"value": sign * given["offset_value"], "unit": given["offset_unit"]},
            "time_of_day": f"{given['time_of_day']:%H:%M}" if given["time_of_day"] else None,
            "opens_before": given["opens_value"] * HOURS_IN[given["opens_unit"]],
            **self._closing(),
            **self._repeating(),
            "only_if_older_than_days": given["only_if_older_than_days"],
            "indications": given["indications"],
            "reminders_after_hours": given["reminders_after_hours"],
            "basis": given["basis"],
        }
        return {name: value for name, value in entry.items() if value not in (None, [], "")}

    def _closing(self) -> dict[str, Any]:
        given = self.cleaned_data
        if given["closes_at_anchor"]:
            return {"closes_at_anchor": True}
        return {"closes_after": (given["closes_value"] or 0) * HOURS_IN[given["closes_unit"]]}

    def _repeating(self) -> dict[str, Any]:
        given = self.cleaned_data
        until = {
            "next_session": given["until_next_session"] or None,
            "days": None
            if given["until_value"] is None
            else given["until_value"] * DAYS_IN[given["until_unit"]],
            "date": given["until_date"].isoformat() if given["until_date"] else None,
        }
        until = {name: value for name, value in until.items() if value is not None}
        begins = given["repeat_from"]
        return {
            f"repeat_every_{given['repeat_unit']}": given["repeat_value"],
            "repeat_from": None if begins is None else {"days": begins},
            "repeat_until": until or None,
        }


FIELD_OF = {
    "code": None,
    "title": "title",
    "instruments": "instruments",
    "anchor": "anchor",
    "offset": "offset_value",
    "time_of_day": "time_of_day",
    "opens_before": "opens_value",
    "closes_after": "closes_value",
    "closes_at_anchor": "closes_at_anchor",
    "repeat_every_days": "repeat_value",
    "repeat_every_hours": "repeat_value",
    "repeat_from": "repeat_from",
    "repeat_until": "until_value",
    "only_if_older_than_days": "only_if_older_than_days",
    "indications": "indications",
    "reminders_after_hours": "reminders_after_hours",
    "basis": "basis",
}


def initial_of(rule: RuleSpec) -> dict[str, Any]:
    """Return what the form shows for a line."""
    opens, opens_unit = _in_units(rule.opens_before)
    closes, closes_unit = _in_units(rule.closes_after)
    until = rule.repeat_until
    days = until.days if until else None
    is_in_weeks = days is None or days % 7 == 0
    return {
        "title": rule.title or rule.code,
        "instruments": list(rule.instruments),
        "offset_value": abs(rule.offset.value),
        "offset_unit": rule.offset.unit,
        "offset_side": "before" if rule.offset.value < 0 else "after",
        "anchor": rule.anchor,
        "time_of_day": rule.time_of_day,
        "opens_value": opens,
        "opens_unit": opens_unit,
        "closes_value": None if rule.closes_at_anchor else closes,
        "closes_unit": closes_unit,
        "closes_at_anchor": rule.closes_at_anchor,
        "repeat_value": rule.repeat_every_days or rule.repeat_every_hours,
        "repeat_unit": "hours" if rule.repeat_every_hours else "days",
        "repeat_from": rule.repeat_from,
        "until_next_session": bool(until and until.next_session),
        "until_value": days if days is None or not is_in_weeks else days // 7,
        "until_unit": "weeks" if is_in_weeks else "days",
        "until_date": until.date if until else None,
        "only_if_older_than_days": rule.only_if_older_than_days,
        "indications": list(rule.indications),
        "reminders_after_hours": ", ".join(str(hours) for hours in rule.reminders_after_hours),
        "basis": rule.basis,
    }


def _in_units(hours: int) -> tuple[int, str]:
    """Return hours as whole days where they are two or more."""
    return (hours // 24, "days") if hours >= 48 and hours % 24 == 0 else (hours, "hours")


# -- The schedule around its lines ---------------------------------------------------------------


class NewScheduleForm(forms.Form):
    """A schedule of the clinic's own: its name, and what it begins as a copy of."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)

    def __init__(self, *args: Any, clinic: Clinic, **options: Any) -> None:
        super().__init__(*args, **options)
        source = ScheduleField(clinic)
        source.label, source.empty_label = _("Begin with"), _("An empty schedule")
        self.fields["source"] = source


class DetailsForm(forms.Form):
    """The name of a schedule, what it says about itself, and the days between two of a kind."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    description = forms.CharField(
        label=gettext_lazy("Description"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    revision = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, content: Mapping[str, Any], revision: int) -> None:
        spacing = content["spacing_days"]
        initial = {name: content[name] for name in ("name", "description")}
        super().__init__(data, initial={**initial, "revision": revision})
        asked = (code for rule in content["rules"] for code in rule.get("instruments", ()))
        self.codes = list(dict.fromkeys([*asked, *spacing]))
        for code in self.codes:
            field = _number(code, at_least=1, initial=spacing.get(code))
            self.fields[f"spacing-{code}"] = field

    @property
    def spacing_fields(self) -> list[forms.BoundField]:
        """Return the field of each questionnaire's days."""
        return [self[f"spacing-{code}"] for code in self.codes]

    def changes(self) -> dict[str, Any]:
        """Return the parts of the draft."""
        given = self.cleaned_data
        days = {code: given[f"spacing-{code}"] for code in self.codes}
        return {
            "name": given["name"],
            "description": given["description"],
            "spacing_days": {code: n for code, n in days.items() if n is not None},
        }


# -- The sample course ---------------------------------------------------------------------------


class SampleForm(forms.Form):
    """The course that a schedule is shown on."""

    sessions = forms.CharField(
        label=gettext_lazy("Sessions, by days after the first"),
        max_length=400,
        help_text=gettext_lazy("The first is day 0, such as: 0, 3, 7, 10, 14, 17."),
    )
    condition = forms.ChoiceField(
        label=gettext_lazy("The patient has"),
        required=False,
        choices=[("", gettext_lazy("every condition named")), *Indication.choices],
        widget=forms.Select(attrs={"class": "input-medium"}),
    )
    weeks = forms.IntegerField(
        label=gettext_lazy("Weeks to look at"),
        min_value=1,
        max_value=60,
        widget=forms.NumberInput(attrs={"class": "input-tiny"}),
    )
    enrolled_before = forms.IntegerField(
        label=gettext_lazy("Days from enrolment to the first session"),
        min_value=0,
        max_value=90,
        widget=forms.NumberInput(attrs={"class": "input-tiny"}),
    )
    end_day = forms.IntegerField(
        label=gettext_lazy("The course ends on day"),
        required=False,
        min_value=0,
        max_value=420,
        widget=forms.NumberInput(attrs={"class": "input-tiny"}),
        help_text=gettext_lazy("Empty: it goes on."),
    )

    def __init__(self, data: Any = None) -> None:
        usual = {
            "sessions": ", ".join(str(day) for day in SAMPLE.session_days),
            "condition": "",
            "weeks": SAMPLE.weeks,
            "enrolled_before": SAMPLE.enrolled_before,
        }
        super().__init__(data or usual, initial=usual)

    def clean_sessions(self) -> tuple[int, ...]:
        """Read the days; the first session is day 0."""
        days = sorted(set(numbers_in(self.cleaned_data["sessions"])))
        if not days or days[0] != 0 or days[-1] > 420 or len(days) > 60:
            raise ValidationError(
                _("Give at most 60 days, the first of them 0, none later than day 420.")
            )
        return tuple(days)

    @property
    def sample(self) -> Sample:
        """Return the course that was described; the usual one where it cannot be read."""
        with suppress(KeyError):
            if self.is_valid():
                given = self.cleaned_data
                return Sample(
                    session_days=given["sessions"],
                    weeks=given["weeks"],
                    indications=(given["condition"],) if given["condition"] else None,
                    end_day=given["end_day"],
                    enrolled_before=given["enrolled_before"],
                )
        return SAMPLE


# -- Moving courses ------------------------------------------------------------------------------


class MoveForm(forms.Form):
    """Which running courses are moved: those chosen, or every one listed."""

    def __init__(self, data: Any = None, *, courses: QuerySet[Any]) -> None:
        super().__init__(data)
        self.courses = courses
        self.fields["course"] = forms.ModelMultipleChoiceField(
            courses, label=_("Courses"), required=False
        )

    def clean(self) -> dict[str, Any]:
        """Refuse to move nothing."""
        data = super().clean() or {}
        if "all" not in self.data and not data.get("course") and not self.errors:
            self.add_error("course", _("Choose at least one course, or move them all."))
        return data

    def chosen(self) -> QuerySet[Any]:
        """Return the courses to move."""
        if "all" in self.data:
            return self.courses
        chosen: QuerySet[Any] = self.cleaned_data["course"]
        return chosen
