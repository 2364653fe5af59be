"""Setting up: what a clinic asks, and the schedules that ask it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import ngettext

from outcomes.alerts import services as alerts
from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.care.models import (
    Course,
)
from outcomes.clinics import services as clinics
from outcomes.clinics.models import Clinic
from outcomes.instruments import scoring
from outcomes.instruments import services as instruments
from outcomes.instruments.models import Instrument, InstrumentVersion
from outcomes.responses import services as responses
from outcomes.responses.services import Outdated, Rescored
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.models import Assignment, Schedule, ScheduleDraft
from outcomes.workflows.sweeping import AT_MOST


@audit.atomic()
def install_library(*, now: datetime) -> tuple[int, int]:
    """Store shipped instruments, their alert rules and shipped schedules; return how many new."""
    added = instruments.install_library(now=now)
    alerts.install_rules()
    return added, scheduling.install_library(now=now)


@audit.atomic()
def change_clinic(*, clinic: Clinic, changes: dict[str, Any], by: Actor, now: datetime) -> Clinic:
    """Change a clinic's own settings, and plan anew where that changes what is asked."""
    changed = clinics.change_clinic(clinic=clinic, changes=changes, by=by, now=now)
    if "watches_mania" in changes:
        _plan_anew(changed)
    return changed


@audit.atomic()
def add_wording(
    *,
    instrument: Instrument,
    clinic: Clinic,
    language: str,
    wording: Mapping[str, Any],
    licence_statement: str,
    by: Actor,
    now: datetime,
) -> InstrumentVersion:
    """Give a clinic an instrument's words, and plan anew what can now be asked."""
    version = instruments.add_wording(
        instrument=instrument,
        clinic_id=clinic.pk,
        language=language,
        wording=wording,
        licence_statement=licence_statement,
        by=by,
        now=now,
    )
    _plan_anew(clinic)
    return version


@audit.atomic()
def save_own_instrument(
    *, clinic: Clinic, content: Mapping[str, Any], by: Actor, now: datetime
) -> InstrumentVersion:
    """Store a clinic's own instrument with its safety rules."""
    version = instruments.save_own(clinic_id=clinic.pk, content=content, by=by, now=now)
    alerts.install_rules()
    _plan_anew(clinic)
    return version


@audit.atomic()
def retire_instrument(
    *, version: InstrumentVersion, clinic: Clinic, by: Actor, now: datetime
) -> None:
    """Ask a clinic's own version no more, and plan anew what was to be asked.

    Raises ValidationError while patients are being asked it: they would find no words.
    """
    asked = Assignment.objects.filter(clinic=clinic, instrument=version.instrument)
    if count := asked.under_way().answerable_at(now).values("patient").distinct().count():
        message = ngettext(
            "%(n)d patient is being asked it now: retire it once that is answered or over.",
            "%(n)d patients are being asked it now: retire it once that is answered or over.",
            count,
        )
        raise ValidationError(message % {"n": count})
    instruments.retire_own(version=version, by=by, now=now)
    _plan_anew(clinic)


@audit.atomic()
def publish_schedule(*, draft: ScheduleDraft, revision: int, by: Actor, now: datetime) -> Schedule:
    """Put a draft in force, unless its safety questions would alert too few people."""
    clinic = draft.clinic
    schedule = scheduling.publish_draft(draft=draft, revision=revision, by=by, now=now)
    alerts.require_reachable(clinic=clinic, schedule_id=schedule.pk, now=now)
    return schedule


def rescore(*, by: Actor, now: datetime, is_dry_run: bool) -> Iterator[Rescored]:
    """Yield every result that the current definitions score otherwise than it is stored.

    Unless it is a dry run, today's scores become the current ones, a batch at a time; the old
    scores stay as they were.
    """
    for outdated in responses.find_outdated(AT_MOST * 20):
        with audit.atomic():
            differing = responses.rescore(outdated, is_dry_run=is_dry_run)
            if not is_dry_run:
                _record_rescoring(outdated, len(differing), by, now)
        yield from differing


def _record_rescoring(outdated: Outdated, differing: int, by: Actor, now: datetime) -> None:
    audit.record(
        clinic_id=outdated.responses[0].clinic_id,
        by=by,
        now=now,
        action="scores.renewed",
        object_type="Score",
        data={
            "instrument": outdated.target.code,
            "scoring_version": scoring.version_of(outdated.target),
            "responses": len(outdated.responses),
            "differing": differing,
        },
    )


def _plan_anew(clinic: Clinic) -> None:
    # An ended course may still ask what follows its end.
    courses = Course.objects.filter(clinic=clinic, episode__ended_on=None)
    scheduling.request_plan(courses.values_list("pk", flat=True))
