"""What the caseload's page shows beside its lines: where every filter leads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from outcomes.review.caseload import Caseload, Count, Filters


def query_of(filters: Filters, **more: Any) -> str:
    """Return filters as the query of an address."""
    named = {
        "who": "mine" if filters.only_mine else "all",
        "list": filters.worklist,
        "indication": filters.indication,
        **more,
    }
    return urlencode({name: value for name, value in named.items() if value})


def filters_of(kept: dict[str, str]) -> Filters:
    """Return the filters that a saved view keeps."""
    return Filters(
        only_mine=kept.get("who") == "mine",
        worklist=kept.get("list", ""),
        indication=kept.get("indication", ""),
    )


def kept_of(filters: Filters) -> dict[str, str]:
    """Return filters as a saved view keeps them."""
    who = "mine" if filters.only_mine else "all"
    return {"who": who, "list": filters.worklist, "indication": filters.indication}


def labels_for(code: str) -> dict[str, str]:
    """Return the columns' names, once for all lines, each of which repeats them on a phone."""
    return {
        "needs": _("Needs a person"),
        "last": _("Last %(code)s") % {"code": code},
        "change": _("Change from baseline"),
        "scores": _("Last scores"),
        "sessions": _("Sessions"),
        "seen": _("Answers seen"),
    }


@dataclass(frozen=True, slots=True)
class Choice:
    """One filter to choose: its words, where it leads, and whether it is the present one."""

    words: str
    query: str
    is_chosen: bool
    count: Count | None = None


@dataclass(frozen=True, slots=True)
class CaseloadPage:
    """The page of one request."""

    caseload: Caseload
    text: str = ""
    is_whole: bool = True  #: whether everything that has happened is in it

    @property
    def query(self) -> str:
        """Return the query that leads here, without the place in the list."""
        return query_of(self.caseload.filters)

    @property
    def next_query(self) -> str:
        """Return the query of the next page; empty on the last and on what was searched for."""
        after = self.caseload.next_after
        return query_of(self.caseload.filters, after=after) if after and not self.text else ""

    @property
    def mine(self) -> str:
        """Return the query of the user's own patients."""
        return query_of(replace(self.caseload.filters, only_mine=True))

    @property
    def all(self) -> str:
        """Return the query of everybody's patients."""
        return query_of(replace(self.caseload.filters, only_mine=False))

    @property
    def everyone(self) -> Choice:
        """Return the choice of no worklist."""
        filters = self.caseload.filters
        return Choice("", query_of(replace(filters, worklist="")), not filters.worklist)

    def worklists(self) -> Iterator[Choice]:
        """Yield the worklists with their counts."""
        filters = self.caseload.filters
        for count in self.caseload.counts:
            code = count.worklist.code
            query = query_of(replace(filters, worklist=code))
            yield Choice(str(count.worklist.title), query, code == filters.worklist, count)

    def views(self) -> Iterator[tuple[Any, str, bool]]:
        """Yield the user's saved views, where each leads, and whether it is shown now."""
        for view in self.caseload.views:
            filters = filters_of(view.filters)
            yield view, query_of(filters), filters == self.caseload.filters
