"""Walk the audit chains and print each place where one was edited, reordered or cut."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from outcomes.audit.models import AuditChain
from outcomes.audit.services import find_breaks


class Command(BaseCommand):
    """Check every clinic's audit record; exit status 1 if one is not whole."""

    help = "Check that no audit event was edited, reordered or cut."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print each chain's end, to be kept elsewhere, and every break."""
        broken = 0
        for chain in AuditChain.objects.order_by("clinic_id"):
            breaks = list(find_breaks(chain.clinic_id))
            broken += bool(breaks)
            self.stdout.write(f"{chain.clinic_id} {chain.number} {chain.hash}")
            for sentence in breaks:
                self.stderr.write(f"{chain.clinic_id} {sentence}")
        if broken:
            raise CommandError(f"{broken} of the audit chains are not whole.")
