"""Notice a database that was restored from a backup, so that nothing is sent to patients twice.

While dispatchers run, the database and a file outside it (in VAR_DIR) both hold until when they
did. A restored database is behind the file. A host whose file is missing or older cannot tell, and
trusts the database only while its mark is fresh, which it is when another dispatcher runs.
`workflows.reconcile` brings both up to date.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q

from outcomes.delivery.models import DispatcherLoop, DispatchMark, Lane, Message, MessageState

log = logging.getLogger(__name__)

WRITE_EVERY = timedelta(seconds=10)
# More than clocks of hosts differ and than a standby may lose; a younger backup goes unnoticed.
TOLERANCE = timedelta(minutes=2)
MAY_HAVE_BEEN_SENT = "restored: may have been sent"
PAGED_ANEW = "restored: paged anew"
# More attempts than any message has had since the backup.
FENCES = 1_000_000


def is_restored(now: datetime) -> bool:
    """Say whether this database may be older than what was sent from it: hold the bulk lane."""
    mark = DispatchMark.objects.first()
    if mark is None:  # nothing was ever sent from it
        return False
    seen = _read(mark)
    # Once more, after the file: another dispatcher may have moved both on between the two looks.
    mark.refresh_from_db()
    if seen is not None and seen > mark.sent_until + TOLERANCE:
        return True
    saw_the_last = seen is not None and seen >= mark.sent_until - TOLERANCE
    return not saw_the_last and mark.sent_until < now - TOLERANCE


def is_held() -> bool:
    """Say whether a dispatcher holds the bulk lane: it goes on, and the mark stands still.

    Asks the database alone, so that every host says the same.
    """
    mark = DispatchMark.objects.first()
    if mark is None:
        return False
    return DispatcherLoop.objects.filter(finished_at__gt=mark.sent_until + TOLERANCE).exists()


def note_mark(now: datetime) -> None:
    """Remember, at most every ten seconds, that a dispatcher went through its lane at `now`.

    Keeps still while the database may be a restored one: its mark must not catch up by itself.
    """
    mark, _created = DispatchMark.objects.get_or_create(pk=1, defaults={"sent_until": now})
    seen = _read(mark)
    if (seen is not None and now - seen < WRITE_EVERY) or is_restored(now):
        return
    # The database first: its mark is never behind the file while it is whole.
    DispatchMark.objects.filter(sent_until__lt=now).update(sent_until=now)
    _write(mark, now)


def lock_mark(now: datetime) -> DispatchMark:
    """Return the database's mark, locked until the transaction ends."""
    DispatchMark.objects.get_or_create(pk=1, defaults={"sent_until": now})
    return DispatchMark.objects.select_for_update().get()


def mark_reconciled(now: datetime) -> None:
    """Trust the database from now on. Call `keep_mark` once this is committed."""
    DispatchMark.objects.update_or_create(pk=1, defaults={"sent_until": now, "reconciled_at": now})
    DispatcherLoop.objects.all().delete()


def keep_mark() -> None:
    """Write the database's mark to the file outside it."""
    mark = DispatchMark.objects.get()
    _write(mark, mark.sent_until)


def cancel_probably_sent(*, until: datetime, now: datetime) -> int:
    """Cancel bulk messages that fell due until then, and what was queued just now; return how many.

    No dispatcher that lived through the restore can record anything on what is left: its fence is
    far behind.
    """
    unsent = Message.objects.unsent()
    probably_sent = Q(not_before__lte=until) | Q(state=MessageState.SENDING)
    queued_now = Q(created_at=now, not_before__lte=now)
    cancelled = unsent.filter(probably_sent | queued_now, lane=Lane.BULK).update(
        state=MessageState.CANCELLED, state_reason=MAY_HAVE_BEEN_SENT, lease_until=None
    )
    unsent.update(
        state=MessageState.PENDING, lease_until=None, begun_at=None, fence=F("fence") + FENCES
    )
    return cancelled


def cancel_pages_waiting(*, alert_ids: Iterable[UUID]) -> None:
    """Cancel the pages of these alerts that wait to be sent: new ones take their place."""
    Message.objects.filter(alert__in=list(alert_ids)).unsent().update(
        state=MessageState.CANCELLED, state_reason=PAGED_ANEW, lease_until=None
    )


def _path(mark: DispatchMark) -> Path:
    return Path(settings.VAR_DIR) / f"dispatched-until.{mark.database}"


def _read(mark: DispatchMark) -> datetime | None:
    try:
        return datetime.fromisoformat(_path(mark).read_text().strip())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.error("The mark of what was sent cannot be read: %s.", type(error).__name__)
        return None


def _write(mark: DispatchMark, at: datetime) -> None:
    path = _path(mark)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        draft.write_text(f"{at.isoformat()}\n")
        draft.replace(path)
    except OSError as error:
        # Alerts must go on; after a stop, a host without its file holds the bulk lane.
        log.error("The mark of what was sent cannot be written: %s.", type(error).__name__)
