"""Who asks: a machine with a token, or a patient with the cookie of an opened link."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from outcomes.api.throttling import AddressThrottle
from outcomes.clinics.models import ApiToken
from outcomes.clinics.services import note_token_used
from outcomes.delivery import sitting
from outcomes.delivery.models import Link


class TokenAuthentication(BaseAuthentication):
    """Know a machine by its secret; unknown, expired and revoked ones look the same."""

    def authenticate(self, request: Request) -> tuple[ApiToken, ApiToken]:
        """Return the token as user and as credential."""
        now = timezone.now()
        scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
        token = None
        if scheme.lower() == "bearer" and secret:
            tokens = ApiToken.objects.with_secret(secret.strip()).valid_at(now)
            token = tokens.select_related("clinic").first()
        if token is None:
            _count_miss(request)
            raise AuthenticationFailed(
                _("Send a valid token of the clinic: “Authorization: Bearer <token>”.")
            )
        note_token_used(token=token, now=now)
        return token, token

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 asks for."""
        return "Bearer"


def _count_miss(request: Request) -> None:
    throttle = AddressThrottle()
    if not throttle.allow_request(request, None):  # type: ignore[arg-type]
        raise Throttled(throttle.wait())


class SittingAuthentication(SessionAuthentication):
    """Know a patient's browser by the ticket it got for an opened link; needs the CSRF token."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Link]:
        """Return nobody as user and, as credential, the link; the view asks if it still opens."""
        link = sitting.find_ticket(
            request.COOKIES.get(sitting.COOKIE, ""), timezone.now(), links=sitting.LEAN
        )
        if link is None:
            raise AuthenticationFailed(_("Open the link in your message again."))
        self.enforce_csrf(request)
        return AnonymousUser(), link

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 asks for."""
        return "Cookie"
