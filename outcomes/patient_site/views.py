"""The patient's pages: a link, its check, one question after another, a review, thanks."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from outcomes import workflows
from outcomes.audit.models import Actor
from outcomes.clinics.access import Audience, declare
from outcomes.delivery import services as delivery
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import Invitation, Link
from outcomes.patient_site import farewell, pages
from outcomes.patient_site.forms import (
    AnswerForm,
    BirthDateForm,
    ForMeForm,
    NotForMeForm,
    SendForm,
)
from outcomes.patient_site.guards import (
    in_sitting,
    kindly,
    let_in,
    no_such_link,
    say_thanks,
    through_link,
)
from outcomes.patient_site.language import speaking
from outcomes.patient_site.sitting import Sitting, Step
from outcomes.responses.models import Mode
from outcomes.responses.services import StaleRevision
from outcomes.scheduling.models import AssignmentState

read_or_send = require_http_methods(["GET", "HEAD", "POST"])


# -- The link ------------------------------------------------------------------------------------


@declare(Audience.PATIENT_LINK)
@read_or_send
@through_link
def open_link(request: HttpRequest, link: Link, now: datetime) -> HttpResponse:
    """Say why, how long and who looks, and check that this is the right person."""
    invitation = link.invitation
    assignments = tickets.assignments_of(invitation, now)
    if not assignments:
        return pages.show(request, pages.NOTHING_ASKED, invitation.clinic)
    form = _check_of(invitation)(request.POST if request.method == "POST" else None)
    if form.is_valid() and _is_right_person(form, invitation, now):
        delivery.note_opened(link=link, now=now)
        return let_in(link, now)
    if invitation.locked_at is not None:
        return pages.show(request, pages.LOCKED, invitation.clinic)
    context = {
        "clinic": invitation.clinic,
        "form": form,
        "asks_birth_date": isinstance(form, BirthDateForm),
        "minutes": tickets.expected_minutes(assignments),
        "is_begun": any(item.state == AssignmentState.STARTED for item in assignments),
    }
    return render(request, "patient_site/open.html", context)


def _check_of(invitation: Invitation) -> type[forms.Form]:
    has_date = invitation.patient.birth_date is not None
    return BirthDateForm if invitation.clinic.checks_birth_date and has_date else ForMeForm


def _is_right_person(form: forms.Form, invitation: Invitation, now: datetime) -> bool:
    birth_date = form.cleaned_data.get("birth_date")
    if birth_date is None or delivery.check_birth_date(
        invitation=invitation, birth_date=birth_date, by=tickets.actor_of(invitation), now=now
    ):
        return True
    invitation.refresh_from_db(fields=["failed_checks", "locked_at"])
    left = delivery.MAX_CHECKS - invitation.failed_checks
    message = ngettext(
        "This is not the date of birth your clinic has. You can try once more.",
        "This is not the date of birth your clinic has. You can try %(left)d more times.",
        left,
    )
    form.add_error(None, message % {"left": left})
    return False


@declare(Audience.PATIENT_LINK)
@read_or_send
@through_link
def not_for_me(request: HttpRequest, link: Link, now: datetime) -> HttpResponse:
    """Ask whether the message really went astray and, once that is confirmed, end the invitation.

    The first page's button sends nothing to confirm, so it leads to the question only.
    """
    form = NotForMeForm(request.POST if "confirms" in request.POST else None)
    if not form.is_valid():
        context = {"clinic": link.invitation.clinic, "form": form}
        return render(request, "patient_site/not_for_me.html", context)
    invitation = link.invitation
    workflows.decline_invitation(invitation=invitation, by=tickets.actor_of(invitation), now=now)
    return pages.show(request, pages.DECLINED, invitation.clinic)


@declare(Audience.PATIENT_LINK)
@kindly
def mangled_link(request: HttpRequest, rest: str) -> HttpResponse:
    """Answer an address that a mail program has torn or added to."""
    return no_such_link(request, timezone.now())


# -- The questions -------------------------------------------------------------------------------


@declare(Audience.PATIENT_LINK)
@require_safe
@in_sitting
def begin(request: HttpRequest, sitting: Sitting, now: datetime) -> HttpResponse:
    """Lead to the first question not met yet or, when there is none, to the review."""
    return redirect(_page_of(sitting.first_unmet))


@declare(Audience.PATIENT_LINK)
def no_such_page(request: HttpRequest, rest: str) -> HttpResponse:
    """Lead from an address that does not exist to the first question not met."""
    return redirect("patient_site:answer")


@declare(Audience.PATIENT_LINK)
@read_or_send
@in_sitting
def answer(request: HttpRequest, sitting: Sitting, now: datetime, number: int) -> HttpResponse:
    """Ask one question; keep its answer and go on."""
    if request.method == "POST":
        return _keep(request, sitting, now)
    step = sitting.step(number)
    if step is None:
        return redirect("patient_site:answer")
    return _ask(request, sitting, step, is_review="review" in request.GET)


def _ask(
    request: HttpRequest,
    sitting: Sitting,
    step: Step,
    *,
    is_review: bool,
    is_missing: bool = False,
) -> HttpResponse:
    context = {
        "clinic": sitting.link.invitation.clinic,
        "sitting": sitting,
        "step": step,
        "is_review": is_review,
        "is_missing": is_missing,
        "onward": _onward(sitting, step, "next", is_review),
    }
    return render(request, "patient_site/answer.html", context)


def _keep(request: HttpRequest, sitting: Sitting, now: datetime) -> HttpResponse:
    form = AnswerForm(request.POST)
    clinic = sitting.link.invitation.clinic
    step = form.step_of(sitting) if form.is_valid() else None
    if step is None:
        return pages.show(request, pages.UNREADABLE, clinic)
    action, is_review = form.cleaned_data["action"], form.cleaned_data["review"]
    if form.is_left_open and step.item.required and action == "next":
        return _ask(request, sitting, step, is_review=is_review, is_missing=True)
    if not (form.is_left_open and action == "back"):
        _store(step, form, tickets.actor_of(sitting.link.invitation), now)
    onward = _onward(sitting, step, action, is_review)
    if step.needs_help(form.chosen):
        return render(request, "patient_site/help.html", {"clinic": clinic, "onward": onward})
    return redirect(onward)


def _store(step: Step, form: AnswerForm, by: Actor, now: datetime) -> None:
    try:
        workflows.save_answers(
            assignment_id=step.assignment.pk,
            answers={step.item.link_id: form.chosen},
            language=step.wording.language,
            mode=Mode.LINK,
            by=by,
            now=now,
            revision=form.cleaned_data["revision"],
        )
    except StaleRevision as newer:
        # A second press of the same button is no conflict.
        if newer.response.answers.get(step.item.link_id, "none yet") != form.chosen:
            raise


def _onward(sitting: Sitting, step: Step, action: str, is_review: bool) -> str:
    """Return the address of the page after this one."""
    number = step.number + (-1 if action == "back" else 1)
    if step.branches and action != "back":
        # What comes next depends on the answer: the page behind the address knows.
        return reverse("patient_site:answer", args=() if is_review else [number])
    return _page_of(None if is_review else sitting.step(number))


def _page_of(step: Step | None) -> str:
    if step is None:
        return reverse("patient_site:review")
    return reverse("patient_site:answer", args=[step.number])


# -- The end -------------------------------------------------------------------------------------


@declare(Audience.PATIENT_LINK)
@read_or_send
@in_sitting
def review(request: HttpRequest, sitting: Sitting, now: datetime) -> HttpResponse:
    """Show every answer, and send them all together."""
    form = SendForm(request.POST if request.method == "POST" else None)
    is_changed = form.is_valid() and form.cleaned_data["seen"] != sitting.seen
    if form.is_valid() and not is_changed and sitting.answered:
        return _send(sitting, str(form.cleaned_data["sitting_id"]), now)
    context = {
        "clinic": sitting.link.invitation.clinic,
        "sitting": sitting,
        "sitting_id": uuid4(),
        "is_changed": is_changed,
    }
    return render(request, "patient_site/review.html", context)


def _send(sitting: Sitting, sitting_id: str, now: datetime) -> HttpResponse:
    workflows.submit_sitting(
        sitting=sitting.answers(),
        sitting_id=sitting_id,
        language=sitting.language,
        mode=Mode.LINK,
        by=tickets.actor_of(sitting.link.invitation),
        now=now,
        revisions=sitting.revisions,
    )
    return say_thanks(sitting.link, now)


@declare(Audience.PATIENT_LINK)
@require_safe
@kindly
def thanks(request: HttpRequest) -> HttpResponse:
    """Say who will look and what comes next; no answer is shown again."""
    now = timezone.now()
    link = tickets.read_receipt(request.COOKIES.get(tickets.RECEIPT_COOKIE, ""), now)
    if link is None:
        return pages.show(request, pages.CLOSED)
    with speaking(link.invitation.patient.language):
        context = {
            "clinic": link.invitation.clinic,
            "farewell": farewell.build(link.invitation, now),
        }
        return render(request, "patient_site/thanks.html", context)
