"""The session record as a form: the minimum first, the rest in groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.utils.translation import gettext_lazy as _

from outcomes.care.models import HELD, Course, SessionStatus, TreatmentSession
from outcomes.care.services import ImplausibleValues, next_number
from outcomes.care.session_record import NUMBER_AT_MOST, WHOLE_NUMBERS
from outcomes.clinic_site.forms.fields import DayField, MomentField, YesNoField, add_refusal
from outcomes.clinic_site.forms.session_rows import BLANK, ROW_FORMS, row_set

# Group of the page: its fields, and the list in it. docs/design.md names what a record holds.
GROUPS: dict[str, tuple[str, ...]] = {
    "details": ("phase", "ended_at", "formulation", "infusion_minutes", "lot"),
    "before": ("weight_kg", "weight_on", "has_fasted", "has_escort"),
    "concomitant": ("concomitant",),
    "vitals": ("vitals",),
    "effects": (
        "sedation",
        "sedation_minute",
        "dissociation",
        "dissociation_minute",
        "effects",
    ),
    "adverse_events": ("adverse_events",),
    "setting": ("setting", "prescriber", "monitor", "has_psychotherapy"),
    "discharge": ("ready_at", "discharge_condition"),
    "note": ("note",),
}
MINIMUM = (
    "number",
    "status",
    "status_reason",
    "planned_at",
    "started_at",
    "route",
    "drug",
    "dose_amount",
    "dose_unit",
)
COLUMNS = (
    *MINIMUM,
    *(name for names in GROUPS.values() for name in names if name not in ROW_FORMS),
)
UNITS = ("mg", "mcg", "mL", "sprays", "lozenges", "pulses")
RECORDED = _("Planned session recorded")
TINY, SHORT, MEDIUM = (
    {"class": f"input-{size}", "autocomplete": "off"} for size in ("tiny", "short", "medium")
)


class SessionForm(forms.ModelForm):  # type: ignore[type-arg]
    """The single values of a session record."""

    planned_at = MomentField(
        label=_("Planned for"), required=False, help_text=_("Empty: the time it started.")
    )
    started_at = MomentField(
        label=_("Started"), required=False, help_text=_("Empty: as planned, once it was held.")
    )
    ended_at = MomentField(label=_("Ended"), required=False)
    ready_at = MomentField(label=_("Ready for discharge"), required=False)
    weight_on = DayField(label=_("Weighed on"), required=False)
    has_fasted = YesNoField(label=_("Fasted"))
    has_escort = YesNoField(label=_("Escort present"))
    has_psychotherapy = YesNoField(label=_("With psychotherapy"))
    edit_reason = forms.CharField(
        label=_("Reason for the change"),
        max_length=200,
        required=False,
        help_text=_("Kept with what stood there before."),
    )

    class Meta:
        model = TreatmentSession
        fields = COLUMNS
        widgets = {
            **dict.fromkeys(
                (
                    "number",
                    "dose_amount",
                    "infusion_minutes",
                    "weight_kg",
                    "sedation",
                    "sedation_minute",
                    "dissociation",
                    "dissociation_minute",
                ),
                forms.NumberInput(attrs={**TINY, "inputmode": "decimal"}),
            ),
            **dict.fromkeys(
                ("phase", "drug", "formulation", "setting", "prescriber", "monitor"),
                forms.TextInput(attrs=MEDIUM),
            ),
            "drug": forms.TextInput(attrs={**MEDIUM, "list": "drugs"}),
            "lot": forms.TextInput(attrs=SHORT),
            "route": forms.Select(attrs=SHORT),
            "status": forms.Select(attrs={"class": "input-medium"}),
            "note": forms.Textarea(attrs={"rows": "4"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("dose_amount", "weight_kg"):
            if (number := self.initial.get(name)) is not None:
                self.initial[name] = f"{Decimal(number).normalize():f}"
        unit = self.instance.dose_unit
        units = UNITS if not unit or unit in UNITS else (*UNITS, unit)
        self.fields["dose_unit"] = forms.ChoiceField(
            label=_("Unit"),
            required=False,
            choices=[("", BLANK), *((name, name) for name in units)],
            widget=forms.Select(attrs=SHORT),
        )
        self.fields["status_reason"].label = _("Why stopped or not held")
        for name in WHOLE_NUMBERS:
            self.fields[name].validators.append(MaxValueValidator(NUMBER_AT_MOST))
        for field in self.fields.values():
            _blank_alike(field)
        self.was_planned = self.instance.status == SessionStatus.PLANNED
        if self.instance.entered_at is None:
            del self.fields["edit_reason"]
        elif self.was_planned:
            self.fields["edit_reason"].help_text = _("Not needed to record it as held.")

    def clean(self) -> dict[str, Any]:
        """Take the start for the plan when nothing was planned."""
        cleaned = super().clean() or {}
        if not cleaned.get("planned_at") and not {"planned_at", "started_at"} & set(self.errors):
            cleaned["planned_at"] = cleaned.get("started_at")
            if cleaned["planned_at"] is None:
                self.add_error(
                    "planned_at", _("Say when the session is planned, or when it started.")
                )
        return cleaned

    def lacks_reason(self) -> bool:
        """Say whether a change still owes its reason."""
        is_first_record = self.was_planned and self.cleaned_data.get("status") in HELD
        return "edit_reason" in self.fields and not (is_first_record or self._given_reason())

    def reason(self) -> str:
        """Return why the record is changed; recording a planned session as held says so itself."""
        return self._given_reason() or str(RECORDED)

    def _given_reason(self) -> str:
        return str(self.cleaned_data.get("edit_reason") or "")


def _blank_alike(field: forms.Field) -> None:
    if isinstance(field.widget, forms.Select):
        field.widget.choices = [
            (code, BLANK if code in ("", "unknown") else label)
            for code, label in field.widget.choices
        ]


class Confirming:
    """A form being typed, and what asks for confirmation before it is kept."""

    form: forms.BaseForm

    def __init__(self, data: Any = None) -> None:
        self.confirmed: list[str] = data.getlist("confirmed") if data else []
        self.doubts: dict[str, list[str]] = {}

    def keep(self, save: Callable[..., TreatmentSession]) -> TreatmentSession | None:
        """Save, and return the session; None when something was refused or is to be confirmed.

        A value outside the plausible range is asked about once, by its own sentence, and kept as
        entered when that very sentence was confirmed.
        """
        try:
            return save(is_confirmed=False)
        except ImplausibleValues as doubts:
            sentences = doubts.message_dict
            if {text for texts in sentences.values() for text in texts} <= set(self.confirmed):
                return save(is_confirmed=True)
            self.doubts = sentences
        except ValidationError as error:
            add_refusal(self.form, error)
        return None


class SessionEntry(Confirming):
    """A session record being typed: the form, its lists, and what asks for confirmation."""

    def __init__(
        self, session: TreatmentSession, data: Any = None, initial: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(data)
        self.session = session
        # Kept apart, for the form writes what was typed onto the session.
        self.stored = {name: getattr(session, name) for name in (*COLUMNS, *ROW_FORMS)}
        self.form: SessionForm = SessionForm(data, instance=session, initial=dict(initial or {}))
        self.rows = {name: row_set(name, self.stored[name], data) for name in ROW_FORMS}

    @classmethod
    def new(cls, course: Course, status: SessionStatus, data: Any = None) -> SessionEntry:
        """Begin a record in a course, with the next number."""
        session = TreatmentSession(course=course, episode=course.episode, clinic=course.clinic)
        return cls(session, data, {"number": next_number(course), "status": status})

    def is_valid(self) -> bool:
        """Check the form and every row of every list; a change needs its reason."""
        is_valid = all([self.form.is_valid(), *(rows.is_valid() for rows in self.rows.values())])
        if self.form.lacks_reason() and (not is_valid or self.changes()):
            self.form.add_error("edit_reason", _("Say why the record is changed."))
            return False
        return is_valid

    def record(self) -> dict[str, Any]:
        """Return the whole record."""
        values = {name: self.form.cleaned_data[name] for name in COLUMNS}
        return {**values, **{name: rows.rows() for name, rows in self.rows.items()}}

    def changes(self) -> dict[str, Any]:
        """Return the columns that were changed."""
        touched = set(self.form.changed_data)
        touched |= {
            name for name, rows in self.rows.items() if rows.differs_from(self.stored[name])
        }
        record = self.record().items()
        return {
            name: value for name, value in record if name in touched and value != self.stored[name]
        }

    @property
    def problem_list(self) -> list[tuple[str, str]]:
        """Return every error, for the top of the page."""
        return list(self._problems())

    def _problems(self) -> Iterator[tuple[str, str]]:
        # (the id of the field, label and sentence), in the page's order
        for form in (self.form, *(form for rows in self.rows.values() for form in rows.forms)):
            for error in form.non_field_errors():
                yield "", str(error)
            for field in form:
                for error in field.errors:
                    yield str(field.auto_id), f"{field.label}: {error}"

    @property
    def open_groups(self) -> set[str]:
        """Return the groups that stand open: those with something asked about or refused."""
        troubled = {*self.doubts, *self.form.errors}
        troubled |= {name for name, rows in self.rows.items() if any(rows.errors)}
        return {group for group, names in GROUPS.items() if troubled & set(names)}


class MoveForm(forms.Form):
    """Another time for a session, and why."""

    planned_at = MomentField(label=_("New time"))
    reason = forms.CharField(label=_("Reason"), max_length=200)


class MoveEntry(Confirming):
    """A session being moved, and what asks for confirmation."""

    def __init__(self, session: TreatmentSession, data: Any = None) -> None:
        super().__init__(data)
        self.form: MoveForm = MoveForm(data, initial={"planned_at": session.planned_at})

    @property
    def has_changed(self) -> bool:
        """Say whether another time was given."""
        return "planned_at" in self.form.changed_data


class CancelForm(forms.Form):
    """What became of a planned session that was not held, and why."""

    status = forms.ChoiceField(
        label=_("What happened"),
        choices=[
            (SessionStatus.CANCELLED, _("It was cancelled")),
            (SessionStatus.NO_SHOW, _("The patient did not come")),
        ],
        widget=forms.RadioSelect,
    )
    reason = forms.CharField(label=_("Reason"), max_length=200)
