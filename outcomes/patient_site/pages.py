"""Kind pages for whatever does not lead to a question: what happened, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from outcomes.clinics.models import Clinic

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as Text


@dataclass(frozen=True, slots=True)
class KindPage:
    """One such page. `goes_on` offers the way back to the questions."""

    status: int
    heading: Text
    lines: tuple[Text, ...]
    goes_on: bool = False
    calls: bool = False


NO_SUCH_LINK = KindPage(
    404,
    _("This link does not work any more"),
    (
        _(
            "A link ends when its questions are answered, when its time is over, or when a newer "
            "message has taken its place. Part of it may also have been lost in copying."
        ),
        _("Please open the newest message from your clinic, or ask your clinic for a new link."),
        _("If you need help now, call your local emergency number."),
    ),
)
TOO_MANY = KindPage(
    429,
    _("Please wait a little"),
    (
        _("Too many links that do not work were opened from here. Please try again in 10 minutes."),
        _("If you need help now, call your local emergency number."),
    ),
)
LOCKED = KindPage(
    403,
    _("We could not confirm that this is for you"),
    (
        _(
            "The date of birth did not match five times, so this link is locked. "
            "Nothing is lost, and you have done nothing wrong."
        ),
        _(
            "Please call your clinic: they can correct the date, "
            "or go through the questions with you."
        ),
    ),
    calls=True,
)
ANSWERED = KindPage(
    200,
    _("Already answered, thank you"),
    (
        _("Your answers have reached your clinic. There is nothing more to do here."),
        _("If you would like to change or add something, please tell your clinic."),
    ),
    calls=True,
)
DECLINED = KindPage(
    200,
    _("Thank you for telling us"),
    (
        _("The clinic can see that this message went astray. This link no longer works."),
        _("You can delete the message."),
    ),
)
NOTHING_ASKED = KindPage(
    200,
    _("There is nothing to answer at the moment"),
    (_("The time for these questions is over. Your clinic will write to you when it asks again."),),
    calls=True,
)
NOT_YET = KindPage(
    200,
    _("These questions are not open yet"),
    (_("The same link opens them then. There is nothing to do until that day."),),
    calls=True,
)
CLOSED = KindPage(
    403,
    _("This page has closed"),
    (
        _(
            "To keep your answers private, this page closes after two hours without use, "
            "and once all is sent."
        ),
        _(
            "To go on, open the link in your clinic's message again. "
            "Everything you have answered so far is kept."
        ),
        _("If you come here straight from the link, your browser may need to allow cookies."),
    ),
)
CLOSED_UNSAVED = KindPage(
    403,
    _("This page had closed: what you just sent was not kept"),
    (
        _(
            "Please open the link in your clinic's message again, and look at your last answers: "
            "all that was marked as saved is kept, and nothing else."
        ),
        _("If you need help now, do not wait for this page: call your local emergency number."),
        _(
            "To keep your answers private, this page closes after two hours without use, "
            "and once all is sent."
        ),
    ),
)
NO_COOKIE = KindPage(
    403,
    _("Your browser did not keep this page together"),
    (
        _(
            "Please open the link in your clinic's message again. "
            "Everything you have answered so far is kept; what you just sent was not."
        ),
        _(
            "If this page comes back, your browser may be blocking cookies: "
            "allow them for this page, or try another browser."
        ),
        _("If you need help now, do not wait for this page: call your local emergency number."),
    ),
    calls=True,
)
CHANGED = KindPage(
    409,
    _("Changed in another window"),
    (
        _(
            "These answers were changed in another window or on another device meanwhile. "
            "The newest ones are kept."
        ),
        _("Please look at the question once more."),
    ),
    goes_on=True,
)
SENT_BEFORE = KindPage(
    409,
    _("These answers were sent already"),
    (
        _("They were sent from another window or device, and your clinic has them."),
        _("If you would like to change something, please tell your clinic."),
    ),
    goes_on=True,
    calls=True,
)
OTHER_LINK = KindPage(
    409,
    _("Another link was opened on this phone"),
    (
        _(
            "This page was opened with one link, and another link was opened here after it. "
            "What you just sent was not kept."
        ),
        _(
            "To go on, open the link in your own message again. "
            "All that was marked as saved is kept."
        ),
        _("If you need help now, do not wait for this page: call your local emergency number."),
    ),
)
UNREADABLE = KindPage(
    400,
    _("That answer did not arrive well"),
    (_("Nothing was changed. Please choose your answer once more."),),
    goes_on=True,
)


BROKEN = KindPage(
    500,
    _("Something went wrong, and it is not your fault"),
    (
        _("What was saved before is safe. Please wait a minute, then open your link again."),
        _("If you need help now, do not wait for this page: call your local emergency number."),
    ),
)


STOPPED = KindPage(
    200,
    _("You will get no more mail from us"),
    (
        _("Your clinic can see this, and may reach you in another way that you agreed to."),
        _("To get mail again, tell your clinic."),
    ),
    calls=True,
)


def show(
    request: HttpRequest,
    page: KindPage,
    clinic: Clinic | None = None,
    own_page: str = "",
    opens_on: date | None = None,
    words: str = "",
) -> HttpResponse:
    """Render a kind page; without a clinic it gives nothing away about the link.

    `own_page` leads to the patient's own page, whose door asks who is there. `opens_on` is the day
    on which questions open. `words` are the patient's own, which were not sent.
    """
    context = {
        "page": page,
        "clinic": clinic,
        "own_page": own_page,
        "opens_on": opens_on,
        "words": words,
    }
    return render(request, "patient_site/kind_page.html", context, status=page.status)
