"""Hearing back: from providers, from phones, from readers of mail."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from outcomes.audit import services as audit
from outcomes.care.models import (
    Contact,
)
from outcomes.delivery import services as delivery
from outcomes.delivery.models import (
    ProviderEventKind,
)


@audit.atomic()
def take_report(*, report: delivery.Report, now: datetime) -> None:
    """Keep what a provider reports of a message, and stop what does not reach its patient."""
    delivery.take_report(report=report, now=now)


@audit.atomic()
def hear_phone(*, report: delivery.Report, now: datetime) -> str:
    """Do what a phone replied (STOP, START), and return what to answer it; mostly nothing."""
    asks = report.kind in (ProviderEventKind.HELP, ProviderEventKind.OTHER)
    answer = delivery.help_for(report=report, now=now) if asks else ""
    delivery.take_report(report=report, now=now)
    return answer


@audit.atomic()
def unsubscribe(*, contact: Contact, message_id: UUID, now: datetime) -> None:
    """Send no more mail to an address whose reader says so."""
    delivery.unsubscribe(contact=contact, message_id=message_id, now=now)
