"""What patients send, validated. The templates draw the fields themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from outcomes.patient_site.sitting import REVISION, Section, Sitting, Step
from outcomes.responses.models import Remark
from outcomes.responses.services import Words, tidied

WRONG_CODE = _("Enter the code of six digits.")
WRONG_DATE = _("Enter the date of birth as three numbers, for example 27 3 1985.")
LONG_WORDS = _(
    "What you want to tell your clinic is %(length)d characters long. Shorten it to at most"
    " %(most)d: nothing is sent yet."
)
NO_WORDS = _(
    "Your clinic does not take words of your own any more. Empty the field to send your answers,"
    " and tell your clinic in another way."
)


class BirthDateForm(forms.Form):
    """Day, month and year; only a date that exists is ever compared and counted."""

    day = forms.IntegerField()
    month = forms.IntegerField()
    year = forms.IntegerField(min_value=1900)

    def clean(self) -> dict[str, Any]:
        """Put the date together; where that fails, one message stands for all three fields."""
        cleaned = super().clean() or {}
        try:
            cleaned["birth_date"] = date(*(int(cleaned[name]) for name in ("year", "month", "day")))
        except (KeyError, ValueError, OverflowError):
            self.add_error(None, forms.ValidationError(WRONG_DATE))
        return cleaned


class CodeForm(forms.Form):
    """The code of a tablet's hand-over, typed with or without spaces."""

    code = forms.CharField(
        max_length=20, error_messages={"required": WRONG_CODE, "max_length": WRONG_CODE}
    )

    def clean_code(self) -> str:
        """Return six digits; what is not that was never a code, and is no try at one."""
        code = "".join(self.cleaned_data["code"].replace("-", "").split())
        if len(code) != 6 or not code.isdecimal():
            raise forms.ValidationError(WRONG_CODE)
        return f"{int(code):06}"


class ForMeForm(forms.Form):
    """The reader says that the message is for them.

    A tick, because mail scanners press buttons.
    """

    is_mine = forms.BooleanField(
        error_messages={"required": _("Tick the box if this message is for you.")}
    )


class NotForMeForm(forms.Form):
    """The reader says that the message reached the wrong person; a tick, as above."""

    is_sure = forms.BooleanField(
        error_messages={"required": _("Tick the box to confirm, or go back.")}
    )


class AnswerForm(forms.Form):
    """One question's page as sent: which question, what was chosen, and where to go."""

    assignment = forms.UUIDField()
    item = forms.CharField(max_length=40)
    revision = forms.IntegerField(min_value=0)
    value = forms.IntegerField(required=False)
    action = forms.TypedChoiceField(
        choices=[(name, "") for name in ("next", "skip", "back", "all", "send")],
        required=False,
        empty_value="next",  # sent without a button, as by the Enter key of some browsers
    )
    review = forms.BooleanField(required=False)
    sitting_id = forms.UUIDField(required=False)

    def step_of(self, sitting: Sitting) -> Step | None:
        """Return the question that the page showed, whatever its number is by now."""
        return sitting.find(self.cleaned_data["assignment"], self.cleaned_data["item"])

    def is_of_another(self, sitting: Sitting) -> bool:
        """Say whether the page was another invitation's: its link was opened here before."""
        assignment = self.cleaned_data.get("assignment")
        asked = sitting.link.invitation.assignments
        return assignment is not None and not asked.filter(pk=assignment).exists()

    @property
    def chosen(self) -> int | None:
        """Return what was chosen; None for a question skipped or left open."""
        is_skipped = self.cleaned_data["action"] == "skip"
        return None if is_skipped else self.cleaned_data["value"]

    @property
    def is_left_open(self) -> bool:
        """Say whether nothing was chosen on a page that was not skipped."""
        return self.cleaned_data["action"] != "skip" and self.cleaned_data["value"] is None


class EveryAnswerForm(forms.Form):
    """The page that asks everything, as sent: what was chosen, by question."""

    action = forms.TypedChoiceField(
        choices=[(name, "") for name in ("next", "skip", "one")],
        required=False,
        empty_value="next",
    )

    def __init__(self, data: Any, sitting: Sitting) -> None:
        super().__init__(data)
        self.sitting = sitting
        for section in sitting.sections:
            self.fields[section.revision_name] = forms.IntegerField(min_value=0)
        for step in sitting.steps:
            self.fields[step.key] = forms.IntegerField(required=False)

    def answers(self) -> Iterator[tuple[Section, int, dict[str, int | None]]]:
        """Return what to store of each questionnaire, and in which revision it was seen.

        A question left open stays open, unless it may be, or all such are skipped.
        """
        action = self.cleaned_data["action"]
        for section in self.sitting.sections:
            chosen = {
                step.item.link_id: self.cleaned_data[step.key]
                for step in section.steps
                if self.cleaned_data[step.key] is not None
                or (not step.is_met and _may_skip(step, action))
            }
            yield section, self.cleaned_data[section.revision_name], chosen

    @property
    def is_of_another(self) -> bool:
        """Say whether the page asked questions, and none of this sitting's."""
        sent = {name for name in self.data if name.endswith(REVISION)}
        return bool(sent) and not any(row.revision_name in sent for row in self.sitting.sections)

    @property
    def shows_help(self) -> bool:
        """Say whether an answer that was sent calls for the crisis text."""
        return any(step.needs_help(self.cleaned_data[step.key]) for step in self.sitting.steps)


def _may_skip(step: Step, action: str) -> bool:
    return action == "skip" or (action == "next" and not step.item.required)


class SendForm(forms.Form):
    """The review page as sent: its own number, and the state of the answers it showed."""

    sitting_id = forms.UUIDField()
    seen = forms.CharField(max_length=200)

    def __init__(self, data: QueryDict, sitting: Sitting) -> None:
        super().__init__(data)
        self.sitting = sitting
        self.typed = typed_words(data)

    @property
    def words(self) -> Words | None:
        """Return what the patient wants to tell the clinic, if anything."""
        return Words(self.typed, get_language() or "") if self.typed else None

    @property
    def refusal(self) -> str:
        """Say why these words cannot be sent; empty where they can."""
        if len(self.typed) > Remark.LONGEST:
            return LONG_WORDS % {"length": len(self.typed), "most": Remark.LONGEST}
        return str(NO_WORDS) if self.typed and not self.sitting.takes_words else ""

    def is_of_another(self) -> bool:
        """Say whether the page was another invitation's."""
        invitation, _rest = self.sitting.seen.split(".", 1)
        return not self.cleaned_data["seen"].startswith(f"{invitation}.")


def typed_words(data: QueryDict) -> str:
    """Return the words a patient sent, as they would be stored, however many."""
    return tidied(data.get("remark", ""))
