"""What messages to patients say about the questions behind their link."""

from __future__ import annotations

import re

from django import template
from django.utils import translation
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from outcomes.clinics.models import Clinic, CrisisWords
from outcomes.delivery import sitting
from outcomes.delivery.models import Invitation

register = template.Library()

# Three digits or more, as in 988, 116 123 or +1 (202) 555-0123; not 24/7.
TELEPHONE_NUMBER = re.compile(r"\+?\d(?:[ ()-]{0,2}\d){2,}")


@register.simple_tag
def expected_minutes(invitation: Invitation) -> int:
    """Return about how many minutes the invitation takes to answer, at least 1."""
    if invitation.minutes is None:
        invitation.minutes = sitting.expected_minutes(invitation.assignments.under_way())
    return invitation.minutes


@register.filter
def crisis_words(clinic: Clinic) -> CrisisWords:
    """Return the clinic's crisis text in the language of the page, else in the clinic's own."""
    return clinic.crisis_words((translation.get_language() or "").partition("-")[0])


@register.filter
def call_links(text: str) -> SafeString:
    """Return a clinic's own text with every telephone number ready to be tapped."""
    return mark_safe(TELEPHONE_NUMBER.sub(_call_link, escape(text)))  # noqa: S308 - escaped here


def _call_link(match: re.Match[str]) -> str:
    number = match.group()
    return f'<a class="call" href="tel:{re.sub("[^+0-9]", "", number)}">{number}</a>'
