"""Write instruments: the shipped library, a clinic's licensed wording, a clinic's own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.instruments.definition import Definition, DefinitionError, load_library
from outcomes.instruments.models import Instrument, InstrumentVersion


@transaction.atomic
def install_library(*, now: datetime) -> int:
    """Store each library file's content as a version, once per content hash; return how many new.

    An older version stays as it was, for what was answered with it; new assignments use the new.
    A clinic's wording goes on with the new version where it still fits.
    """
    added = 0
    for definition in load_library().values():
        instrument, _created = Instrument.objects.update_or_create(
            clinic=None, code=definition.code, defaults={"title": definition.title}
        )
        if _store(instrument, definition, None, now):
            added += 1
            _carry_wording_over(instrument, definition, now)
    return added


def _store(
    instrument: Instrument,
    definition: Definition,
    clinic_id: UUID | None,
    now: datetime,
    added_by: str = "",
    licence_statement: str = "",
) -> InstrumentVersion | None:
    """Make this content current and return it; None where it is current already."""
    versions = InstrumentVersion.objects.filter(instrument=instrument, clinic=clinic_id)
    same = versions.filter(content_hash=definition.content_hash).first()
    if same is not None and same.is_current:
        return None
    versions.filter(is_current=True).update(is_current=False)
    if same is not None:
        same.is_current = True
        same.save(update_fields=["is_current"])
        return same
    return InstrumentVersion.objects.create(
        instrument=instrument,
        clinic_id=clinic_id,
        version=definition.version,
        content_hash=definition.content_hash,
        content=definition.content,
        licence_statement=licence_statement,
        added_by=added_by,
        created_at=now,
    )


def _carry_wording_over(instrument: Instrument, definition: Definition, now: datetime) -> None:
    worded = InstrumentVersion.objects.filter(instrument=instrument, is_current=True)
    for own in worded.exclude(clinic=None):
        wording = {**own.content["wording"], **definition.content["wording"]}
        try:
            merged = Definition.from_json({**definition.content, "wording": wording})
        except DefinitionError:
            continue  # other questions: the clinic goes on with what its words were written for
        _store(instrument, merged, own.clinic_id, now, own.added_by, own.licence_statement)


@audit.atomic()
def add_wording(
    *,
    instrument: Instrument,
    clinic_id: UUID,
    language: str,
    wording: Mapping[str, Any],
    licence_statement: str,
    by: Actor,
    now: datetime,
) -> InstrumentVersion:
    """Give a clinic an instrument's words in one language, which it says it is licensed to use.

    `wording` has the keys title, stem, items and options of schema.json. Raises ValidationError
    naming what is wrong; then nothing is stored.
    """
    if not licence_statement.strip():
        raise ValidationError({"licence": _("Say in your own words why you may use this wording.")})
    version = InstrumentVersion.objects.used_by(clinic_id).get(instrument=instrument)
    source = {"citation": _("Supplied by the clinic, which confirmed its licence")}
    words = {language: {**wording, **source, "verified": False}}
    content = {**version.content, "wording": {**version.content["wording"], **words}}
    definition = _read(content)
    stored = _store(
        instrument, definition, clinic_id, now, by.label, licence_statement.strip()
    ) or InstrumentVersion.objects.get(
        instrument=instrument, clinic=clinic_id, content_hash=definition.content_hash
    )
    data = {"language": language, "licence": licence_statement.strip()}
    _record(stored, "instrument.worded", clinic_id, by, now, data)
    return stored


@audit.atomic()
def save_own(
    *, clinic_id: UUID, content: Mapping[str, Any], by: Actor, now: datetime
) -> InstrumentVersion:
    """Store a clinic's own instrument, or a new version of it.

    What was answered keeps the version it was answered with. Raises ValidationError.
    """
    definition = _read(unproven(content))
    if Instrument.objects.filter(clinic=None, code=definition.code).exists():
        message = _("%s is in the library already: give yours another code.") % definition.code
        raise ValidationError({"code": message})
    instrument, _created = Instrument.objects.update_or_create(
        clinic_id=clinic_id, code=definition.code, defaults={"title": definition.title}
    )
    stored = _store(instrument, definition, clinic_id, now, by.label)
    if stored is None:
        raise ValidationError(_("This is exactly what is stored already: nothing was changed."))
    _record(stored, "instrument.saved", clinic_id, by, now, {"code": definition.code})
    return stored


def unproven(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition without any claim that somebody else's file may have made of it.

    A changed word is another instrument: what was proved of the first says nothing of it.
    """
    kept = {name: value for name, value in content.items() if name not in ("proof", "$schema")}
    unverified: dict[str, Any] = _unverified(kept)
    return {**unverified, "validated": False}


def _unverified(part: Any) -> Any:
    if isinstance(part, Mapping):
        return {k: False if k == "verified" else _unverified(value) for k, value in part.items()}
    return [_unverified(value) for value in part] if isinstance(part, list) else part


@audit.atomic()
def retire_own(*, version: InstrumentVersion, by: Actor, now: datetime) -> None:
    """Ask a clinic's own version no more; what was answered with it stays as it is.

    For an instrument of the library the shipped version is used again.
    """
    if version.clinic_id is None:
        raise ValidationError(_("What ships with the product cannot be retired."))
    InstrumentVersion.objects.filter(pk=version.pk).update(is_current=False)
    _record(version, "instrument.retired", version.clinic_id, by, now, {})


def _read(content: Mapping[str, Any]) -> Definition:
    try:
        return Definition.from_json(content)
    except DefinitionError as error:
        raise ValidationError(str(error)) from error


def _record(
    version: InstrumentVersion,
    action: str,
    clinic_id: UUID,
    by: Actor,
    now: datetime,
    data: dict[str, Any],
) -> None:
    audit.record(
        clinic_id=clinic_id,
        by=by,
        now=now,
        action=action,
        object_type="InstrumentVersion",
        object_id=version.pk,
        data={"instrument": version.instrument.code, "content": version.content_hash, **data},
    )
