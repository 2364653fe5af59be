"""What providers report. Each request is signed or shows a secret, or is refused.

A body is of the one kind that its provider sends, or is not read; Django's own limit of 2.5 MB
bounds it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any
from uuid import UUID
from xml.sax.saxutils import escape

from anymail.exceptions import AnymailError
from anymail.webhooks.brevo import BrevoTrackingWebhookView
from anymail.webhooks.mailgun import MailgunTrackingWebhookView
from anymail.webhooks.postmark import PostmarkTrackingWebhookView
from anymail.webhooks.resend import ResendTrackingWebhookView
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from outcomes import workflows
from outcomes.api import reports
from outcomes.clinics.access import Audience, declare
from outcomes.delivery.channels import telnyx, twilio

MAIL_HOOKS = {
    "brevo": BrevoTrackingWebhookView,
    "mailgun": MailgunTrackingWebhookView,
    "postmark": PostmarkTrackingWebhookView,
    "resend": ResendTrackingWebhookView,
}
FORM, JSON = "application/x-www-form-urlencoded", "application/json"

Hook = Callable[..., HttpResponse]


def takes(content_type: str) -> Callable[[Hook], Hook]:
    """Let a machine post this kind of body, and no other: parts of a form may be of any size."""

    def wrap(view: Hook) -> Hook:
        @wraps(view)
        def hook(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            if request.content_type != content_type:
                return HttpResponse("The report is of another kind.", status=415)
            return view(request, **kwargs)

        return csrf_exempt(require_POST(hook))

    return wrap


@declare(Audience.PROVIDER)
@takes(JSON)
def mail(request: HttpRequest, provider: str) -> HttpResponse:
    """Take the reports of the provider of e-mail."""
    if provider not in MAIL_HOOKS or provider != settings.EMAIL_PROVIDER:
        raise Http404
    hook = MAIL_HOOKS[provider]()
    try:
        hook.run_validators(request)
    except (AnymailError, AttributeError, RecursionError, TypeError, ValueError):
        raise PermissionDenied("The request is not signed.") from None
    now = timezone.now()
    try:
        found = [reports.of_mail(provider, event, now) for event in hook.parse_events(request)]
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return HttpResponseBadRequest("The report cannot be read.")
    for report in found:
        if report is not None:
            workflows.take_report(report=report, now=now)
    return HttpResponse()


@declare(Audience.PROVIDER)
@takes(FORM)
def twilio_status(request: HttpRequest, message_id: UUID) -> HttpResponse:
    """Take what became of one text message."""
    _require_twilio(request)
    report = reports.of_twilio_status(request.POST.dict(), message_id, timezone.now())
    if report is not None:
        workflows.take_report(report=report, now=timezone.now())
    return HttpResponse()


@declare(Audience.PROVIDER)
@takes(FORM)
def twilio_incoming(request: HttpRequest) -> HttpResponse:
    """Take what a phone says back, and answer where it asks for help."""
    _require_twilio(request)
    now = timezone.now()
    form = request.POST.dict()
    answer = workflows.hear_phone(report=reports.of_twilio_reply(form, now), now=now)
    # Twilio itself has answered what it calls an opt-out, opt-in or help message.
    if not answer or form.get("OptOutType"):
        return HttpResponse("<Response/>", content_type="text/xml")
    message = f"<Response><Message>{escape(answer)}</Message></Response>"
    return HttpResponse(message, content_type="text/xml")


@declare(Audience.PROVIDER)
@takes(JSON)
def telnyx_status(request: HttpRequest, message_id: UUID) -> HttpResponse:
    """Take what became of one text message."""
    event = _telnyx_event(request)
    if event is None:
        return HttpResponseBadRequest("The report cannot be read.")
    report = reports.of_telnyx_status(event, message_id, timezone.now())
    if report is not None:
        workflows.take_report(report=report, now=timezone.now())
    return HttpResponse()


@declare(Audience.PROVIDER)
@takes(JSON)
def telnyx_incoming(request: HttpRequest) -> HttpResponse:
    """Take what a phone says back; Telnyx answers it by itself."""
    event = _telnyx_event(request)
    if event is None:
        return HttpResponseBadRequest("The report cannot be read.")
    report = reports.of_telnyx_reply(event, timezone.now())
    if report is not None:
        workflows.hear_phone(report=report, now=timezone.now())
    return HttpResponse()


def _require_twilio(request: HttpRequest) -> None:
    is_good = settings.SMS_PROVIDER == "twilio" and twilio.is_signed(
        key=settings.SMS_KEY,
        signature=request.headers.get("X-Twilio-Signature", ""),
        url=f"{settings.BASE_URL}{request.get_full_path()}",
        form=request.POST.lists(),
    )
    if not is_good:
        raise PermissionDenied("The request is not signed.")


def _telnyx_event(request: HttpRequest) -> dict[str, Any] | None:
    """Return what is reported; None where it cannot be read."""
    is_good = settings.SMS_PROVIDER == "telnyx" and telnyx.is_signed(
        key=settings.SMS_WEBHOOK_KEY,
        signature=request.headers.get("Telnyx-Signature-Ed25519", ""),
        timestamp=request.headers.get("Telnyx-Timestamp", ""),
        body=request.body,
        now=datetime.now(UTC).timestamp(),
    )
    if not is_good:
        raise PermissionDenied("The request is not signed.")
    try:
        event = json.loads(request.body)["data"]
    except (KeyError, RecursionError, TypeError, ValueError):
        return None
    is_whole = isinstance(event, dict) and isinstance(event.get("payload"), dict)
    return event if is_whole else None
