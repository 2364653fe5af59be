"""The lists inside a session record: readings, medicines, effects, adverse events.

Without JavaScript there is a fixed number of spare rows; an empty row is no row, and emptying a
stored one removes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from outcomes.care.session_record import NUMBER_AT_MOST, SEVERITIES
from outcomes.clinic_site.forms.fields import DayField

# The blank of every choice, alike in all of them.
BLANK = "—"
# The named readings a record offers: the minute is offered, the reading is the person's.
SLOTS: dict[str, tuple[Any, dict[str, int]]] = {
    "before": (_("Before"), {"minute": 0}),
    "middle": (_("About 40 minutes"), {"minute": 40}),
    "discharge": (_("Discharge"), {}),
}
EFFECTS = {
    "nausea": _("Nausea"),
    "headache": _("Headache"),
    "dizziness": _("Dizziness"),
    "anxiety": _("Anxiety"),
}
SEVERITY_WORDS = {
    "none": _("None"),
    "mild": _("Mild"),
    "moderate": _("Moderate"),
    "severe": _("Severe"),
}


class NumberField(forms.FloatField):
    """A number that stays whole when it is typed whole."""

    widget = forms.NumberInput(attrs={"class": "input-tiny", "inputmode": "decimal", "step": "any"})

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=-NUMBER_AT_MOST, max_value=NUMBER_AT_MOST, **options)

    def clean(self, value: Any) -> Any:
        """Return an int, a float or None."""
        number = super().clean(value)
        return int(number) if number is not None and number.is_integer() else number


class Row(forms.Form):
    """One row of a list. `key` names the column that makes it a row at all."""

    key: ClassVar[str]
    key_missing: ClassVar[Any]
    label: Any = ""

    def clean(self) -> dict[str, Any]:
        """Refuse a row that says something about nothing."""
        cleaned = super().clean() or {}
        if not self.errors and not _is_filled(cleaned.get(self.key)) and self._says_something():
            self.add_error(self.key, self.key_missing)
        return cleaned

    def _says_something(self) -> bool:
        return any(
            _is_filled(value) for name, value in self.cleaned_data.items() if name != self.key
        )

    def row(self) -> dict[str, Any] | None:
        """Return the columns that were filled in; None for an empty row."""
        filled = {name: value for name, value in self.cleaned_data.items() if _is_filled(value)}
        return filled if self.key in filled else None


def _is_filled(value: Any) -> bool:
    return value is not None and value != ""


class VitalsRow(Row):
    """One reading, so many minutes after the start."""

    key = "minute"
    key_missing = _("Say at which minute.")
    slot = forms.ChoiceField(
        required=False,
        choices=[("", BLANK), *((code, label) for code, (label, _offer) in SLOTS.items())],
        widget=forms.HiddenInput(),
    )
    minute = NumberField(label=_("Minute"), required=False)
    systolic = NumberField(label=_("Systolic"), required=False)
    diastolic = NumberField(label=_("Diastolic"), required=False)
    heart_rate = NumberField(label=_("Heart rate"), required=False)
    spo2 = NumberField(label=_("SpO₂ %"), required=False)
    respiratory_rate = NumberField(label=_("Breaths/min"), required=False)

    def clean(self) -> dict[str, Any]:
        """Refuse a minute somebody typed without a reading."""
        cleaned = super().clean()
        is_typed = "minute" in self.changed_data and _is_filled(cleaned.get("minute"))
        if is_typed and not self.errors and not self._says_something():
            self.add_error("minute", _("Add a reading, or empty the row."))
        return cleaned

    def _says_something(self) -> bool:
        named = {self.key, "slot"}
        given = self.cleaned_data.items()
        return any(_is_filled(value) for name, value in given if name not in named)

    def row(self) -> dict[str, Any] | None:
        """Return the reading; a minute alone, as offered, is none."""
        return super().row() if self._says_something() else None


class MedicineRow(Row):
    """Another medicine, and when it was last taken."""

    key = "medicine"
    key_missing = _("Name the medicine.")
    medicine = forms.CharField(
        label=_("Medicine"),
        required=False,
        max_length=80,
        widget=forms.TextInput(
            attrs={"list": "medicines", "autocomplete": "off", "class": "input-medium"}
        ),
    )
    last_taken_on = DayField(label=_("Last taken on"), required=False)

    def row(self) -> dict[str, Any] | None:
        """Return the row with its day as text."""
        row = super().row()
        if row and "last_taken_on" in row:
            row["last_taken_on"] = row["last_taken_on"].isoformat()
        return row


class EffectRow(Row):
    """An effect during the session: how strong, from when, until when."""

    key = "severity"
    key_missing = _("Say how severe.")
    effect = forms.CharField(
        label=_("Effect"),
        required=False,
        max_length=60,
        widget=forms.TextInput(attrs={"autocomplete": "off", "class": "input-medium"}),
    )
    severity = forms.ChoiceField(
        label=_("Severity"),
        required=False,
        choices=[("", BLANK), *((code, SEVERITY_WORDS[code]) for code in SEVERITIES)],
        widget=forms.Select(attrs={"class": "input-short"}),
    )
    onset_minute = NumberField(label=_("From minute"), required=False)
    resolved_minute = NumberField(label=_("Until minute"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name = (self.initial or {}).get("effect")
        self.fixed_label = EFFECTS.get(name) if name else None
        if self.fixed_label:
            self.fields["effect"].widget = forms.HiddenInput()

    def clean(self) -> dict[str, Any]:
        """Refuse a severity of nothing."""
        cleaned = super().clean()
        if cleaned.get("severity") and not cleaned.get("effect"):
            self.add_error("effect", _("Name the effect."))
        return cleaned

    def _says_something(self) -> bool:
        given = self.cleaned_data
        named = given.get("effect") and not self.fixed_label
        minutes = (given.get("onset_minute"), given.get("resolved_minute"))
        return bool(named) or any(_is_filled(minute) for minute in minutes)


class AdverseEventRow(Row):
    """An adverse event: what, serious or not, what was done, what came of it."""

    key = "term"
    key_missing = _("Name the event.")
    term = forms.CharField(label=_("Event"), required=False, max_length=120)
    is_serious = forms.TypedChoiceField(
        label=_("Serious"),
        required=False,
        choices=[("", BLANK), ("no", _("Not serious")), ("yes", _("Serious"))],
        coerce=lambda text: text == "yes",
        empty_value=None,
        widget=forms.Select(attrs={"class": "input-short"}),
    )
    action = forms.CharField(label=_("Action"), required=False, max_length=120)
    outcome = forms.CharField(label=_("Outcome"), required=False, max_length=120)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        serious = (self.initial or {}).get("is_serious")
        if isinstance(serious, bool):
            self.initial["is_serious"] = "yes" if serious else "no"

    def clean(self) -> dict[str, Any]:
        """Refuse an event of unknown weight."""
        cleaned = super().clean()
        if cleaned.get("term") and cleaned.get("is_serious") is None:
            self.add_error("is_serious", _("Say whether it was serious."))
        return cleaned


class RowSet(forms.BaseFormSet):  # type: ignore[type-arg]
    """One list of a session record."""

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows that were filled in, in their order."""
        return [row for form in self.forms if (row := form.row()) is not None]

    def differs_from(self, stored: Iterable[Mapping[str, Any]]) -> bool:
        """Say whether somebody changed the list; an empty cell is none, whoever stored it."""
        return self.has_changed() and self.rows() != [_filled(row) for row in stored]


def _filled(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if _is_filled(value)}


ROW_FORMS: dict[str, tuple[type[Row], int]] = {
    # list: (its form, spare rows beside the stored or named ones)
    "concomitant": (MedicineRow, 4),
    "vitals": (VitalsRow, 3),
    "effects": (EffectRow, 2),
    "adverse_events": (AdverseEventRow, 2),
}


def initial_rows(name: str, stored: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the stored rows, and the named ones that a record offers beside them."""
    rows = [dict(row) for row in stored]
    if name == "vitals":
        taken = slots_of(rows)
        offers = ((code, offer) for code, (_label, offer) in SLOTS.items() if code not in taken)
        return [*rows, *({"slot": code, **offer} for code, offer in offers)]
    if name == "effects":
        by_name = {row.get("effect"): row for row in rows}
        named = [by_name.pop(effect, {"effect": effect}) for effect in EFFECTS]
        return [*named, *by_name.values()]
    return rows


def slots_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the slot of each reading, "" for one without.

    A reading that came without a slot stands for the one whose minute it has, if that is free.
    """
    rows = list(rows)
    offered = {offer["minute"]: code for code, (_label, offer) in SLOTS.items() if offer}
    slots = [str(row.get("slot") or "") for row in rows]
    for position, row in enumerate(rows):
        code = offered.get(row.get("minute"), "")  # type: ignore[arg-type]
        if not slots[position] and code not in slots:
            slots[position] = code
    return slots


def row_set(name: str, stored: Iterable[Mapping[str, Any]], data: Any) -> RowSet:
    """Return the form set of one list."""
    form, spare = ROW_FORMS[name]
    factory = forms.formset_factory(form, formset=RowSet, extra=spare)
    offered = initial_rows(name, stored)
    rows = factory(data, initial=offered, prefix=name)
    assert isinstance(rows, RowSet)
    slots = slots_of(offered) if name == "vitals" else []
    for position, row in enumerate(rows.forms):
        slot = slots[position] if position < len(slots) else ""
        row.label = SLOTS[slot][0] if slot else _("Row %d") % (position + 1)
    return rows
