"""Forms about the person: enrolling, changing details, contacts and consent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from outcomes import workflows
from outcomes.audit.models import Actor
from outcomes.care import services as care
from outcomes.care.models import (
    Channel,
    Consent,
    CourseKind,
    EpisodeOfCare,
    Indication,
    Patient,
)
from outcomes.clinic_site.forms.fields import DayField, ZoneField
from outcomes.clinic_site.forms.planned_sessions import PlannedSessionsForm
from outcomes.clinics.access import Role
from outcomes.clinics.models import Clinic, Membership, User
from outcomes.scheduling.models import Schedule

DETAILS = ("given_name", "family_name", "birth_date", "record_number", "language", "time_zone")
OLDEST = date(1900, 1, 1)


def clinicians_of(clinic: Clinic) -> QuerySet[User]:
    """Return who may answer for a patient: the clinic's clinicians and admins of today."""
    members = Membership.objects.active().filter(
        clinic=clinic, role__in=(Role.CLINICIAN, Role.CLINIC_ADMIN)
    )
    return User.objects.filter(pk__in=members.values("user")).order_by("name")


class ClinicianField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Who answers for the patient and is told of alerts."""

    def __init__(self, clinic: Clinic) -> None:
        super().__init__(
            queryset=clinicians_of(clinic),
            label=_("Responsible"),
            help_text=_("They are told first when an answer needs a person."),
            widget=forms.CheckboxSelectMultiple,
        )


class ScheduleField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """What the patient is asked, and when; none asks nothing."""

    def __init__(self, clinic: Clinic) -> None:
        super().__init__(
            queryset=Schedule.objects.usable_by(clinic.pk).current().order_by("name", "clinic"),
            label=_("Questionnaires"),
            empty_label=_("None: nothing is asked"),
            required=False,
        )

    def label_from_instance(self, obj: Any) -> str:
        """Name a schedule without its version; one of the clinic's own may bear a shipped name."""
        return str(obj.name if obj.clinic_id is None else _("%s (the clinic's own)") % obj.name)


class DetailsForm(forms.ModelForm):  # type: ignore[type-arg]
    """The patient's own details."""

    birth_date = DayField(label=_("Date of birth"), required=False)
    time_zone = ZoneField(
        label=_("Time zone"), help_text=_("Where the patient lives. Messages keep its quiet hours.")
    )

    class Meta:
        model = Patient
        fields = DETAILS
        widgets = {"record_number": forms.TextInput(attrs={"class": "input-medium"})}

    def __init__(self, *args: Any, clinic: Clinic, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if clinic.checks_birth_date:
            # Without it the patient could never pass the check before a form.
            self.fields["birth_date"].required = True
            self.fields["birth_date"].help_text = _("Asked of the patient before a form opens.")

    def clean_birth_date(self) -> date | None:
        """Refuse a day nobody alive was born on."""
        born: date | None = self.cleaned_data["birth_date"]
        if born is not None and not OLDEST <= born <= timezone.localdate():
            raise ValidationError(_("Enter a date of birth in the past."))
        return born

    def details(self) -> dict[str, Any]:
        """Return the columns of Patient."""
        return {name: self.cleaned_data[name] for name in DETAILS}

    def changes(self) -> dict[str, Any]:
        """Return the columns that were changed."""
        return {name: self.cleaned_data[name] for name in self.changed_data}


class EnrolForm(PlannedSessionsForm, DetailsForm):
    """Everything it takes to enrol a patient, on one page."""

    email = forms.EmailField(
        label=_("E-mail address"),
        required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    consents_to_email = forms.BooleanField(
        label=_("The patient agrees to be asked by e-mail"), required=False
    )
    phone = forms.CharField(
        label=_("Telephone number"),
        required=False,
        help_text=_("With the country code, like +1 202 555 0123."),
        widget=forms.TextInput(
            attrs={"type": "tel", "autocomplete": "off", "class": "input-medium"}
        ),
    )
    consents_to_sms = forms.BooleanField(
        label=_("The patient agrees to be asked by text message"), required=False
    )
    indication = forms.ChoiceField(label=_("Indication"), choices=[("", "—"), *Indication.choices])
    course_kind = forms.ChoiceField(
        label=_("Course"), choices=CourseKind.choices, initial=CourseKind.INDUCTION
    )

    class Meta(DetailsForm.Meta):
        pass

    def __init__(self, *args: Any, clinic: Clinic, **kwargs: Any) -> None:
        super().__init__(*args, clinic=clinic, **kwargs)
        self.fields["clinicians"] = ClinicianField(clinic)
        self.fields["schedule"] = ScheduleField(clinic)

    def clean_phone(self) -> str:
        """Return the number as it is stored."""
        number: str = self.cleaned_data["phone"]
        return care.normalise_contact(Channel.SMS, number) if number else ""

    def clean(self) -> dict[str, Any]:
        """Refuse a consent to something that was not given."""
        cleaned = super().clean()
        for consent, contact in (("consents_to_email", "email"), ("consents_to_sms", "phone")):
            if cleaned.get(consent) and not cleaned.get(contact) and contact not in self.errors:
                self.add_error(contact, _("Needed, as the patient agreed to be asked this way."))
        return cleaned

    def contacts(self) -> dict[Channel, str]:
        """Return how to reach the patient."""
        given = {Channel.EMAIL: self.cleaned_data["email"], Channel.SMS: self.cleaned_data["phone"]}
        return {channel: value for channel, value in given.items() if value}

    def consents(self) -> list[Channel]:
        """Return the channels the patient agreed to."""
        given = {Channel.EMAIL: "consents_to_email", Channel.SMS: "consents_to_sms"}
        return [channel for channel, name in given.items() if self.cleaned_data[name]]

    def save_for(self, clinic: Clinic, by: Actor, now: datetime) -> workflows.Enrolment:
        """Enrol the patient; raises ValidationError."""
        given = self.cleaned_data
        schedule = given["schedule"]
        return workflows.enrol_patient(
            clinic=clinic,
            details=self.details(),
            contacts=self.contacts(),
            consents=self.consents(),
            indication=given["indication"],
            clinicians=given["clinicians"],
            course_kind=given["course_kind"],
            schedule_id=schedule.pk if schedule else None,
            sessions_planned_at=self.planned_sessions(clinic.time_zone),
            by=by,
            now=now,
        )


class ContactForm(forms.Form):
    """How to reach the patient by one channel, and whether they agree to it."""

    value = forms.CharField(label=_("Address or number"), required=False, max_length=254)
    is_given = forms.BooleanField(
        label=_("The patient agrees to be asked this way"), required=False
    )

    def __init__(self, patient: Patient, channel: Channel, data: Any = None) -> None:
        self.patient, self.channel = patient, channel
        contact = patient.contacts.filter(channel=channel).first()
        self.consent = Consent.objects.latest_for(patient, channel)
        initial = {
            "value": contact.value if contact else "",
            # Unticked once the patient has opted out: a tick then is a new consent.
            "is_given": self.consent is not None
            and self.consent.is_given
            and not (contact and contact.suppressed_reason in care.OWN_WORD),
        }
        super().__init__(data, initial=initial, prefix=channel)
        is_email = channel == Channel.EMAIL
        self.fields["value"].label = _("E-mail address") if is_email else _("Telephone number")
        self.fields["value"].widget.input_type = "email" if is_email else "tel"
        self.fields["value"].widget.attrs = {"autocomplete": "off", "maxlength": "254"}

    def clean_value(self) -> str:
        """Return the address or number as it is stored; empty forgets it."""
        value: str = self.cleaned_data["value"]
        return care.normalise_contact(self.channel, value) if value else ""

    def clean(self) -> dict[str, Any]:
        """Refuse a consent to something that was not given."""
        cleaned = super().clean() or {}
        if cleaned.get("is_given") and not cleaned.get("value") and "value" not in self.errors:
            self.add_error("value", _("Needed, as the patient agreed to be asked this way."))
        return cleaned

    def save(self, by: Actor, now: datetime) -> None:
        """Keep what was changed."""
        given: dict[str, Any] = self.cleaned_data
        whom: dict[str, Any] = {
            "patient": self.patient,
            "channel": self.channel,
            "by": by,
            "now": now,
        }
        # The same address saved again says that it is right after all.
        if given["value"] or "value" in self.changed_data:
            workflows.change_contact(value=given["value"], **whom)
        if "is_given" in self.changed_data:
            workflows.decide_consent(is_given=given["is_given"], **whom)


class CliniciansForm(forms.Form):
    """Who answers for an episode."""

    def __init__(self, episode: EpisodeOfCare, data: Any = None) -> None:
        super().__init__(data, initial={"clinicians": list(episode.clinicians.all())})
        self.fields["clinicians"] = ClinicianField(episode.clinic)


class FindForm(forms.Form):
    """Look for a patient by name or record number."""

    text = forms.CharField(
        label=_("Name or record number"),
        max_length=100,
        required=False,
        widget=forms.TextInput(
            attrs={"type": "search", "autocomplete": "off", "class": "input-medium"}
        ),
    )

    def matches(self, patients: QuerySet[Patient]) -> QuerySet[Patient]:
        """Keep the patients that every word typed is found in."""
        for word in self._words():
            patients = patients.filter(
                Q(given_name__icontains=word)
                | Q(family_name__icontains=word)
                | Q(record_number__icontains=word)
            )
        return patients

    def _words(self) -> Iterator[str]:
        yield from (self.cleaned_data.get("text", "") if self.is_valid() else "").split()
