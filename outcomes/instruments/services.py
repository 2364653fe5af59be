"""Write the instrument library into the database."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from outcomes.instruments.definition import load_library
from outcomes.instruments.models import Instrument, InstrumentVersion


@transaction.atomic
def install_library(*, now: datetime) -> int:
    """Store each library file's content as a version, once per content hash; return how many new.

    An older version stays as it was, for what was answered with it; new assignments use the new.
    """
    added = 0
    for definition in load_library().values():
        instrument, _created = Instrument.objects.update_or_create(
            code=definition.code, defaults={"title": definition.title}
        )
        current = InstrumentVersion.objects.filter(instrument=instrument, is_current=True)
        if current.filter(content_hash=definition.content_hash).exists():
            continue
        current.update(is_current=False)
        InstrumentVersion.objects.update_or_create(
            content_hash=definition.content_hash,
            defaults={"is_current": True},
            create_defaults={
                "instrument": instrument,
                "version": definition.version,
                "content": definition.content,
                "is_current": True,
                "created_at": now,
            },
        )
        added += 1
    return added
