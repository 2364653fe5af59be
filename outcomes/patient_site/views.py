"""The patient's pages behind the link: one question after another, a review, thanks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid4

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from outcomes import workflows
from outcomes.clinics.access import Audience, declare
from outcomes.delivery import services as delivery
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import Link
from outcomes.patient_site import farewell, pages, remembering
from outcomes.patient_site.arriving import arrival_of, arrived_at
from outcomes.patient_site.conflicts import show_conflicts
from outcomes.patient_site.forms import AnswerForm, EveryAnswerForm, SendForm
from outcomes.patient_site.guards import (
    ASKS_AFTER,
    DEVICE_COOKIE,
    in_sitting,
    kindly,
    lock_soon,
    say_thanks,
)
from outcomes.patient_site.language import speaking
from outcomes.patient_site.opening import choose_way
from outcomes.patient_site.sitting import Sitting, Step, build
from outcomes.responses.models import Remark
from outcomes.responses.services import Answers, StaleRevision, Words

read_or_send = require_http_methods(["GET", "HEAD", "POST"])


# -- The questions -------------------------------------------------------------------------------


@declare(Audience.PATIENT_LINK)
@require_safe
@in_sitting
def begin(request: HttpRequest, sitting: Sitting, now: datetime) -> HttpResponse:
    """Lead to the first question not met yet or, when there is none, to the review."""
    unmet = sitting.steps[0] if sitting.is_single else sitting.first_unmet
    if unmet and sitting.shows_all:
        return redirect(arrived_at(reverse("patient_site:every"), request))
    return redirect(arrived_at(_page_of(unmet), request))


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
    is_review = "review" in request.GET
    context = {
        "clinic": sitting.link.invitation.clinic,
        "sitting": sitting,
        "step": step,
        "is_review": is_review,
        "is_missing": "missing" in request.GET and step.value is None,
        "onward": _onward(sitting, step, "next", is_review),
        "arrival": arrival_of(request, sitting),
        "sitting_id": uuid4(),
    }
    return render(request, "patient_site/answer.html", context)


def _keep(request: HttpRequest, sitting: Sitting, now: datetime) -> HttpResponse:
    form = AnswerForm(request.POST)
    clinic = sitting.link.invitation.clinic
    step = form.step_of(sitting) if form.is_valid() else None
    if step is None and form.is_of_another(sitting):
        return pages.show(request, pages.OTHER_LINK)
    if step is None:
        return pages.show(request, pages.UNREADABLE, clinic)
    action, is_review = form.cleaned_data["action"], form.cleaned_data["review"]
    if form.is_left_open and step.item.required and action in ("next", "send"):
        return redirect(_address("answer", step.number, missing=True, review=is_review))
    if action == "send" and sitting.is_single and form.cleaned_data["sitting_id"]:
        return _send_one(sitting, step, form, now)
    if not (form.is_left_open and action in ("back", "all")):
        _store(step, form, sitting.link, now)
    if action == "all":
        choose_way(sitting.link.invitation, now, wants_one_page=True)
        return redirect(_address("every") + f"#{step.key}")
    if step.is_safety:
        # One address, whatever was answered.
        return redirect(_address("after", step.number, back=action == "back", review=is_review))
    return redirect(_onward(sitting, step, action, is_review))


@declare(Audience.PATIENT_LINK)
@require_safe
@in_sitting
def after(request: HttpRequest, sitting: Sitting, now: datetime, number: int) -> HttpResponse:
    """Show the crisis text if the answer just given calls for it, and lead on."""
    step = sitting.step(number)
    if step is None:
        return redirect("patient_site:answer")
    action = "back" if "back" in request.GET else "next"
    onward = _onward(sitting, step, action, "review" in request.GET)
    if not step.shows_help:
        return redirect(onward)
    invitation = sitting.link.invitation
    context = {"clinic": invitation.clinic, "invitation": invitation, "onward": onward}
    return render(request, "patient_site/help.html", context)


def _store(step: Step, form: AnswerForm, link: Link, now: datetime) -> None:
    _save(step, {step.item.link_id: form.chosen}, form.cleaned_data["revision"], link, now)


def _save(
    step: Step, answers: dict[str, int | None], revision: int, link: Link, now: datetime
) -> None:
    if not answers:
        return
    workflows.save_answers(
        assignment_id=step.assignment.pk,
        answers=answers,
        language=step.wording.language,
        mode=workflows.mode_of(link),
        by=tickets.actor_of(link.invitation),
        now=now,
        revision=revision,
    )


def _onward(sitting: Sitting, step: Step, action: str, is_review: bool) -> str:
    """Return the address of the page after this one."""
    number = step.number + (-1 if action == "back" else 1)
    if (step.branches or step.is_safety) and action != "back":
        # What comes next may depend on the answer: the page behind the address knows.
        return reverse("patient_site:answer", args=() if is_review else [number])
    return _page_of(None if is_review else sitting.step(number))


def _address(name: str, *args: int, **flags: bool) -> str:
    """Return a page's address with those of the flags that hold."""
    query = "&".join(f"{flag}=1" for flag, holds in flags.items() if holds)
    return reverse(f"patient_site:{name}", args=args) + (f"?{query}" if query else "")


def _page_of(step: Step | None) -> str:
    if step is None:
        return reverse("patient_site:review")
    return reverse("patient_site:answer", args=[step.number])


# -- All questions on one page -------------------------------------------------------------------


@declare(Audience.PATIENT_LINK)
@read_or_send
@in_sitting
def every(request: HttpRequest, sitting: Sitting, now: datetime) -> HttpResponse:
    """Ask everything on one page; keep what was chosen and go on."""
    if not sitting.may_show_all:
        return redirect("patient_site:answer")
    if request.method == "POST":
        return _keep_every(request, sitting, now)
    context = {
        "clinic": sitting.link.invitation.clinic,
        "sitting": sitting,
        "is_missing": "missing" in request.GET,
        "arrival": arrival_of(request, sitting),
    }
    return render(request, "patient_site/every.html", context)


def _keep_every(request: HttpRequest, sitting: Sitting, now: datetime) -> HttpResponse:
    form, link = EveryAnswerForm(request.POST, sitting), sitting.link
    if not form.is_valid():
        if form.is_of_another:
            return pages.show(request, pages.OTHER_LINK)
        return pages.show(request, pages.UNREADABLE, link.invitation.clinic)
    stale = []
    for section, revision, answers in form.answers():
        try:
            _save(section.first, answers, revision, link, now)
        except StaleRevision as error:
            stale.append(error)
            # What met no other answer is kept, whatever becomes of the rest.
            met = {key: answers[key] for key in answers.keys() - error.refused.keys()}
            _save(section.first, met, revision, link, now)
    if stale:
        return show_conflicts(request, sitting, stale, shows_help=form.shows_help)
    if form.cleaned_data["action"] == "one":
        choose_way(link.invitation, now, wants_one_page=False)
        return redirect("patient_site:answer")
    after = build(link, now)
    is_missing = bool(after.open)
    if any(step.is_safety for step in after.steps):
        # One address, whatever was answered.
        return redirect(_address("after_every", missing=is_missing))
    return redirect(_after_every(is_missing))


def _after_every(is_missing: bool) -> str:
    return _address("every", missing=True) if is_missing else reverse("patient_site:review")


@declare(Audience.PATIENT_LINK)
@require_safe
@in_sitting
def after_every(request: HttpRequest, sitting: Sitting, now: datetime) -> HttpResponse:
    """Show the crisis text if any answer calls for it, and lead to what is open or the review."""
    onward = _after_every("missing" in request.GET)
    if not any(step.shows_help for step in sitting.steps):
        return redirect(onward)
    invitation = sitting.link.invitation
    context = {"clinic": invitation.clinic, "invitation": invitation, "onward": onward}
    return render(request, "patient_site/help.html", context)


# -- The end -------------------------------------------------------------------------------------


@declare(Audience.PATIENT_LINK)
@read_or_send
@in_sitting
def review(request: HttpRequest, sitting: Sitting, now: datetime) -> HttpResponse:
    """Show every answer, and send them all together."""
    if request.method == "POST":
        return _send_all(request, sitting, now)
    return _review(request, sitting, is_changed="changed" in request.GET)


def _review(
    request: HttpRequest,
    sitting: Sitting,
    *,
    is_changed: bool = False,
    typed: str = "",
    refusal: str = "",
) -> HttpResponse:
    context = {
        "clinic": sitting.link.invitation.clinic,
        "sitting": sitting,
        "sitting_id": uuid4(),
        "is_changed": is_changed,
        "typed": typed,
        "refusal": refusal,
        "longest": Remark.LONGEST,
        "minutes": ASKS_AFTER.seconds // 60 if tickets.is_on_tablet(sitting.link) else None,
        "arrival": arrival_of(request, sitting),
    }
    return render(request, "patient_site/review.html", context)


def _send_all(request: HttpRequest, sitting: Sitting, now: datetime) -> HttpResponse:
    """Send what the review showed, or show it again; words that were typed stay on the page."""
    form = SendForm(request.POST, sitting)
    if form.is_valid() and form.is_of_another():
        return pages.show(request, pages.OTHER_LINK, words=form.typed)
    is_whole = form.is_valid() and bool(sitting.answered)
    is_changed = is_whole and form.cleaned_data["seen"] != sitting.seen
    if form.refusal or (form.typed and (is_changed or not is_whole)):
        return _review(
            request, sitting, is_changed=is_changed, typed=form.typed, refusal=form.refusal
        )
    if not is_whole:
        return redirect("patient_site:review")
    if is_changed:
        return redirect(_address("review", changed=True))
    sitting_id = str(form.cleaned_data["sitting_id"])
    try:
        return _send(
            sitting, sitting.answers(), sitting.revisions, sitting_id, now, words=form.words
        )
    except StaleRevision:
        if not form.typed:
            raise
        # An answer was changed after this request had read it.
        newer = build(sitting.link, now)
        return _review(request, newer, is_changed=True, typed=form.typed)


def _send_one(sitting: Sitting, step: Step, form: AnswerForm, now: datetime) -> HttpResponse:
    """Keep the only answer asked for and send it, with no page between."""
    answers = {step.assignment.pk: {step.item.link_id: form.chosen}}
    revisions = {step.assignment.pk: form.cleaned_data["revision"]}
    return _send(sitting, answers, revisions, str(form.cleaned_data["sitting_id"]), now)


def _send(
    sitting: Sitting,
    answers: Mapping[UUID, Answers],
    revisions: Mapping[UUID, int],
    sitting_id: str,
    now: datetime,
    words: Words | None = None,
) -> HttpResponse:
    workflows.submit_sitting(
        sitting=answers,
        sitting_id=sitting_id,
        language=sitting.language,
        languages=sitting.languages,
        mode=workflows.mode_of(sitting.link),
        by=tickets.actor_of(sitting.link.invitation),
        now=now,
        revisions=revisions,
        words=words,
    )
    return say_thanks(sitting.link, now)


@declare(Audience.PATIENT_LINK)
@require_safe
@kindly
def thanks(request: HttpRequest) -> HttpResponse:
    """Say who will look and what comes next; no answer is shown again."""
    now = timezone.now()
    link = tickets.read_receipt(request.COOKIES.get(tickets.RECEIPT_COOKIE, ""), now)
    if link is None and DEVICE_COOKIE in request.COOKIES:
        return redirect("patient_site:tablet")
    if link is None:
        return pages.show(request, pages.CLOSED)
    is_on_tablet = tickets.is_on_tablet(link)
    with speaking(link.invitation.patient.language):
        context = {
            "clinic": link.invitation.clinic,
            "invitation": link.invitation,
            "farewell": farewell.build(link.invitation, now),
            "own_page": delivery.own_path_beside(link),
            "is_remembered": remembering.is_known(request, link.invitation.patient),
            "is_forgotten": "forgotten" in request.GET,
        }
        name = "tablet_thanks" if is_on_tablet else "thanks"
        page = render(request, f"patient_site/{name}.html", context)
    return lock_soon(page) if is_on_tablet else page


@declare(Audience.PATIENT_LINK)
@require_POST
@kindly
def forget(request: HttpRequest) -> HttpResponse:
    """Have this phone asked who holds it the next time."""
    now = timezone.now()
    link = tickets.read_receipt(request.COOKIES.get(tickets.RECEIPT_COOKIE, ""), now)
    if link is None:
        return pages.show(request, pages.CLOSED)
    response = redirect(_address("thanks", forgotten=True))
    remembering.forget(request, response, link.invitation.patient, now)
    return response
