"""The clinic's own rule of loss of response: as its settings have it, and in words."""

from __future__ import annotations

from typing import cast

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from outcomes.clinics.models import Clinic
from outcomes.instruments.definition import Definition, Scale
from outcomes.review.charts.words import number
from outcomes.review.durability import LossKind, LossRule, Rules, rules_of, tell
from outcomes.review.gathered import StoredScore
from outcomes.review.measures import Measure


def clinic_rules(clinic: Clinic, definition: Definition, scale: Scale) -> Rules | None:
    """Return what is response in a scale, and what this clinic calls its loss; None without."""
    kind = cast("LossKind", clinic.loss_kind)
    loss = LossRule(kind, clinic.loss_amount, clinic.loss_in_a_row, clinic.main_instrument)
    return rules_of(definition, scale, loss)


def loss_to_confirm(measure: Measure, clinic: Clinic) -> StoredScore | None:
    """Return the last score, where it shows a loss that waits for a second one or a clinician."""
    rules = clinic_rules(clinic, measure.definition, measure.scale)
    if rules is None:
        return None
    story = tell(measure.baseline.point, measure.panel.points, rules, measure.confirmed)
    return None if story.unconfirmed is None else measure.scored[story.unconfirmed]


def loss_words(rules: Rules | None) -> str:
    """Write when response counts as lost; empty where the clinic's rule does not say."""
    if rules is None or rules.loss is None:
        return ""
    if rules.loss.in_a_row == 1:
        shown = _("One assessment must show it.")
    else:
        shown = _("Two assessments in a row must show it, or one that a clinician confirms.")
    convention = _("The clinic's own convention, not validated for ketamine.")
    return f"{_shown_by(rules, rules.loss)} {shown} {convention}"


def _shown_by(rules: Rules, loss: LossRule) -> str:
    if loss.kind == "points":
        return ngettext(
            "Loss of response: response is not met, and the score is at least %(n)d point worse"
            " than the best one since the baseline.",
            "Loss of response: response is not met, and the score is at least %(n)d points worse"
            " than the best one since the baseline.",
            loss.amount,
        ) % {"n": loss.amount}
    if loss.kind == "percent":
        return _(
            "Loss of response: response is not met, and the score is worse than the best one since"
            " the baseline by at least %(n)d %% of the baseline."
        ) % {"n": loss.amount}
    if loss.kind == "improvement":
        return _(
            "Loss of response: response is not met, and the score is less than %(n)d %% better than"
            " the baseline."
        ) % {"n": loss.amount}
    assert rules.cutoff is not None
    if not loss.amount:
        return _(
            "Loss of response: response is not met, and the score is back at %(cutoff)s or above."
        ) % {"cutoff": number(rules.cutoff)}
    return _(
        "Loss of response: response is not met, and the score is back at %(cutoff)s or above with"
        " at least %(n)d %% of the best gain lost."
    ) % {"cutoff": number(rules.cutoff), "n": loss.amount}
