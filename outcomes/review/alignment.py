"""Which time of a patient belongs to which course, in days since its first session. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Hold the time of one course; `began` is its first held session, day 0.

    It reaches from the last session of an earlier course to the first one of a later, neither
    within it; None is without end. What was scored before day 0 is thus where the course started.
    """

    began: datetime
    after: datetime | None = None
    until: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Say whether an instant lies within."""
        is_after = self.after is None or at > self.after
        return is_after and (self.until is None or at < self.until)

    def day(self, at: datetime) -> float:
        """Return true elapsed days of 24 hours since day 0, negative before it."""
        # In UTC: across a change of clocks Python subtracts the times on the wall.
        return (at.astimezone(UTC) - self.began.astimezone(UTC)) / DAY


def stretch_of(own: Iterable[datetime], others: Iterable[datetime]) -> Stretch | None:
    """Return the time of a course by its held sessions and those of the patient's other courses.

    None where it has held none.
    """
    began = min(own, default=None)
    if began is None:
        return None
    known = list(others)
    return Stretch(
        began,
        after=max((at for at in known if at < began), default=None),
        until=min((at for at in known if at > began), default=None),
    )
