"""Who may do what: each view declares a policy and, for tokens, a scope per action."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from django.urls import URLPattern, URLResolver
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import MethodNotAllowed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from outcomes.clinics.access import Audience, Policy, Scope
from outcomes.clinics.models import ApiToken
from outcomes.delivery.models import Link

if TYPE_CHECKING:
    from rest_framework.views import APIView

#: What an action needs: one scope, or any of several.
Needs = Scope | frozenset[Scope]
ANY_SCOPE: Final[frozenset[Scope]] = frozenset(Scope)


class DeclaredPolicy(BasePermission):
    """Hold every request to what its view declares; what is not declared is refused."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Say whether the requester may; raises where it can say why not."""
        policy = getattr(view, "access_policy", None)
        if not isinstance(policy, Policy):
            return False
        if policy.audience is Audience.PATIENT_LINK:
            return isinstance(request.auth, Link)
        if policy.audience is Audience.TOKEN and isinstance(request.user, ApiToken):
            _require_scope(request, view, request.user)
            return True
        return policy.audience is Audience.PUBLIC


def _require_scope(request: Request, view: APIView, token: ApiToken) -> None:
    action = getattr(view, "action", None)
    if action is None or request.method == "OPTIONS":
        raise MethodNotAllowed(str(request.method))
    needs = needs_of(view, action)
    if needs is None:
        raise PermissionDenied(_("This action declares no scope."))
    allowed = {needs} if isinstance(needs, Scope) else needs
    if not any(token.allows(scope) for scope in allowed):
        names = ", ".join(sorted(allowed))
        raise PermissionDenied(_("This token lacks the scope %(scope)s.") % {"scope": names})


def needs_of(view: APIView | type[APIView], action: str) -> Needs | None:
    """Return the scope that a view declares for an action, if it does."""
    scopes: Mapping[str, Needs] = getattr(view, "scopes", {})
    return scopes.get(action)


def undeclared_actions() -> Iterator[str]:
    """Yield "View.action" for every routed action of tokens whose scope is not declared."""
    from outcomes.api.urls import urlpatterns  # the views import this module

    for pattern in _leaves(urlpatterns):
        view: Any = getattr(pattern.callback, "cls", None)
        policy = getattr(view, "access_policy", None)
        if policy is None or policy.audience is not Audience.TOKEN:
            continue
        actions = getattr(pattern.callback, "actions", None) or {"": "dispatch"}
        for action in dict.fromkeys(actions.values()):
            if needs_of(view, action) is None:
                yield f"{view.__name__}.{action}"


def _leaves(patterns: list[Any]) -> Iterator[URLPattern]:
    for entry in patterns:
        if isinstance(entry, URLResolver):
            yield from _leaves(entry.url_patterns)
        else:
            yield entry
