"""What must be true of the database after everything that was done to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from outcomes.alerts.models import Alert, AlertState
from outcomes.delivery.models import Lane, Message
from outcomes.responses.models import QuestionnaireResponse, ResponseStatus, Score
from tests.campaign.phones import Told
from tests.campaign.sink import Outside
from tests.campaign.world import ITEM_9


def missing(told: Iterable[Told]) -> int:
    """Count what a phone was told is saved and is not in the database as it was told."""
    stored = {
        response.assignment_id: response
        for response in QuestionnaireResponse.objects.exclude(status=ResponseStatus.CORRECTED)
    }
    lost = 0
    for each in told:
        response = stored.get(each.person.assignment_id)
        if response is None:
            lost += 1
        elif each.is_whole:
            is_there = response.status == ResponseStatus.FINAL and response.answers == each.answers
            lost += not is_there
        else:
            lost += not each.answers.items() <= response.answers.items()
    return lost


def doubled() -> int:
    """Count assignments with more than one current response, and responses scored twice."""
    current = QuestionnaireResponse.objects.exclude(status=ResponseStatus.CORRECTED)
    twice = Counter(current.values_list("assignment_id", flat=True))
    scores = Counter(Score.objects.values_list("response_id", "scale"))
    return sum(count > 1 for count in [*twice.values(), *scores.values()])


def positives() -> set[object]:
    """Return the finished responses with a positive safety answer."""
    final = QuestionnaireResponse.objects.filter(status=ResponseStatus.FINAL)
    return {key for key, answers in final.values_list("pk", "answers") if answers.get(ITEM_9)}


def alerted() -> Counter[object]:
    """Count the alerts that page, by finished response."""
    opened = Alert.objects.exclude(state=AlertState.PROVISIONAL).exclude(opened_at=None)
    return Counter(opened.values_list("response_id", flat=True))


def alerts_beside_positives() -> tuple[int, int, bool]:
    """Return how many positives and alerts there are, and whether they match one to one."""
    found, alerts = positives(), alerted()
    final = set(
        QuestionnaireResponse.objects.filter(status=ResponseStatus.FINAL).values_list(
            "pk", flat=True
        )
    )
    of_final = Counter({key: count for key, count in alerts.items() if key in final})
    is_so = set(of_final) == found and all(count == 1 for count in of_final.values())
    return len(found), sum(of_final.values()), is_so


def waiting(lane: str) -> int:
    """Count what is still to be sent within ten minutes."""
    soon = datetime.now(UTC) + timedelta(minutes=10)
    return Message.objects.filter(lane=lane).unsent().filter(not_before__lte=soon).count()


def unpaged(outside: Outside) -> int:
    """Count alerts of which no page reached anybody."""
    reached = set(outside.seen())
    pages: dict[object, set[str]] = {}
    for alert, key in Message.objects.filter(lane=Lane.ALERT, kind="alert").values_list(
        "alert_id", "pk"
    ):
        pages.setdefault(alert, set()).add(str(key))
    opened = Alert.objects.exclude(state=AlertState.PROVISIONAL).exclude(opened_at=None)
    return sum(not pages.get(key, set()) & reached for key in opened.values_list("pk", flat=True))


def delays(outside: Outside) -> list[tuple[float, float]]:
    """Return, for each alert, when its answer was stored and when its first page went out."""
    first: dict[object, float] = {}
    seen = outside.seen()
    pages = Message.objects.filter(kind="alert").values_list("pk", "alert__response_id")
    for key, response in pages:
        for effect in seen.get(str(key), []):
            first[response] = min(effect.at, first.get(response, effect.at))
    stored = QuestionnaireResponse.objects.filter(pk__in=first).values_list("pk", "submitted_at")
    return [(at.timestamp(), first[key]) for key, at in stored if at is not None]
