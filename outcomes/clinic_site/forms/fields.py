"""Fields and refusals as every staff form has them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

MINUTE = "%Y-%m-%dT%H:%M"


class DayField(forms.DateField):
    """A day, with the browser's own calendar."""

    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "class": "input-short"})


class MomentField(forms.DateTimeField):
    """A moment to the minute, on the current time zone's clock."""

    widget = forms.DateTimeInput(
        format=MINUTE, attrs={"type": "datetime-local", "class": "input-medium"}
    )

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare what people see: seconds are kept unless the minute changes."""
        if isinstance(initial, datetime) and data:
            return timezone.localtime(initial).strftime(MINUTE) != str(data)[:16]
        return super().has_changed(initial, data)


class ClockField(forms.TimeField):
    """A time of day."""

    widget = forms.TimeInput(format="%H:%M", attrs={"type": "time", "class": "input-short"})


class ZoneField(forms.CharField):
    """A time zone's name; the page offers the list with the id `time-zones`."""

    widget = forms.TextInput(
        attrs={"list": "time-zones", "autocomplete": "off", "class": "input-medium"}
    )


class YesNoField(forms.NullBooleanField):
    """Yes, no, or not recorded."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.widget.choices = [
            ("unknown", _("Not recorded")),
            ("true", _("Yes")),
            ("false", _("No")),
        ]
        self.widget.attrs["class"] = "input-short"


@contextmanager
def refusals_on(form: forms.BaseForm) -> Iterator[None]:
    """Put what a service refuses onto the form: each sentence at its field, or above them all."""
    try:
        yield
    except ValidationError as error:
        add_refusal(form, error)
    except IntegrityError:
        # Two people saved at the same moment; the database kept the first.
        form.add_error(None, _("Somebody else saved just now. Look again, then save."))


def add_refusal(form: forms.BaseForm, error: ValidationError) -> None:
    """Put one refusal onto the form."""
    by_field = getattr(error, "error_dict", None) or {NON_FIELD_ERRORS: error.error_list}
    for field, errors in by_field.items():
        form.add_error(field if field in form.fields else None, errors)
