"""Make the demo clinic: three dozen synthetic patients over the past year."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from django.db import transaction

from outcomes.clinics.models import Clinic
from outcomes.delivery.models import Message
from outcomes.instruments.models import InstrumentVersion
from outcomes.management.simulation.roster import DEMO_DAYS, roster
from outcomes.management.simulation.stage import Stage, mail_handed_to_nobody, open_clinic
from outcomes.management.simulation.story import Story

PATIENTS = 36
# When the last ones answer, before the end; their alerts are still open.
OPEN_ALERTS = (timedelta(minutes=47), timedelta(minutes=21), timedelta(minutes=8))


class MailWaiting(Exception):
    """Other clinics' mail waits to be sent; the simulated year would swallow it."""


@dataclass(frozen=True, slots=True)
class Demo:
    """The clinic that was made."""

    clinic: Clinic
    patients: int


@transaction.atomic
def build_demo(
    *, slug: str, seed: int, now: datetime, patients: int = PATIENTS, days: int = DEMO_DAYS
) -> Demo:
    """Make the demo clinic, its days ending at `now`, or nothing at all.

    The same seed and the same end give the same courses, answers and alerts. Mail of the past is
    handed to nobody; what is due at the end is left for the workers. Raises MailWaiting.
    """
    if Message.objects.unsent().exists():
        raise MailWaiting
    clinic, staff = open_clinic(slug, now - timedelta(days=days + 4))
    stage = Stage(clinic, staff, now)
    clinicians = (staff["clinician"], staff["clinician"], staff["clinician2"])
    versions = InstrumentVersion.objects.shipped().select_related("instrument")
    definitions = {version.instrument.code: version for version in versions}
    stories = []
    for part in roster(seed, patients, now, days):
        rng = Random(f"{seed}:{part.number}:story")  # noqa: S311 - synthetic data
        story = Story(part, stage, rng, clinicians[part.number % 3], definitions)
        stage.clock.at(part.enrolled_at, story.enrol)
        stories.append(story)
    for before in OPEN_ALERTS:
        stage.clock.at(now - before, lambda then: _raise_one_alert(stories, then))
    with mail_handed_to_nobody():
        stage.clock.run(now)
    return Demo(clinic, len(stories))


def _raise_one_alert(stories: list[Story], now: datetime) -> None:
    able = [story for story in stories if not story.is_dark_at_the_end and story.can_answer_at(now)]
    if able:
        able[0].answer_darkly(now)
