"""The caseload: a page of open episodes in a stated order, narrowed by rules stated in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Count as CountRows
from django.db.models import F, IntegerField, Q, Subquery
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan
from django.utils.translation import gettext_lazy as _

from outcomes.care.models import Indication
from outcomes.clinics.models import Clinic, User
from outcomes.review import change, worklists
from outcomes.review.change import Change, ScorePoint
from outcomes.review.charts import draw_sparkline
from outcomes.review.models import IN_ORDER, SavedView, Standing, StandingQuerySet
from outcomes.review.reach import ReachProblem
from outcomes.review.standings import MainScale, main_scale
from outcomes.review.worklists import WORKLISTS, Worklist

PER_PAGE = 50
# More than this is not counted: “1,000+” says as much.
COUNTED_TO = 1000
ORDER = _(
    "Order: open alerts first, the oldest on top; then patients who cannot be reached; then the "
    "oldest unanswered questionnaire; then by name. It is not a risk rating."
)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which open episodes: whose, by which worklist, of which indication; empty means any."""

    only_mine: bool = True
    worklist: str = ""
    indication: str = ""


@dataclass(frozen=True)
class Line:
    """One open episode as the list shows it at a moment."""

    standing: Standing
    main: MainScale
    now: datetime

    @property
    def indication(self) -> str:
        """Return the episode's indication in words."""
        return str(INDICATIONS[self.standing.indication])

    @cached_property
    def overdue_since(self) -> datetime | None:
        """Return since when the oldest unanswered questionnaire is overdue."""
        due_at = self.standing.oldest_due_at
        return due_at if due_at is not None and due_at < self.now else None

    @property
    def reach_words(self) -> str:
        """Return why messages do not reach the patient; empty where they do."""
        problem = self.standing.reach_problem
        return str(ReachProblem(problem).label) if problem else ""

    @property
    def is_quiet(self) -> bool:
        """Say whether no rule but that of unseen answers puts the line on a worklist."""
        row = self.standing
        if not row.is_reached or row.is_reliably_worse or row.is_response_unseen:
            return False
        return not (row.open_alerts or self.overdue_since or row.lost_response_at)

    @property
    def no_change_reason(self) -> str:
        """Return why there is no change from baseline to show; empty where only the score lacks."""
        row = self.standing
        if row.baseline_value is not None:
            return ""
        return change.baseline((), row.first_session_at).reason

    @cached_property
    def change(self) -> Change | None:
        """Return the change from baseline to a later score."""
        row, definition, scale = self.standing, self.main.definition, self.main.scale
        if row.baseline_value is None or row.last_value is None or row.last_at == row.baseline_at:
            return None
        if definition is None or scale is None:
            return None
        low = scale.baseline_min.value if scale.baseline_min else 0.0
        return change.change_from(
            row.baseline_value, row.last_value, definition.direction, baseline_min=low
        )

    @cached_property
    def is_within_error(self) -> bool:
        """Say whether the change is smaller than what measurement error explains."""
        rule = self.main.scale.reliable_change if self.main.scale else None
        return bool(rule and self.change and abs(self.change.absolute) < rule.value)

    @property
    def colour(self) -> str:
        """Return towards what the score has moved; "none" within measurement error."""
        if self.change is None or self.change.towards == "same" or self.is_within_error:
            return "none"
        return self.change.towards

    @property
    def days_since_session(self) -> int | None:
        """Return the days since the last session, on the patient's calendar."""
        at = self.standing.last_session_at
        return None if at is None else -self._days_until(at)

    @property
    def days_until_session(self) -> int | None:
        """Return the days until the next planned session; negative where its day has passed."""
        at = self.standing.next_session_at
        return None if at is None else self._days_until(at)

    def _days_until(self, at: datetime) -> int:
        zone = ZoneInfo(self.standing.time_zone)
        return (at.astimezone(zone).date() - self.now.astimezone(zone).date()).days

    @property
    def sparkline(self) -> str:
        """Return the last scores as SVG at the size of a word."""
        row, scale, definition = self.standing, self.main.scale, self.main.definition
        if scale is None or definition is None:
            return ""
        begins = sorted(band.low for band in scale.bands)
        if definition.direction == "higher_is_better":
            begins = sorted((band.high for band in scale.bands), reverse=True)
        return draw_sparkline(
            [ScorePoint(datetime.fromisoformat(at), value) for at, value in row.points],
            scale.low,
            scale.high,
            code=self.main.code,
            bands=begins,
            missed=[datetime.fromisoformat(at) for at in row.missed],
            remission=scale.remission.value if scale.remission else None,
            zone=ZoneInfo(row.time_zone),
        )


@dataclass(frozen=True, slots=True)
class Count:
    """How many stand on one worklist, counted up to `COUNTED_TO`."""

    worklist: Worklist
    n: int
    main: MainScale

    @property
    def words(self) -> str:
        """Return the number, “1,000+” where there are more than are counted."""
        return capped_words(self.n)

    @property
    def rule(self) -> str:
        """Return the worklist's rule in words."""
        return str(self.worklist.rule(self.main))


@dataclass(frozen=True, slots=True)
class Caseload:
    """One page of the list, the counts of its worklists, and what the user saved of it."""

    filters: Filters
    main: MainScale
    lines: tuple[Line, ...]
    next_after: UUID | None  #: the last line's key where more follow
    total: int
    counts: tuple[Count, ...]
    views: tuple[SavedView, ...]

    @property
    def total_words(self) -> str:
        """Return how many open episodes there are, “1,000+” where more than are counted."""
        return capped_words(self.total)

    @property
    def chosen(self) -> Count | None:
        """Return the worklist that is shown."""
        code = self.filters.worklist
        return next((count for count in self.counts if count.worklist.code == code), None)


def capped_words(n: int) -> str:
    """Write a count, or that there are more than are counted."""
    return f"{COUNTED_TO:,}+" if n > COUNTED_TO else str(n)


def build(
    clinic: Clinic,
    user: User,
    now: datetime,
    filters: Filters = Filters(),
    *,
    after: UUID | None = None,
    text: str = "",
) -> Caseload:
    """Read one page of the open episodes that the user may see, in a constant number of queries.

    `after` is the key of the last line of the page before. A search by `text` looks through all
    of them, whatever the filters.
    """
    main = main_scale(clinic)
    everyone = Standing.objects.visible_to(user).filter(clinic=clinic)
    rows = everyone.of_clinician(user) if filters.only_mine else everyone
    if filters.indication:
        rows = rows.filter(indication=filters.indication)
    if text:
        found = everyone.named(text)
    else:
        worklist = worklists.BY_CODE.get(filters.worklist)
        found = worklist.narrow(rows, now) if worklist else rows
        if after is not None:
            found = _after(found, everyone, after)
    page = list(found.in_order().select_related("seen_by")[: PER_PAGE + 1])
    total, counts = _counts(clinic, rows, main, now, is_mine=filters.only_mine)
    return Caseload(
        filters=filters,
        main=main,
        lines=tuple(Line(row, main, now) for row in page[:PER_PAGE]),
        next_after=page[PER_PAGE - 1].pk if len(page) > PER_PAGE else None,
        total=total,
        counts=counts,
        views=tuple(SavedView.objects.filter(clinic=clinic, user=user)),
    )


def find_line(clinic: Clinic, user: User, episode_id: UUID, now: datetime) -> Line | None:
    """Return one line of the list; None for an episode that has none there."""
    rows = Standing.objects.visible_to(user).filter(clinic=clinic, episode=episode_id)
    row = rows.select_related("seen_by").first()
    return Line(row, main_scale(clinic), now) if row else None


def _after(rows: StandingQuerySet, everyone: StandingQuerySet, key: UUID) -> StandingQuerySet:
    """Keep what stands behind a line in the order; everything where that line is gone."""
    place = everyone.filter(pk=key).values_list(*IN_ORDER).first()
    if place is None:
        return rows
    return rows.filter(TupleGreaterThan(Tuple(*map(F, IN_ORDER)), place))


class _CappedCount(Subquery):
    """Count the rows of a subquery, which says itself where to stop."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def _counts(
    clinic: Clinic, rows: StandingQuerySet, main: MainScale, now: datetime, *, is_mine: bool
) -> tuple[int, tuple[Count, ...]]:
    """Count everything and each worklist, in one query."""
    everything = [Worklist("all", "", lambda now: Q(), lambda main: ""), *WORKLISTS]
    if is_mine:
        # They are few, and the indexes of all would be searched for them in vain.
        told = rows.aggregate(
            **{each.code: CountRows("pk", filter=each.holds_at(now)) for each in everything}
        )
    else:
        # None further than it is told, and in the list's order, which the indexes have: else
        # PostgreSQL reads past all that do not count.
        capped = {
            each.code: _CappedCount(
                each.narrow(rows, now).in_order().values("pk")[: COUNTED_TO + 1]
            )
            for each in everything
        }
        told = dict(Clinic.objects.filter(pk=clinic.pk).values(**capped).get())
    counts = [Count(worklist, told[worklist.code], main) for worklist in everything]
    return counts[0].n, tuple(counts[1:])


# Once for all lines: Django's own display looks through every choice each time.
INDICATIONS = dict(Indication.choices)
