"""How often a machine may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from outcomes.clinics.models import ApiToken

if TYPE_CHECKING:
    from rest_framework.views import APIView


class TokenThrottle(SimpleRateThrottle):
    """Count the requests of one token."""

    scope = "token"

    def get_cache_key(self, request: Request, view: APIView | None) -> str | None:
        """Return the token's own counter; None where no token asks."""
        if not isinstance(request.user, ApiToken):
            return None
        return self.cache_format % {"scope": self.scope, "ident": request.user.pk}


class AddressThrottle(SimpleRateThrottle):
    """Count the requests of one network address: public pages, and tokens that do not exist."""

    scope = "anonymous"

    def get_cache_key(self, request: Request, view: APIView | None) -> str:
        """Return the address's own counter."""
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}
