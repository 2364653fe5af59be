"""A minute's worth of the campaign for `make test`: one walk, and two bugs that it must find."""

from __future__ import annotations

from collections.abc import Iterator

from tests.campaign.figure import Figure
from tests.campaign.planted import BUGS, is_caught
from tests.campaign.stage import staged

QUICK_BUGS = ("alert after commit", "escalation stops")


def play(database: str, *, is_full: bool) -> Iterator[Figure]:
    """Yield the figures of one database."""
    with staged(database, is_quick=True) as stage:
        from outcomes.delivery.channels.base import Guarantee
        from tests.campaign.boundaries import walk_through
        from tests.campaign.scenarios import Submit

        walk = walk_through(stage.folder, Submit, Guarantee.KEYED)
        text = f"{len(walk.problems)} of {walk.boundaries} crash boundaries of a submission broken"
        yield Figure("R2", walk.boundaries > 50 and not walk.problems, text)
        bugs = [bug for bug in BUGS if bug.name in QUICK_BUGS]
        caught = [bug.name for bug in bugs if is_caught(bug, stage.folder)]
        yield Figure("R2", len(caught) == len(bugs), f"{len(caught)} planted bugs caught")
