"""The caseload's worklists: each a stated rule, told in words on the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from outcomes.review import models
from outcomes.review.charts.words import number
from outcomes.review.clinic_rule import loss_words
from outcomes.review.standings import MainScale

Words = Promise | str


@dataclass(frozen=True, slots=True)
class Worklist:
    """Patients for whom one rule holds, and the rule in words for the clinic's main scale."""

    code: str
    title: Words
    holds_at: Callable[[datetime], Q]
    rule: Callable[[MainScale], Words]

    def narrow(self, rows: models.StandingQuerySet, now: datetime) -> models.StandingQuerySet:
        """Keep the standings for which the rule holds."""
        return rows.filter(self.holds_at(now))


def _always(condition: Q) -> Callable[[datetime], Q]:
    return lambda now: condition


def _told(words: Words) -> Callable[[MainScale], Words]:
    return lambda main: words


def _worsening(main: MainScale) -> Words:
    rule = main.scale.reliable_change if main.scale else None
    if rule is None:
        return _("%(code)s has no published threshold of reliable change: nobody stands here.") % {
            "code": main.code
        }
    return _(
        "The last %(code)s is worse than the baseline by at least %(points)s points, which is"
        " more than measurement error."
    ) % {"code": main.code, "points": number(rule.value)}


def _response(main: MainScale) -> Words:
    rule = main.scale.response if main.scale else None
    if rule is None:
        return _("%(code)s has no published rule of response: nobody stands here.") % {
            "code": main.code
        }
    return _(
        "Response (%(code)s: %(meaning)s) was first met by an answer that nobody has marked as"
        " seen, and the last score meets it."
    ) % {"code": main.code, "meaning": rule.meaning}


def _loss(main: MainScale) -> Words:
    words = loss_words(main.rules)
    if not words:
        return _("By the clinic's rule no loss of response is told for %(code)s.") % {
            "code": main.code
        }
    since = _("Response was lost and has not been met since.")
    return f"{since} {words}"


WORKLISTS = (
    Worklist(
        "unreviewed",
        gettext_lazy("Not yet seen"),
        _always(models.UNSEEN),
        _told(gettext_lazy("Answers came in that nobody has marked as seen.")),
    ),
    Worklist(
        "alerts",
        gettext_lazy("Open alerts"),
        _always(models.ALERTED),
        _told(gettext_lazy("An alert is open: no named person has acknowledged it.")),
    ),
    Worklist(
        "overdue",
        gettext_lazy("Overdue"),
        lambda now: Q(due_order__lt=now),
        _told(
            gettext_lazy("A questionnaire is past its due time, unanswered, and can be answered.")
        ),
    ),
    Worklist("worse", gettext_lazy("Reliable worsening"), _always(models.WORSE), _worsening),
    Worklist("response", gettext_lazy("New response"), _always(models.NEWLY_RESPONDED), _response),
    Worklist(
        "lost",
        gettext_lazy("Loss of response"),
        _always(models.LOST),
        _loss,
    ),
    Worklist(
        "unreached",
        gettext_lazy("Not reachable"),
        _always(models.NOT_REACHED),
        _told(gettext_lazy("No message reaches the patient, for the reason on the line.")),
    ),
)
BY_CODE = {worklist.code: worklist for worklist in WORKLISTS}
