"""Narrowing and paging the long lists; the newest stand first, a page ends at a key."""

from __future__ import annotations

from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from outcomes.audit.models import AuditEvent
from outcomes.delivery.models import Message, MessageKind, MessageState

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
