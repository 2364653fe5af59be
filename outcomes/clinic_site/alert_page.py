"""One alert: what was answered, what stood before it, whom somebody reached, what was decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from outcomes.alerts.models import Alert, AlertEvent, AlertState
from outcomes.clinic_site.alert_words import (
    Words,
    asked_words,
    crossing_words,
    past_words,
    rank_words,
    told_words,
)
from outcomes.clinics.models import Clinic
from outcomes.instruments.models import definition_of
from outcomes.responses.models import Score
from outcomes.review.alert_history import Past, earlier_of, places_of


@dataclass(frozen=True, slots=True)
class EarlierAnswer:
    """One earlier answer or score, in words."""

    past: Past
    words: str
    is_positive: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to reach the patient; `at` is when it was made, `event` says who recorded it."""

    event: AlertEvent
    at: datetime
    way: str
    is_reached: bool


class AlertPage:
    """What the page of one alert shows."""

    def __init__(self, alert: Alert, clinic: Clinic, now: datetime) -> None:
        self.alert, self.now = alert, now
        self._clinic = clinic

    @property
    def is_about_score(self) -> bool:
        """Say whether a score raised it, not a single answer."""
        return self.alert.rule is not None and bool(self.alert.rule.scale)

    @cached_property
    def words(self) -> tuple[Words, Words | None]:
        """Return the question and answer as asked, and in the clinic's language if it differs."""
        return asked_words(self.alert, self._clinic)

    @cached_property
    def score(self) -> Score | None:
        """Return the stored score that raised it; None where answers are missing."""
        assert self.alert.rule is not None
        scores = Score.objects.filter(response=self.alert.response_id, is_current=True)
        return scores.filter(scale=self.alert.rule.scale, value__isnull=False).first()

    @property
    def crossing(self) -> str:
        """Return the score beside its published cut-off, in words."""
        return crossing_words(self.alert, self.score)

    @property
    def is_taken_back(self) -> bool:
        """Say whether the patient gave the answer and sent the form without it."""
        rule, response = self.alert.rule, self.alert.response
        if rule is None or rule.scale or response.submitted_at is None:
            return False
        return response.answers.get(rule.link_id) != self.alert.value

    @property
    def source(self) -> str:
        """Return who published the threshold."""
        definition, rule = definition_of(self.alert.response.content_hash), self.alert.rule
        assert rule is not None
        if rule.scale:
            scale = definition.scale(rule.scale)
            rules = () if scale is None else scale.cutoffs
            return next((row.citation for row in rules if row.kind == "at_least"), "")
        item = next(item for item in definition.items if item.link_id == rule.link_id)
        return "" if item.safety is None else item.safety.citation

    @cached_property
    def rank(self) -> str:
        """Return how it stands to the last positive one; empty where nothing is compared."""
        place = places_of([self.alert]).get(self.alert.pk)
        if place is None or self.alert.rule is None:
            return ""
        return rank_words(place, self.alert.rule, self._clinic)

    @cached_property
    def earlier(self) -> list[EarlierAnswer]:
        """Return what stood before it, the newest first."""
        rule = self.alert.rule
        if rule is None:
            return []
        return [
            EarlierAnswer(
                past=past,
                words=past_words(past, rule, self._clinic),
                is_positive=past.value is not None and past.value >= rule.at_least,
            )
            for past in earlier_of(self.alert)
        ]

    @property
    def open_for(self) -> timedelta | None:
        """Return how long it has been open; None where it is not."""
        if self.alert.state != AlertState.OPEN or self.alert.opened_at is None:
            return None
        return self.now - self.alert.opened_at

    @property
    def told(self) -> str:
        """Return whom it has been told to so far."""
        return told_words(self.alert.tier)

    @cached_property
    def events(self) -> list[AlertEvent]:
        """Return everything that happened to it, in order."""
        return list(self.alert.events.all())

    @property
    def attempts(self) -> list[Attempt]:
        """Return every attempt to reach the patient, in the order in which they were recorded."""
        return [
            Attempt(
                event=event,
                at=datetime.fromisoformat(event.data.get("tried_at") or event.at.isoformat()),
                way=event.data["way"],
                is_reached=event.data["is_reached"],
            )
            for event in self.events
            if event.kind == "contact_attempted"
        ]

    @property
    def plans(self) -> list[AlertEvent]:
        """Return every plan, as it was written."""
        return [event for event in self.events if event.kind == "plan"]

    @property
    def outcomes(self) -> list[AlertEvent]:
        """Return every outcome that a person recorded, with what they wrote."""
        return [event for event in self.events if event.kind == "outcome"]

    @property
    def is_answerable(self) -> bool:
        """Say whether a step can still be taken on it."""
        return self.alert.state != AlertState.RESOLVED

    @property
    def is_owed(self) -> bool:
        """Say whether somebody has it and a step is still owed."""
        return self.alert.state == AlertState.ACKNOWLEDGED
