"""What the pages about alerts need: clocks in words."""

from __future__ import annotations

from datetime import timedelta

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

register = template.Library()


@register.filter
def span(length: timedelta) -> str:
    """Write a span as a clock is read: minutes, then hours and minutes, then days and hours."""
    minutes = int(length.total_seconds()) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        day_words = ngettext("%(n)d day", "%(n)d days", days) % {"n": days}
        return (
            _("%(days)s %(hours)d h") % {"days": day_words, "hours": hours} if hours else day_words
        )
    if hours:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes % 60}
    return _("%(minutes)d min") % {"minutes": minutes} if minutes else _("less than 1 min")
