"""What stands before every page of the patient's side: the link, and the ticket after it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone, translation

from outcomes.delivery import services as delivery
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import Invitation, Link
from outcomes.instruments.scoring import AnswerError
from outcomes.patient_site import pages
from outcomes.patient_site.conflicts import show_conflicts
from outcomes.patient_site.forms import typed_words
from outcomes.patient_site.language import speaking
from outcomes.patient_site.sitting import build
from outcomes.patient_site.throttle import too_many_misses
from outcomes.responses.services import AlreadySubmitted, StaleRevision, is_remark_stored
from outcomes.workflows import SubmissionConflict

logger = logging.getLogger(__name__)

# Marks the page that a remembered phone meets first.
ARRIVED = "arrived"
# Says that codes are typed on this device, and nothing of a patient.
DEVICE_COOKIE = "device"
# A tablet that is not touched asks for a minute whether somebody is there, then locks.
LOCKS_AFTER = timedelta(minutes=1)
ASKS_AFTER = tickets.LASTS_ON_TABLET - LOCKS_AFTER

LinkView = Callable[[HttpRequest, Link, datetime], HttpResponse]
SittingView = Callable[..., HttpResponse]
PageView = Callable[..., HttpResponse]

# What may go wrong between a question shown and its answer stored.
KIND_PAGES: dict[type[Exception], pages.KindPage] = {
    AnswerError: pages.UNREADABLE,
    AlreadySubmitted: pages.SENT_BEFORE,
    SubmissionConflict: pages.SENT_BEFORE,
}


def kindly(view: PageView) -> PageView:
    """Answer a fault of ours with a kind page; the log gets its place, and no patient's data."""

    @wraps(view)
    def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, **kwargs)
        except Exception as error:
            if settings.DEBUG:
                raise
            # The exception's own text may quote a row.
            frames = "".join(traceback.format_tb(error.__traceback__))
            logger.error("%s in %s\n%s", type(error).__name__, view.__name__, frames)
            return pages.show(request, pages.BROKEN, words=_unsent(request))

    return guarded


def through_link(view: LinkView) -> PageView:
    """Let a live link through; unknown, expired and revoked ones get the same page, to the byte."""

    @kindly
    @wraps(view)
    def guarded(request: HttpRequest, token: str) -> HttpResponse:
        now = timezone.now()
        link = delivery.find_link(token)
        if link is None or _is_over(link, now):
            return no_such_link(request, now)
        with speaking(link.invitation.patient.language):
            if delivery.is_live(link, now):
                return view(request, link, now)
            clinic = link.invitation.clinic
            if now < link.invitation.opens_at:
                return not_yet(request, link.invitation, link.invitation.opens_at)
            if not _is_done(link):
                return pages.show(request, pages.LOCKED, clinic)
            return pages.show(request, pages.ANSWERED, clinic, delivery.own_path_beside(link))

    return guarded


def _is_revoked(link: Link) -> bool:
    return link.revoked_at is not None or link.invitation.revoked_at is not None


def _is_done(link: Link) -> bool:
    """Say whether all was answered and nobody took the link back."""
    return link.invitation.completed_at is not None and not _is_revoked(link)


def _is_over(link: Link, now: datetime) -> bool:
    """Say whether the link opens nothing and there is no better page than that of any other."""
    invitation = link.invitation
    return _is_revoked(link) or not (now < invitation.closes_at or _is_done(link))


def not_yet(request: HttpRequest, invitation: Invitation, opens_at: datetime) -> HttpResponse:
    """Say on which day the questions open, on the patient's calendar."""
    opens_on = opens_at.astimezone(ZoneInfo(invitation.patient.time_zone)).date()
    return pages.show(request, pages.NOT_YET, invitation.clinic, opens_on=opens_on)


def no_such_link(request: HttpRequest, now: datetime) -> HttpResponse:
    """Say that a link leads nowhere, the same whatever the reason, and count the miss."""
    with speaking(translation.get_language() or settings.LANGUAGE_CODE):
        page = pages.TOO_MANY if too_many_misses(request, now) else pages.NO_SUCH_LINK
        return pages.show(request, page)


def no_cookie(request: HttpRequest, token: str = "", **rest: Any) -> HttpResponse:
    """Say what to do when a browser sends a form without the cookie it was given."""
    link = delivery.find_link(token) if token else None
    clinic = link.invitation.clinic if link and delivery.is_live(link, timezone.now()) else None
    with speaking(translation.get_language() or settings.LANGUAGE_CODE):
        return pages.show(request, pages.NO_COOKIE, clinic)


def in_sitting(view: SittingView) -> PageView:
    """Let a ticket through whose link is live at this moment, with its sitting as it stands."""

    @kindly
    @wraps(view)
    def guarded(request: HttpRequest, **kwargs: int) -> HttpResponse:
        now = timezone.now()
        ticket = request.COOKIES.get(tickets.COOKIE, "")
        link = tickets.find_ticket(ticket, now)
        if link is None or not delivery.is_live(link, now):
            return _too_late(request, link, now)
        with speaking(link.invitation.patient.language):
            sitting = build(link, now)
            if not sitting.steps:
                # Another window may have sent all of it since the link was read.
                link.invitation.refresh_from_db(fields=["completed_at"])
                return _too_late(request, link, now, pages.NOTHING_ASKED)
            try:
                response = view(request, sitting, now, **kwargs)
            except StaleRevision as error:
                response = show_conflicts(request, sitting, [error])
            except tuple(KIND_PAGES) as error:
                page, clinic = KIND_PAGES[type(error)], link.invitation.clinic
                response = pages.show(request, page, clinic, words=_unsent(request))
        # The view may have taken the ticket back.
        if tickets.COOKIE in response.cookies:
            return response
        if tickets.is_on_tablet(link):
            keep_awake(response, tickets.COOKIE, tickets.make_ticket(link, now))
        elif renewed := tickets.renew_ticket(ticket, link, now):
            set_cookie(response, tickets.COOKIE, renewed, tickets.LASTS)
        return response

    return guarded


def _too_late(
    request: HttpRequest,
    link: Link | None,
    now: datetime,
    page: pages.KindPage = pages.CLOSED,
) -> HttpResponse:
    if link is not None and _is_done(link):
        if words := _left_behind(request, link):
            with speaking(link.invitation.patient.language):
                return pages.show(request, pages.SENT_BEFORE, link.invitation.clinic, words=words)
        return say_thanks(link, now)
    if link is not None and link.invitation.locked_at is not None and not _is_over(link, now):
        with speaking(link.invitation.patient.language):
            return pages.show(request, pages.LOCKED, link.invitation.clinic, words=_unsent(request))
    if DEVICE_COOKIE in request.COOKIES and (link is None or tickets.is_on_tablet(link)):
        return redirect("patient_site:tablet")
    if tickets.read_receipt(request.COOKIES.get(tickets.RECEIPT_COOKIE, ""), now) is not None:
        return redirect("patient_site:thanks")
    if page is pages.CLOSED and request.method == "POST":
        page = pages.CLOSED_UNSAVED
    with speaking(translation.get_language() or settings.LANGUAGE_CODE):
        clinic = link.invitation.clinic if link else None
        return pages.show(request, page, clinic, words=_unsent(request))


def _unsent(request: HttpRequest) -> str:
    """Return words of their own that a patient sent in vain; on a clinic's tablet none."""
    return "" if DEVICE_COOKIE in request.COOKIES else typed_words(request.POST)


def _left_behind(request: HttpRequest, link: Link) -> str:
    """Return the words that did not go along when all was sent."""
    typed = _unsent(request)
    is_stored = typed and is_remark_stored(
        patient_id=link.invitation.patient_id,
        submission_id=request.POST.get("sitting_id", ""),
        text=typed,
    )
    return "" if is_stored else typed


def let_in(link: Link, now: datetime, *, is_past_first_page: bool = False) -> HttpResponse:
    """Give the patient the ticket to the questions and lead there.

    `is_past_first_page`: they have not met it, and the next page says the most of it.
    """
    way = reverse("patient_site:answer")
    response = redirect(f"{way}?{ARRIVED}=1" if is_past_first_page else way)
    lasts = tickets.LASTS_ON_TABLET if tickets.is_on_tablet(link) else tickets.LASTS
    set_cookie(response, tickets.COOKIE, tickets.make_ticket(link, now), lasts)
    return response


def keep_awake(response: HttpResponse, name: str, ticket: str) -> HttpResponse:
    """Give a tablet its ticket anew, and ask before it ends whether somebody is there."""
    set_cookie(response, name, ticket, tickets.LASTS_ON_TABLET)
    # By a header, so that it works without a script.
    response["Refresh"] = f"{ASKS_AFTER.seconds}; url={reverse('patient_site:tablet_pause')}"
    return response


def lock_soon(response: HttpResponse) -> HttpResponse:
    """Have a tablet that nobody touches go back to its page for codes."""
    response["Refresh"] = f"{LOCKS_AFTER.seconds}; url={reverse('patient_site:tablet')}"
    return response


def say_thanks(link: Link, now: datetime) -> HttpResponse:
    """Take the ticket back, leave a receipt that opens only the thank-you page, and lead there."""
    response = redirect("patient_site:thanks")
    response.delete_cookie(tickets.COOKIE, samesite="Lax")
    receipt = tickets.make_receipt(link, now)
    set_cookie(response, tickets.RECEIPT_COOKIE, receipt, tickets.RECEIPT_LASTS)
    return response


def set_cookie(response: HttpResponse, name: str, value: str, lasts: timedelta) -> None:
    """Set a cookie that no script reads."""
    response.set_cookie(name, value, **tickets.cookie_options(lasts))
