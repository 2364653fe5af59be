"""What is written down about a synthetic session (pure): facts of a plausible treatment day."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any

from outcomes.care.models import SessionStatus
from outcomes.management.simulation.roster import Part


class Fate(StrEnum):
    """What becomes of a planned session."""

    HELD = "held"
    MOVED = "moved"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"


FATES = {Fate.HELD: 91, Fate.MOVED: 4, Fate.CANCELLED: 3, Fate.NO_SHOW: 2}
VITALS_AT = (0, 40, 100)


def draw_fate(rng: Random) -> Fate:
    """Draw what becomes of a planned session."""
    return rng.choices(list(FATES), list(FATES.values()))[0]


def record_of(
    part: Part, planned_at: datetime, earlier: int, clinician: str, rng: Random
) -> dict[str, Any]:
    """Write the record of a session that was held, after so many earlier ones."""
    started_at = planned_at + timedelta(minutes=rng.randrange(0, 20))
    minutes = part.treatment.get("infusion_minutes", 10)
    stopped = rng.random() < 0.02
    return {
        **part.treatment,
        "status": SessionStatus.STOPPED if stopped else SessionStatus.DONE,
        "status_reason": "Stopped at the patient's wish" if stopped else "",
        "started_at": started_at,
        "ended_at": started_at + timedelta(minutes=minutes // (2 if stopped else 1)),
        "weight_kg": part.weight_kg,
        "weight_on": started_at.date(),
        "has_fasted": True,
        "has_escort": rng.random() < 0.9,
        "vitals": [_vitals(minute, rng) for minute in VITALS_AT],
        "sedation": rng.choice((4, 4, 5)),
        "sedation_minute": 40,
        "dissociation": max(0, round(rng.gauss(18 - min(earlier, 6), 7))),
        "dissociation_minute": 40,
        "effects": _effects(rng),
        "setting": "Treatment room 2",
        "prescriber": clinician,
        "monitor": "Nell Demo",
        "has_psychotherapy": False,
        "ready_at": started_at + timedelta(minutes=110 + rng.randrange(0, 30)),
        "discharge_condition": "Walking steadily, with escort",
    }


def _vitals(minute: int, rng: Random) -> dict[str, int]:
    rise = 14 if minute == 40 else 0
    return {
        "minute": minute,
        "systolic": round(rng.gauss(122 + rise, 9)),
        "diastolic": round(rng.gauss(77 + rise // 2, 6)),
        "heart_rate": round(rng.gauss(72 + rise // 2, 8)),
        "spo2": min(100, round(rng.gauss(98, 1))),
    }


def _effects(rng: Random) -> list[dict[str, Any]]:
    chances = (("nausea", 0.2), ("headache", 0.12), ("dizziness", 0.3), ("anxiety", 0.1))
    return [
        {"effect": effect, "severity": rng.choice(("mild", "mild", "moderate")), "onset_minute": 20}
        for effect, chance in chances
        if rng.random() < chance
    ]
