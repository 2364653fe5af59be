"""What holds for every page: headers and declared policies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver

from outcomes.api.permissions import undeclared_actions
from outcomes.clinics.access import Audience, Policy
from outcomes.clinics.models import Membership

Respond = Callable[[HttpRequest], HttpResponse]

# Whoever asks, the view itself checks a link or a token, or there is nothing to check.
CHECKED_BY_THE_VIEW = (
    Audience.PUBLIC,
    Audience.PATIENT_LINK,
    Audience.TOKEN,
    Audience.OPERATOR,
    Audience.PROVIDER,
)

# Views of libraries cannot carry our mark, so theirs are declared here, by the name of their URL.
LIBRARY_POLICIES: dict[str, Policy] = {
    **dict.fromkeys(
        (
            "account_login",
            "account_logout",
            "account_inactive",
            "account_reset_password",
            "account_reset_password_done",
            "account_reset_password_from_key",
            "account_reset_password_from_key_done",
            "mfa_authenticate",
            "mfa_login_webauthn",
        ),
        Policy(Audience.PUBLIC),
    ),
    **dict.fromkeys(
        (
            "account_change_password",
            "account_set_password",
            "account_reauthenticate",
            "mfa_index",
            "mfa_reauthenticate",
            "mfa_activate_totp",
            "mfa_deactivate_totp",
            "mfa_view_recovery_codes",
            "mfa_generate_recovery_codes",
            "mfa_download_recovery_codes",
            "mfa_list_webauthn",
            "mfa_add_webauthn",
            "mfa_reauthenticate_webauthn",
            "mfa_remove_webauthn",
            "mfa_edit_webauthn",
        ),
        Policy(Audience.SIGNED_IN),
    ),
}


def policy_of(view: Callable[..., Any], url_name: str | None) -> Policy | None:
    """Return what a view declares, or what is declared for a library's URL."""
    for holder in (view, getattr(view, "view_class", None), getattr(view, "cls", None)):
        policy = getattr(holder, "access_policy", None)
        if isinstance(policy, Policy):
            return policy
    return LIBRARY_POLICIES.get(url_name or "")


def undeclared_urls() -> Iterator[str]:
    """Yield the route of every URL whose view declares no policy."""
    for route, pattern in _patterns(get_resolver().url_patterns, ""):
        if policy_of(pattern.callback, pattern.name) is None:
            yield route


def _patterns(patterns: list[Any], prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for entry in patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _patterns(entry.url_patterns, route)
        else:
            yield route, entry


def require_declared_policies() -> None:
    """Refuse to start while any URL has no policy, or any action of the API no scope."""
    missing = sorted([*undeclared_urls(), *undeclared_actions()])
    if missing:
        raise ImproperlyConfigured(
            "These URLs declare no access policy (outcomes.clinics.access.declare): "
            + ", ".join(missing)
        )


class PolicyMiddleware:
    """Hold every request to the policy its view declares; a view without one is refused."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on; `process_view` does the work."""
        return self.respond(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        """Answer in place of a view the requester may not use."""
        match = request.resolver_match
        policy = policy_of(view, match.url_name if match else None)
        if policy is None:
            raise PermissionDenied("This address declares no access policy.")
        if policy.audience in CHECKED_BY_THE_VIEW:
            return None
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if policy.audience is Audience.CLINIC:
            enter_clinic(request, kwargs["clinic_slug"], policy)
        return None


def enter_clinic(request: HttpRequest, slug: str, policy: Policy) -> None:
    """Set `request.membership` and `request.clinic`.

    A clinic the user does not belong to is not found, exactly like one that does not exist;
    a permission their role lacks is denied.
    """
    membership = (
        Membership.objects.active()
        .filter(user__email=request.user.get_username(), clinic__slug=slug)
        .select_related("clinic")
        .first()
    )
    if membership is None:
        raise Http404("No such page.")
    if policy.permission is None or not membership.allows(policy.permission):
        raise PermissionDenied("Your role does not allow this.")
    request.membership = membership  # type: ignore[attr-defined]
    request.clinic = membership.clinic  # type: ignore[attr-defined]


class HeadersMiddleware:
    """Send the content security policy and keep pages out of caches, on every response."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.policy = "; ".join(
            f"{name} {' '.join(values)}" for name, values in settings.SECURE_CSP.items()
        )

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Add the headers that the view has not set itself."""
        response = self.respond(request)
        response.headers.setdefault("Content-Security-Policy", self.policy)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), microphone=(), geolocation=(), interest-cohort=()"
        )
        return response
