"""What a patient is told where an answer met another one, given in another window meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from outcomes.patient_site import pages
from outcomes.patient_site.sitting import Sitting, Step
from outcomes.responses.services import StaleRevision


@dataclass(frozen=True, slots=True)
class Conflict:
    """One question with the answer that is kept, and the same with the one that is not."""

    kept: Step
    refused: Step

    @property
    def shows_help(self) -> bool:
        """Say whether either answer calls for the crisis text."""
        return self.kept.shows_help or self.refused.shows_help


def show_conflicts(
    request: HttpRequest,
    sitting: Sitting,
    errors: Sequence[StaleRevision],
    *,
    shows_help: bool = False,
) -> HttpResponse:
    """Name both answers to each question and lead back to it.

    `shows_help` says that something else that was sent calls for the crisis text.
    """
    conflicts = [conflict for error in errors for conflict in _conflicts_of(error, sitting)]
    context = {
        "page": pages.CHANGED,
        "clinic": sitting.link.invitation.clinic,
        "conflicts": conflicts,
        "shows_help": shows_help or any(conflict.shows_help for conflict in conflicts),
        "way_on": _address_of(conflicts[0].kept, sitting) if conflicts else None,
    }
    status = pages.CHANGED.status
    return render(request, "patient_site/kind_page.html", context, status=status)


def _conflicts_of(error: StaleRevision, sitting: Sitting) -> Iterator[Conflict]:
    for step in sitting.steps:
        key = step.item.link_id
        if step.assignment.pk == error.response.assignment_id and key in error.refused:
            kept, refused = error.stored[key], error.refused[key]
            yield Conflict(replace(step, value=kept), replace(step, value=refused))


def _address_of(step: Step, sitting: Sitting) -> str:
    if sitting.shows_all:
        return f"{reverse('patient_site:every')}#{step.key}"
    return reverse("patient_site:answer", args=[step.number])
