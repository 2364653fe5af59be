"""Write schedules: what ships, what a clinic drafts and publishes, what it retires."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.utils.text import slugify
from django.utils.translation import gettext as _

from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.care.models import Indication
from outcomes.clinics.models import Clinic
from outcomes.instruments.models import Instrument, InstrumentVersion
from outcomes.instruments.watched import WATCHED
from outcomes.scheduling import checking
from outcomes.scheduling.checking import Finding, Sending
from outcomes.scheduling.definition import ScheduleSpec, parse_schedule
from outcomes.scheduling.models import Schedule, ScheduleDraft, ScheduleRule

LIBRARY = Path(__file__).parents[1] / "library"


@transaction.atomic
def install_library(*, now: datetime) -> int:
    """Store each shipped schedule once per version; return how many were new."""
    return sum(
        _install(json.loads(path.read_text()), now) for path in sorted(LIBRARY.glob("*.json"))
    )


def _install(data: dict[str, Any], now: datetime) -> bool:
    spec = parse_schedule(data, set(Instrument.objects.values_list("code", flat=True)))
    if Schedule.objects.filter(clinic=None, code=spec.code, version=spec.version).exists():
        return False
    _store(spec, data["rules"], None, now)
    return True


def _store(
    spec: ScheduleSpec, rules: list[dict[str, Any]], clinic_id: UUID | None, now: datetime
) -> Schedule:
    """Store a new version; from now on it is the one that new courses follow."""
    Schedule.objects.filter(clinic=clinic_id, code=spec.code).update(is_current=False)
    schedule = Schedule.objects.create(
        clinic_id=clinic_id,
        code=spec.code,
        version=spec.version,
        name=spec.name,
        description=spec.description,
        spacing_days=dict(spec.spacing_days),
        created_at=now,
    )
    ScheduleRule.objects.bulk_create(
        ScheduleRule(schedule=schedule, code=rule["code"], position=position, content=rule)
        for position, rule in enumerate(rules)
    )
    return schedule


@lru_cache(maxsize=256)
def spec_of(schedule_id: UUID) -> ScheduleSpec:
    """Return the parsed schedule; cached, for a version is never edited."""
    schedule = Schedule.objects.get(pk=schedule_id)
    head = {"code": schedule.code, "version": schedule.version}
    return parse_schedule({**head, **content_of(schedule)})


def content_of(schedule: Schedule) -> dict[str, Any]:
    """Return what a schedule says, as a draft holds it."""
    return {
        "name": schedule.name,
        "description": schedule.description,
        "spacing_days": schedule.spacing_days,
        "rules": [rule.content for rule in schedule.rules.all()],
    }


# -- A clinic's own ------------------------------------------------------------------------------

EMPTY: dict[str, Any] = {"name": "", "description": "", "spacing_days": {}, "rules": []}


@audit.atomic()
def start_draft(
    *, clinic_id: UUID, name: str, source: Schedule | None, by: Actor, now: datetime
) -> ScheduleDraft:
    """Begin a schedule of the clinic's own, as a copy of another one or empty."""
    content = {**(content_of(source) if source else EMPTY), "name": name}
    code = _free_code(clinic_id, name)
    return _start(clinic_id, code, content, by, now)


@audit.atomic()
def draft_next_version(*, schedule: Schedule, by: Actor, now: datetime) -> ScheduleDraft:
    """Return the draft of a clinic's own schedule, begun as a copy of it if there is none."""
    if schedule.clinic_id is None:
        raise ValidationError(_("What ships with the product is not changed: copy it."))
    draft = ScheduleDraft.objects.filter(clinic=schedule.clinic_id, code=schedule.code).first()
    if draft is not None:
        return draft
    return _start(schedule.clinic_id, schedule.code, content_of(schedule), by, now)


def _start(
    clinic_id: UUID, code: str, content: dict[str, Any], by: Actor, now: datetime
) -> ScheduleDraft:
    draft = ScheduleDraft.objects.create(
        clinic_id=clinic_id, code=code, content=content, created_at=now, changed_at=now
    )
    _record_draft(draft, "schedule.drafted", by, now)
    return draft


def _free_code(clinic_id: UUID, name: str) -> str:
    """Return a code made of the name that no schedule the clinic may follow has."""
    base = slugify(name)[:50].strip("-") or "schedule"
    taken = {
        *Schedule.objects.usable_by(clinic_id).values_list("code", flat=True),
        *ScheduleDraft.objects.filter(clinic=clinic_id).values_list("code", flat=True),
    }
    return next(code for n in count(1) if (code := base if n == 1 else f"{base}-{n}") not in taken)


@audit.atomic()
def change_draft(
    *,
    draft: ScheduleDraft,
    changes: Mapping[str, Any],
    revision: int,
    by: Actor,
    now: datetime,
) -> ScheduleDraft:
    """Change parts of a draft, where nobody changed it since this revision."""
    content = {**draft.content, **changes}
    changed = ScheduleDraft.objects.filter(pk=draft.pk, revision=revision).update(
        content=content, revision=revision + 1, changed_at=now
    )
    if not changed:
        raise ValidationError(_("Somebody else changed this draft. Look again, then change it."))
    draft.content, draft.revision, draft.changed_at = content, revision + 1, now
    _record_draft(draft, "schedule.draft_changed", by, now, {"parts": sorted(changes)})
    return draft


@audit.atomic()
def discard_draft(*, draft: ScheduleDraft, by: Actor, now: datetime) -> None:
    """Throw a draft away; no schedule changes."""
    _record_draft(draft, "schedule.draft_discarded", by, now)
    draft.delete()


def findings_on(
    *, content: Mapping[str, Any], clinic_id: UUID, code: str, now: datetime
) -> list[Finding]:
    """Return what speaks against a draft, and what should be known before it is published."""
    document = {"code": code, "version": 1, **content}
    kinds = sending_of(clinic_id)
    return checking.findings_on(document, kinds, set(Indication.values), now.date())


def sending_of(clinic_id: UUID) -> dict[str, Sending]:
    """Return every instrument the clinic has, and whether it is sent here."""
    is_watching = Clinic.objects.filter(pk=clinic_id, watches_mania=True).exists()
    versions = InstrumentVersion.objects.used_by(clinic_id).select_related("instrument")
    kinds: dict[str, Sending] = {}
    for version in versions:
        definition, code = version.definition, version.instrument.code
        if definition.is_sendable:
            kinds[code] = "sendable" if is_watching or code not in WATCHED else "switched_off"
        elif code not in kinds:
            is_patients = definition.respondent == "patient"
            kinds[code] = "no_wording" if is_patients else "by_clinician"
    return kinds


@audit.atomic()
def publish_draft(*, draft: ScheduleDraft, revision: int, by: Actor, now: datetime) -> Schedule:
    """Put a draft in force as the next version of its schedule; running courses keep theirs.

    Raises ValidationError where it is refused, or was changed since this revision.
    """
    draft = _locked(draft)
    if draft.revision != revision:
        raise ValidationError(_("Somebody else changed this draft. Look again, then publish it."))
    found = findings_on(content=draft.content, clinic_id=draft.clinic_id, code=draft.code, now=now)
    if any(finding.is_refusal for finding in found):
        raise ValidationError(_("Something still speaks against it."))
    versions = Schedule.objects.filter(clinic=draft.clinic_id, code=draft.code)
    version = (versions.aggregate(last=Max("version"))["last"] or 0) + 1
    document = {"code": draft.code, "version": version, **draft.content}
    schedule = _store(parse_schedule(document), document["rules"], draft.clinic_id, now)
    _record(schedule, "schedule.published", by, now)
    draft.delete()
    return schedule


def _locked(draft: ScheduleDraft) -> ScheduleDraft:
    found = ScheduleDraft.objects.select_for_update().filter(pk=draft.pk).first()
    if found is None:
        raise ValidationError(_("This draft was published or thrown away meanwhile."))
    return found


@audit.atomic()
def retire_schedule(*, schedule: Schedule, by: Actor, now: datetime) -> None:
    """Offer a clinic's own schedule to no new course; running courses go on with theirs."""
    if schedule.clinic_id is None:
        raise ValidationError(_("What ships with the product cannot be retired."))
    if Schedule.objects.versions_of(schedule).update(is_current=False):
        _record(schedule, "schedule.retired", by, now)


def _record(schedule: Schedule, action: str, by: Actor, now: datetime) -> None:
    assert schedule.clinic_id is not None
    audit.record(
        clinic_id=schedule.clinic_id,
        by=by,
        now=now,
        action=action,
        object_type="Schedule",
        object_id=schedule.pk,
        data={"code": schedule.code, "version": schedule.version},
    )


def _record_draft(
    draft: ScheduleDraft,
    action: str,
    by: Actor,
    now: datetime,
    data: dict[str, Any] | None = None,
) -> None:
    audit.record(
        clinic_id=draft.clinic_id,
        by=by,
        now=now,
        action=action,
        object_type="ScheduleDraft",
        object_id=draft.pk,
        data={"code": draft.code, "revision": draft.revision, **(data or {})},
    )
