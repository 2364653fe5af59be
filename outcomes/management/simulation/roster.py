"""Who is in the demo clinic (pure): people who obviously do not exist, and what befalls them.

Everything follows from the seed, a person's number and the moment at which the demo ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from random import Random
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from outcomes.management.simulation.model import Kind, Person, draw_person
from outcomes.scheduling.local_time import local_instant

ZONE = "America/New_York"
OTHER_ZONES = ("America/Chicago", "America/Los_Angeles")
GIVEN_NAMES = (
    *("Robin", "Alex", "Sam", "Jordan", "Casey", "Morgan", "Taylor", "Jamie", "Avery", "Quinn"),
    *("Riley", "Rowan", "Skyler", "Emerson", "Finley", "Hayden", "Kai", "Lane", "Marlow", "Noor"),
)
# One deck of ten: how courses go.
KINDS = (
    *[Kind.RESPONDER] * 4,
    *[Kind.PARTIAL] * 2,
    *[Kind.NON_RESPONDER] * 2,
    Kind.RELAPSING,
    Kind.DETERIORATING,
)
INDICATIONS = ("trd", "trd", "trd", "depression", "depression", "ptsd", "anxiety", "suicidality")
DEMO_DAYS = 358
# Enrolled this long before the end: their first questionnaires are still open then.
NEWCOMERS = (
    timedelta(minutes=4),
    timedelta(hours=20),
    timedelta(days=1, hours=3),
    timedelta(days=2, hours=2),
)
SESSION_TIMES = (time(9, 30), time(11, 0), time(13, 30), time(15, 0))
TREATMENT_CHANGES = (
    "Sertraline raised to 100 mg by the family doctor",
    "Lamotrigine started by the psychiatrist",
    "Weekly psychotherapy started",
    "Quetiapine stopped by the psychiatrist",
    "Thyroid treatment adjusted by the family doctor",
)
# What some add in their own words after so many sessions: invented, and marked as such.
REMARKS = {
    2: "(Invented) I slept better this week, but the evenings are still long.",
    5: "(Invented) Could we talk about driving home?\n\nMy sister can come with me on Thursday.",
    8: "(Invented) I started working mornings again.",
}


Card = TypeVar("Card")


class Scene(StrEnum):
    """What is special about a patient's part."""

    ORDINARY = "ordinary"
    BIPOLAR = "bipolar"
    NO_CONSENT = "no_consent"
    WRONG_PERSON = "wrong_person"
    WAITING = "waiting"  # answers at the very end or not at all
    ANSWERABLE = "answerable"  # leaves the open questionnaire to whoever tries the demo


DAILY_MOOD = (20, 28)


def scene_of(number: int, size: int) -> Scene:
    """Return what is special about the patient with this number among so many."""
    if number > size - len(NEWCOMERS):
        return Scene.ANSWERABLE if number == size else Scene.WAITING
    special = {3: Scene.BIPOLAR, size - 12: Scene.NO_CONSENT, size - 9: Scene.WRONG_PERSON}
    return special.get(number, Scene.ORDINARY)


@dataclass(frozen=True, slots=True)
class Part:
    """One synthetic patient: particulars, course of illness and treatment as it is recorded."""

    number: int
    scene: Scene
    person: Person
    details: dict[str, Any]
    email: str
    phone: str
    indication: str
    enrolled_at: datetime
    session_days: tuple[int, ...]
    first_session_on: date
    session_time: time
    treatment: dict[str, Any]
    weight_kg: Decimal
    asks_daily_mood: bool

    @property
    def zone(self) -> str:
        """Return the patient's time zone."""
        return str(self.details["time_zone"])

    def session_at(self, day: date) -> datetime:
        """Return when a session starts on this day or the next working day, at the usual hour."""
        while day.weekday() > 4:
            day += timedelta(days=1)
        return local_instant(day, self.session_time, ZONE)

    def induction(self) -> list[datetime]:
        """Return when the first sessions are planned for."""
        return [
            self.session_at(self.first_session_on + timedelta(days=day))
            for day in self.session_days
        ]


def roster(seed: int | str, size: int, ends_at: datetime, days: int = DEMO_DAYS) -> Iterator[Part]:
    """Yield the parts, in order of enrolment within so many days, the newcomers last."""
    kinds = _dealt(f"{seed}:kinds", KINDS, size)
    # Dealt, not drawn: among three dozen chance may double it. The last alerts add to a quarter.
    dark = _dealt(f"{seed}:dark thoughts", (True, False, False, False), size)
    for number in range(1, size + 1):
        rng = Random(f"{seed}:{number}")  # noqa: S311 - synthetic data
        person = draw_person(kinds[number - 1], rng)
        person = replace(person, has_dark_thoughts=dark[number - 1])
        enrolled_at = _enrolled_at(number, size, ends_at - timedelta(days=days), ends_at, rng)
        yield _part(number, size, person, enrolled_at, rng)


def _dealt(seed: str, cards: Sequence[Card], size: int) -> list[Card]:
    deck = list(cards) * (size // len(cards) + 1)
    Random(seed).shuffle(deck)  # noqa: S311 - synthetic data
    return deck


def _part(number: int, size: int, person: Person, enrolled_at: datetime, rng: Random) -> Part:
    scene = scene_of(number, size)
    given_name, family_name = GIVEN_NAMES[(number * 7) % len(GIVEN_NAMES)], f"Synthetic-{number:02}"
    zone = rng.choice(OTHER_ZONES) if rng.random() < 0.15 else ZONE
    return Part(
        number=number,
        scene=scene,
        person=person,
        details={
            "record_number": f"HD-{1000 + number}",
            "given_name": given_name,
            "family_name": family_name,
            "birth_date": date(1955, 1, 1) + timedelta(days=rng.randrange(48 * 365)),
            "language": "en",
            "time_zone": zone,
        },
        email=f"{given_name}.{family_name}@patient.example".lower(),
        phone=f"+1 202 555 01{number % 100:02}",
        indication="bipolar" if scene is Scene.BIPOLAR else rng.choice(INDICATIONS),
        enrolled_at=enrolled_at,
        session_days=_session_days(rng),
        first_session_on=_first_session_on(enrolled_at),
        session_time=rng.choice(SESSION_TIMES),
        asks_daily_mood=number in DAILY_MOOD,
        **_treatment(rng),
    )


def _enrolled_at(
    number: int, size: int, begins_at: datetime, ends_at: datetime, rng: Random
) -> datetime:
    from_the_end = size - number
    if from_the_end < len(NEWCOMERS):
        return ends_at - NEWCOMERS[from_the_end]
    # A clinic that grows: more of the patients are recent.
    to_go = 1 - (number - 1) / max(size - len(NEWCOMERS) - 1, 1)
    latest = ends_at - timedelta(days=12)
    day = (latest - (latest - begins_at) * to_go**2.2).astimezone(ZoneInfo(ZONE)).date()
    at = time(rng.randrange(9, 16), rng.randrange(60))
    return local_instant(day - timedelta(days=max(0, day.weekday() - 4)), at, ZONE)


def _first_session_on(enrolled_at: datetime) -> date:
    # Within the week, so that the baseline can be answered from the first moment.
    day = enrolled_at.astimezone(ZoneInfo(ZONE)).date() + timedelta(days=6)
    return day - timedelta(days=max(0, day.weekday() - 4))


def _session_days(rng: Random) -> tuple[int, ...]:
    """Draw an induction as in community practice: 4 to 8 sessions in up to four weeks."""
    count = rng.choice((4, 4, 4, 4, 6, 6, 8))
    return (0, 3, 7, 10, 14, 17, 21, 24)[:count]


def _treatment(rng: Random) -> dict[str, Any]:
    weight = Decimal(rng.randrange(520, 1100)) / 10
    if rng.random() < 0.2:
        treatment: dict[str, Any] = {
            "route": "intranasal",
            "drug": "Esketamine",
            "formulation": "nasal spray, 28 mg per device",
            "dose_amount": Decimal(rng.choice((56, 84))),
            "lot": f"SYN{rng.randrange(1000, 9999)}",
        }
    else:
        treatment = {
            "route": "iv",
            "drug": "Ketamine",
            "dose_amount": Decimal(rng.choice((30, 35, 40, 45, 50))),
            "infusion_minutes": 40,
        }
    return {"treatment": {**treatment, "dose_unit": "mg"}, "weight_kg": weight}
