"""What an alert is about, in words: the answer or the score, and how it stands to the last one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from outcomes.alerts.models import Alert, AlertRule
from outcomes.alerts.ranking import Rank
from outcomes.clinic_site.answers import wording_of
from outcomes.clinics.models import Clinic
from outcomes.instruments.definition import Definition, Wording
from outcomes.instruments.models import definition_of
from outcomes.instruments.watched import watched_scale
from outcomes.review.alert_history import Past, Place
from outcomes.review.charts.words import number

# Whom the steps of an alert tell, from the first on; the last holds for every later one.
TOLD = (
    gettext_lazy("whoever is on cover, else the responsible clinicians"),
    gettext_lazy("all clinicians"),
    gettext_lazy("all clinicians and clinic admins"),
    gettext_lazy("all clinicians and clinic admins, more than once"),
)

# A rank in words; of an answer, then of a score.
ANSWER_RANKS = {
    Rank.FIRST: gettext_lazy("First positive answer to this question on record."),
    Rank.WORSE: gettext_lazy("Worse than the last positive answer, “%(last)s” on %(day)s."),
    Rank.SAME: gettext_lazy("The same as the last positive answer, “%(last)s” on %(day)s."),
    Rank.LESS: gettext_lazy("Less than the last positive answer, “%(last)s” on %(day)s."),
}
SCORE_RANKS = {
    Rank.FIRST: gettext_lazy("First score at or above the cut-off on record."),
    Rank.WORSE: gettext_lazy(
        "Worse than the last score at or above the cut-off, %(last)s on %(day)s."
    ),
    Rank.SAME: gettext_lazy(
        "The same as the last score at or above the cut-off, %(last)s on %(day)s."
    ),
    Rank.LESS: gettext_lazy(
        "Less than the last score at or above the cut-off, %(last)s on %(day)s."
    ),
}


@dataclass(frozen=True, slots=True)
class Words:
    """A question and the option chosen, in one language; empty where the wording is not here."""

    language: str
    question: str
    option: str


def told_words(tier: int) -> str:
    """Return whom an alert has been told to so far."""
    return str(TOLD[min(tier, len(TOLD) - 1)])


def rank_words(place: Place, rule: AlertRule, clinic: Clinic) -> str:
    """Return how an alert stands to the last one, with that one's date on the clinic's clock."""
    ranks = SCORE_RANKS if rule.scale else ANSWER_RANKS
    before = place.before
    if before is None:
        return str(ranks[place.standing.rank])
    day = date_format(timezone.localtime(before.at), "j M Y")
    return ranks[place.standing.rank] % {"last": past_words(before, rule, clinic), "day": day}


def past_words(past: Past, rule: AlertRule, clinic: Clinic) -> str:
    """Return an earlier option in the clinic's language, else in its own, else by its number."""
    if past.value is None:
        return _("no score")
    if rule.scale:
        return number(past.value)
    words = wording_for(definition_of(past.content_hash), clinic, past.language)
    label = "" if words is None else words.options.get(rule.link_id, {}).get(int(past.value), "")
    return label or number(past.value)


def wording_for(definition: Definition, clinic: Clinic, language: str) -> Wording | None:
    """Return the words that the clinic reads: its language, English, else those answered."""
    for wanted in (clinic.language, "en"):
        if wanted in definition.languages:
            return definition.wording(wanted)
    return wording_of(definition, language)


def asked_words(alert: Alert, clinic: Clinic) -> tuple[Words, Words | None]:
    """Return the question and answer as the patient read them, and in the clinic's own language.

    The second is None where it is the same, or not in the house.
    """
    definition = definition_of(alert.response.content_hash)
    asked = wording_of(definition, alert.response.language)
    if asked is None:
        return Words("", "", ""), None
    read = wording_for(definition, clinic, asked.language)
    other = None if read is None or read.language == asked.language else _words(alert, read)
    return _words(alert, asked), other


def _words(alert: Alert, wording: Wording) -> Words:
    assert alert.rule is not None
    key, value = alert.rule.link_id, alert.value
    option = "" if value is None else wording.options[key].get(value, "")
    return Words(wording.language, wording.items[key], option)


def short_words(alert: Alert, clinic: Clinic) -> str:
    """Return the answer, or the score beside its cut-off, for a line of the queue."""
    if alert.rule is None or alert.value is None:
        return ""
    if alert.rule.scale:
        return _("%(value)s, published cut-off %(cutoff)s") % {
            "value": alert.value,
            "cutoff": alert.rule.at_least,
        }
    asked, read = asked_words(alert, clinic)
    return f"“{(read or asked).option or alert.value}”"


def crossing_words(alert: Alert, score: Any) -> str:
    """Return a watched score beside its published cut-off, or why there is no score.

    `score` is the stored one, None where it is missing.
    """
    assert alert.rule is not None
    definition = definition_of(alert.response.content_hash)
    found = watched_scale(definition)
    facts = {
        "code": definition.code,
        "cutoff": alert.rule.at_least,
        "source": "" if found is None else found[1].citation.partition(",")[0],
    }
    if score is not None and score.value is not None:
        words = _(
            "%(code)s %(value)s, published cut-off %(cutoff)s (%(source)s): the score is at or"
            " above it."
        )
        return words % {**facts, "value": number(score.value)}
    words = _(
        "%(code)s has no score, for an answer is missing. The answers given come to at least"
        " %(value)s, published cut-off %(cutoff)s (%(source)s): that is at or above it."
    )
    return words % {**facts, "value": alert.value}
