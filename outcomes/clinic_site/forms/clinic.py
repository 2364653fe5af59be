"""Forms about the clinic itself: its settings, its members, its tokens."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from outcomes.clinic_site.forms.fields import ClockField, DayField, ZoneField
from outcomes.clinics.access import Role, Scope
from outcomes.clinics.models import (
    LOSS_BOUNDS,
    Clinic,
    LossKind,
    Membership,
    validate_alert_minutes,
)
from outcomes.review.standings import charted_choices, main_scale
from outcomes.scheduling.local_time import local_instant
from outcomes.scheduling.services import sendable_instrument
from outcomes.workflows import SCREENER

OWN_TEXT = _("What a patient in crisis should do, with local numbers, in your own words.")
OTHER_TEXT = _("Left empty, patients read the text in the clinic's own language instead.")
LONGEST_TOKEN = timedelta(days=366)


class MinutesField(forms.CharField):
    """Whole minutes as people write them: “15, 30, 60”."""

    widget = forms.TextInput(attrs={"class": "input-medium", "autocomplete": "off"})

    def prepare_value(self, value: Any) -> Any:
        """Show the numbers with commas between them."""
        return ", ".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Read whole numbers, or refuse the first that is none."""
        parts = [part.strip() for part in str(value or "").split(",") if part.strip()]
        for part in parts:
            if not part.isdecimal() or len(part) > 6:
                raise ValidationError(
                    _("“%(part)s” is no whole number of minutes.") % {"part": part}
                )
        return [int(part) for part in parts]

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare the numbers; what cannot be read has changed."""
        try:
            return bool(self.to_python(data) != initial)
        except ValidationError:
            return True


class ClinicForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a clinic decides about itself."""

    time_zone = ZoneField(label=_("Time zone"))
    quiet_from = ClockField(label=_("Quiet hours from"))
    quiet_until = ClockField(
        label=_("Quiet hours until"),
        help_text=_("On the patient's clock. No message to a patient leaves in between."),
    )

    alert_minutes = MinutesField(
        label=_("Minutes until the next people are told of an alert"),
        validators=[validate_alert_minutes],
        help_text=_(
            "All clinicians, then clinic admins too, then once more; after the last every hour,"
            " until a named person acknowledges."
        ),
    )

    main_instrument = forms.ChoiceField(
        label=_("Questionnaire of the caseload"),
        help_text=_(
            "Its scores, change and course stand in the list; all others are on each patient's"
            " page."
        ),
    )

    class Meta:
        model = Clinic
        fields = (
            "name",
            "display_name",
            "phone",
            "language",
            "time_zone",
            "checks_birth_date",
            "asks_screener",
            "watches_mania",
            "takes_words",
            "shows_visits",
            "shows_answers",
            "shows_trend",
            "main_instrument",
            "loss_kind",
            "loss_amount",
            "loss_in_a_row",
            "quiet_from",
            "quiet_until",
            "messages_per_day",
            "alert_minutes",
        )
        widgets = {
            "phone": forms.TextInput(attrs={"type": "tel", "class": "input-medium"}),
            "messages_per_day": forms.NumberInput(attrs={"class": "input-tiny"}),
            "loss_kind": forms.RadioSelect,
            "loss_amount": forms.NumberInput(attrs={"class": "input-tiny"}),
            "loss_in_a_row": forms.NumberInput(attrs={"class": "input-tiny"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        clinic = self.instance
        self._stored = {"crisis_text": clinic.crisis_text, "crisis_texts": clinic.crisis_texts}
        known = {**clinic.crisis_texts, clinic.language: clinic.crisis_text}
        # The clinic's own language first.
        languages = sorted(settings.LANGUAGES, key=lambda row: row[0] != clinic.language)
        for code, name in languages:
            self.fields[f"crisis_text_{code}"] = forms.CharField(
                label=_("Crisis text in %(language)s") % {"language": name},
                required=code == clinic.language,
                initial=known.get(code, ""),
                widget=forms.Textarea(attrs={"rows": 4, "lang": code}),
                help_text=OWN_TEXT if code == clinic.language else OTHER_TEXT,
            )
        texts = [f"crisis_text_{code}" for code, _name in languages]
        self.fields["main_instrument"].choices = charted_choices(clinic)  # type: ignore[attr-defined]
        self.order_fields(["name", "display_name", "phone", "language", *texts])

    def clean(self) -> dict[str, Any]:
        """Put the crisis texts together: the one in the clinic's own language must be there."""
        cleaned = super().clean() or self.cleaned_data
        texts = {
            code: text
            for code, _name in settings.LANGUAGES
            if (text := cleaned.pop(f"crisis_text_{code}", ""))
        }
        own = cleaned.get("language", self.instance.language)
        if own not in texts and own != self.instance.language:
            self.add_error(f"crisis_text_{own}", _("Needed: it is in the clinic's own language."))
        cleaned["crisis_text"] = texts.pop(own, "")
        cleaned["crisis_texts"] = texts
        return cleaned

    def clean_asks_screener(self) -> bool:
        """Refuse to ask what the clinic has no words for."""
        is_wanted: bool = self.cleaned_data["asks_screener"]
        clinic_id = self.instance.pk
        if is_wanted and not sendable_instrument(code=SCREENER, clinic_id=clinic_id):
            raise ValidationError(_("Enter the wording of the C-SSRS screener first."))
        return is_wanted

    def clean_loss_amount(self) -> int:
        """Refuse what the rule does not take, or no two scores can differ by."""
        amount: int = self.cleaned_data["loss_amount"]
        kind, code = self.cleaned_data.get("loss_kind"), self.cleaned_data.get("main_instrument")
        if kind is None or code is None:
            return amount
        low, high = LOSS_BOUNDS[LossKind(kind)]
        scale = main_scale(Clinic(pk=self.instance.pk, main_instrument=code)).scale
        if kind == LossKind.POINTS and scale is not None:
            high = min(high, int(scale.high - scale.low))
        if not low <= amount <= high:
            words = _("Give a whole number from %(low)d to %(high)d with this rule.")
            raise ValidationError(words % {"low": low, "high": high})
        return amount

    def changes(self) -> dict[str, Any]:
        """Return the columns that were changed."""
        names = [name for name in self.changed_data if not name.startswith("crisis_text_")]
        texts = ("crisis_text", "crisis_texts")
        names += [name for name in texts if self.cleaned_data[name] != self._stored[name]]
        return {name: self.cleaned_data[name] for name in names}


class RoleForm(forms.Form):
    """A member's role."""

    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)

    def __init__(self, member: Membership, data: Any = None) -> None:
        super().__init__(data, initial={"role": member.role})
        self.member = member


class PhoneForm(forms.Form):
    """The number to which a member's alerts go, beside their e-mail."""

    phone = forms.CharField(
        label=_("Telephone for alerts"),
        required=False,
        max_length=40,
        widget=forms.TextInput(
            attrs={"type": "tel", "autocomplete": "tel", "class": "input-medium"}
        ),
        help_text=_("With country code. Alerts go here as text messages, beside e-mail."),
    )


class MemberForm(forms.Form):
    """A new member."""

    email = forms.EmailField(
        label=_("E-mail address"), widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    name = forms.CharField(label=_("Name"), max_length=150)
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)


class TokenForm(forms.Form):
    """A new token."""

    name = forms.CharField(label=_("Name"), max_length=80, help_text=_("Which system uses it."))
    scopes = forms.MultipleChoiceField(
        label=_("It may"), choices=Scope.choices, widget=forms.CheckboxSelectMultiple
    )
    expires_on = DayField(label=_("Last day"), help_text=_("At most a year from today."))

    def clean_expires_on(self) -> date:
        """Refuse a day gone by, and a token without an end in sight."""
        day: date = self.cleaned_data["expires_on"]
        today = timezone.localdate()
        if not today <= day <= today + LONGEST_TOKEN:
            raise ValidationError(_("Enter a day between today and a year from today."))
        return day

    def expires_at(self, zone: str) -> datetime:
        """Return the end of the last day on the clinic's clock."""
        after: date = self.cleaned_data["expires_on"] + timedelta(days=1)
        return local_instant(after, time(0), zone)
