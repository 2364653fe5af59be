"""What messages to patients say about the questions behind their link."""

from __future__ import annotations

from django import template

from outcomes.delivery import sitting
from outcomes.delivery.models import Invitation

register = template.Library()


@register.simple_tag
def expected_minutes(invitation: Invitation) -> int:
    """Return about how many minutes the invitation takes to answer, at least 1."""
    return sitting.expected_minutes(invitation.assignments.under_way())
