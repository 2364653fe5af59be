"""Narrowing and paging the long lists; the newest stand first, a page ends at a key."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from outcomes.audit.models import AuditEvent
from outcomes.care.models import Indication
from outcomes.delivery.models import Message, MessageKind, MessageState
from outcomes.review.caseload import Filters
from outcomes.review.worklists import WORKLISTS

ANY = ("", _("All"))


class MessageFilter(forms.Form):
    """Which messages, and from which on."""

    kind = forms.ChoiceField(label=_("Kind"), required=False, choices=[ANY, *MessageKind.choices])
    state = forms.ChoiceField(
        label=_("State"), required=False, choices=[ANY, *MessageState.choices]
    )
    before = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def narrow(self, rows: QuerySet[Message]) -> QuerySet[Message]:
        """Keep what was asked for; a filter that makes no sense is none."""
        self.is_valid()
        given = self.cleaned_data
        wanted = {name: given[name] for name in ("kind", "state") if given.get(name)}
        # The last row of the page before; of messages made in one moment the key decides.
        last = rows.filter(pk=given["before"]).first() if given.get("before") else None
        rows = rows.filter(**wanted)
        if last is None:
            return rows
        same = Q(created_at=last.created_at, pk__lt=last.pk)
        return rows.filter(Q(created_at__lt=last.created_at) | same)


class AuditFilter(forms.Form):
    """Which events, and from which on."""

    patient = forms.UUIDField(required=False, widget=forms.HiddenInput)
    before = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    def narrow(self, rows: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        """Keep what was asked for; a filter that makes no sense is none."""
        self.is_valid()
        given = self.cleaned_data
        if given.get("patient"):
            rows = rows.filter(patient_id=given["patient"])
        return rows.filter(number__lt=given["before"]) if given.get("before") else rows


class CaseloadFilter(forms.Form):
    """Which open episodes, and after which line; what makes no sense is left out."""

    who = forms.ChoiceField(required=False, choices=[("mine", ""), ("all", "")])
    list = forms.ChoiceField(
        required=False, choices=[("", ""), *((each.code, each.title) for each in WORKLISTS)]
    )
    indication = forms.ChoiceField(
        label=_("Indication"), required=False, choices=[ANY, *Indication.choices]
    )
    after = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any, *, who: str) -> None:
        super().__init__(data)
        self.is_valid()
        self._who = who

    def filters(self) -> Filters:
        """Return the filters; a clinician's own patients or all, unless it is said."""
        given = self.cleaned_data
        return Filters(
            only_mine=(given.get("who") or self._who) == "mine",
            worklist=given.get("list", ""),
            indication=given.get("indication", ""),
        )

    @property
    def begins_after(self) -> UUID | None:
        """Return the line after which the page begins."""
        found: UUID | None = self.cleaned_data.get("after")
        return found


class ViewForm(forms.Form):
    """The name under which a narrowed caseload is kept."""

    name = forms.CharField(
        label=_("Save this view as"),
        max_length=60,
        widget=forms.TextInput(attrs={"autocomplete": "off", "class": "input-short"}),
    )
