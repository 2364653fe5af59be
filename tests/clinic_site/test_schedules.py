"""Schedules in the browser: drafts, refusals, the preview, versions, moving courses."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from outcomes import workflows
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.clinics.models import Clinic, User
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.models import Assignment, Schedule, ScheduleDraft
from outcomes.workflows import Enrolment
from tests.chance import without_chance
from tests.conftest import NOW, signed_in

LINE: dict[str, Any] = {
    "title": "Three days after",
    "instruments": ["MOOD-1"],
    "offset_value": "3",
    "offset_unit": "days",
    "offset_side": "after",
    "anchor": "each_session",
    "time_of_day": "18:00",
    "opens_value": "10",
    "opens_unit": "hours",
    "closes_value": "2",
    "closes_unit": "days",
    "repeat_unit": "days",
    "until_unit": "weeks",
    "reminders_after_hours": "24",
}


def url(name: str, **keys: Any) -> str:
    return reverse(f"clinic_site:{name}", kwargs={"clinic_slug": "north", **keys})


def shipped(code: str = "phq9-gad7-only") -> Schedule:
    return Schedule.objects.get(clinic=None, code=code, is_current=True)


def draft_of(client: Client, name: str = "Ours", source: Schedule | None = None) -> ScheduleDraft:
    answer = client.post(url("schedule_new"), {"name": name, "source": source.pk if source else ""})
    assert answer.status_code == 302
    return ScheduleDraft.objects.get(content__name=name)


def publish(client: Client, draft: ScheduleDraft) -> Schedule:
    page = client.get(url("schedule_draft_preview", draft_id=draft.pk)).content.decode()
    revision = re.search(r'name="revision" value="(\d+)"', page)
    assert revision, "the page offers no publishing"
    answer = client.post(
        url("schedule_draft_publish", draft_id=draft.pk), {"revision": revision.group(1)}
    )
    assert answer["Location"].startswith("/c/north/schedules/")
    return Schedule.objects.get(clinic__slug="north", code=draft.code, is_current=True)


def line_for(draft: ScheduleDraft, **changes: Any) -> dict[str, Any]:
    draft.refresh_from_db()
    given = {**LINE, "revision": draft.revision, **changes}
    return {name: value for name, value in given.items() if value is not ...}


# -- Writing -------------------------------------------------------------------------------------


def test_an_admin_copies_adds_a_line_previews_and_publishes(
    admin: User, as_admin: Client, clinic: Clinic
) -> None:
    draft = draft_of(as_admin, "Ours", shipped())
    assert len(draft.content["rules"]) == 5
    assert not Schedule.objects.filter(clinic=clinic).exists()

    answer = as_admin.post(url("schedule_rule_new", draft_id=draft.pk), line_for(draft))
    assert answer.status_code == 302
    page = as_admin.get(url("schedule_draft", draft_id=draft.pk)).content.decode()
    assert "Ask MOOD-1: 3 days after each session, at 18:00." in page
    assert "It opens 10 hours before that and closes 2 days after." in page

    query = {"sessions": "0, 7", "weeks": "4", "enrolled_before": "7", "condition": "trd"}
    preview = as_admin.get(url("schedule_draft_preview", draft_id=draft.pk), query)
    days = {day.number: day for day in preview.context["preview"].days}
    assert [ask.instruments for ask in days[3].asks] == [["MOOD-1"]]
    assert days[3].asks[0].due == "day 3, 18:00"
    assert (days[7].sessions, days[0].sessions) == ([2], [1])

    schedule = publish(as_admin, draft)
    assert (schedule.code, schedule.version, schedule.rules.count()) == ("ours", 1, 6)
    assert not ScheduleDraft.objects.exists()
    actions = list(AuditEvent.objects.filter(clinic_id=clinic.pk).values_list("action", flat=True))
    assert [name for name in actions if name.startswith("schedule.")] == [
        "schedule.drafted",
        "schedule.draft_changed",
        "schedule.published",
    ]


def test_a_line_is_changed_moved_and_removed(as_admin: Client) -> None:
    draft = draft_of(as_admin)
    for title in ("First", "Second"):
        as_admin.post(url("schedule_rule_new", draft_id=draft.pk), line_for(draft, title=title))
    as_admin.post(
        url("schedule_rule", draft_id=draft.pk, position=1), line_for(draft, title="Third")
    )
    keys = {"draft_id": draft.pk, "position": 1}
    draft.refresh_from_db()
    up = {"direction": "up", "revision": draft.revision}
    as_admin.post(url("schedule_rule_shift", **keys), up)
    draft.refresh_from_db()
    assert [line["title"] for line in draft.content["rules"]] == ["Third", "First"]
    assert [line["code"] for line in draft.content["rules"]] == ["line-2", "line-1"]

    as_admin.post(url("schedule_rule_remove", **keys), {"revision": draft.revision})
    draft.refresh_from_db()
    assert [line["title"] for line in draft.content["rules"]] == ["Third"]
    assert as_admin.post(url("schedule_rule_remove", **keys), up).status_code == 404


@pytest.mark.parametrize("code", ["ketamine-default", "esketamine-label", "six-in-twelve-days"])
def test_the_form_gives_back_every_shipped_line_as_it_was(as_admin: Client, code: str) -> None:
    draft = draft_of(as_admin, "Ours", shipped(code))
    lines = draft.content["rules"]
    for position in range(len(lines)):
        address = url("schedule_rule", draft_id=draft.pk, position=position)
        form = as_admin.get(address).context["form"]
        given = {name: form[name].value() for name in form.fields}
        given = {k: v for k, v in given.items() if v is not None and v is not False}
        assert as_admin.post(address, given).status_code == 302, lines[position]
    draft.refresh_from_db()
    defaults = {"closes_after": 0, "indications": [], "reminders_after_hours": []}
    for old, new in zip(lines, draft.content["rules"], strict=True):
        old, new = ({**defaults, **line} for line in (old, new))
        assert {k: v for k, v in new.items() if v != defaults.get(k)} == {
            k: v for k, v in old.items() if v != defaults.get(k)
        }


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"instruments": ...}, "instruments", "required"),
        ({"instruments": ["PHQ-99"]}, "instruments", "PHQ-99"),
        ({"offset_unit": "hours"}, "time_of_day", "only with a due time counted in days"),
        ({"closes_at_anchor": "on"}, "offset_value", "“3” is after the moment at which it closes"),
        ({"closes_value": ""}, "closes_value", "0 closes it when it is due"),
        ({"opens_value": "0"}, "opens_value", "greater than or equal to 1"),
        ({"reminders_after_hours": "90"}, "reminders_after_hours", "after it closes"),
        ({"reminders_after_hours": "soon"}, "reminders_after_hours", "“soon”"),
        ({"reminders_after_hours": "24, --5"}, "reminders_after_hours", "“--5”"),
        ({"until_value": "8"}, "repeat_value", "nothing to begin or end"),
        ({"repeat_value": "7", "until_value": "0"}, "until_value", "before it is first due"),
        ({"repeat_value": "2", "repeat_unit": "hours", "time_of_day": ""}, "repeat_value", "4"),
        ({"repeat_value": "99999999999"}, "repeat_value", "10000"),
    ],
)
def test_a_line_that_cannot_stand_is_refused_at_its_field(
    as_admin: Client, changes: dict[str, Any], field: str, words: str
) -> None:
    draft = draft_of(as_admin)
    page = as_admin.post(url("schedule_rule_new", draft_id=draft.pk), line_for(draft, **changes))
    assert page.status_code == 200
    assert words in " ".join(page.context["form"].errors[field])
    draft.refresh_from_db()
    assert draft.content["rules"] == []


def test_two_people_do_not_overwrite_each_other(as_admin: Client) -> None:
    draft = draft_of(as_admin)
    seen = line_for(draft)
    as_admin.post(url("schedule_rule_new", draft_id=draft.pk), seen)
    page = as_admin.post(url("schedule_rule_new", draft_id=draft.pk), {**seen, "title": "Late"})
    assert "Somebody else changed this draft" in page.content.decode()
    draft.refresh_from_db()
    assert [line["title"] for line in draft.content["rules"]] == ["Three days after"]


def test_the_description_and_the_spacing_are_changed(as_admin: Client) -> None:
    draft = draft_of(as_admin, "Ours", shipped())
    given = {"name": "Ours now", "description": "For us.", "revision": draft.revision}
    given |= {"spacing-PHQ-9": "10", "spacing-GAD-7": ""}
    as_admin.post(url("schedule_draft_details", draft_id=draft.pk), given)
    draft.refresh_from_db()
    assert draft.content["name"] == "Ours now"
    assert draft.content["spacing_days"] == {"PHQ-9": 10}


# -- Refusals ------------------------------------------------------------------------------------


def test_a_phq9_more_often_than_weekly_is_refused_with_the_reason(as_admin: Client) -> None:
    draft = draft_of(as_admin, "Ours", shipped())
    given = {"name": "Ours", "revision": draft.revision, "spacing-PHQ-9": "3"}
    as_admin.post(url("schedule_draft_details", draft_id=draft.pk), given)
    page = as_admin.get(url("schedule_draft_preview", draft_id=draft.pk)).content.decode()
    assert "3 days are kept between two PHQ-9; at least 7 are needed" in page
    assert "Publish this version" not in page

    draft.refresh_from_db()
    address = url("schedule_draft_publish", draft_id=draft.pk)
    answer = as_admin.post(address, {"revision": draft.revision}, follow=True)
    told = answer.content.decode()
    assert "Not published: Something still speaks against it." in told
    assert "days between two of a kind:</strong> 3 days are kept between two PHQ-9" in told
    assert "spacing_days" not in told
    assert not Schedule.objects.filter(code="ours").exists()
    assert ScheduleDraft.objects.filter(pk=draft.pk).exists()


def test_a_line_that_another_swallows_is_refused_by_name(as_admin: Client) -> None:
    draft = draft_of(as_admin, "Ours", shipped())
    twin = {"title": "Again", "instruments": ["PHQ-9"], "offset_value": "7"}
    as_admin.post(url("schedule_rule_new", draft_id=draft.pk), line_for(draft, **twin))
    page = as_admin.get(url("schedule_draft", draft_id=draft.pk))
    (refusal,) = page.context["page"].refusals
    assert refusal.place == "Again: questionnaires"
    assert "PHQ-9 is never asked in any course tried" in refusal.reason


def test_what_cannot_be_sent_is_said_on_the_preview(as_admin: Client) -> None:
    draft = draft_of(as_admin, "Ours", shipped("ketamine-default"))
    page = as_admin.get(url("schedule_draft_preview", draft_id=draft.pk))
    html = page.content.decode()
    assert "ASRM has no wording here: it is left out until the clinic loads it." in html
    assert "Left out, because they cannot be sent here:" in html
    assert "Publish this version" in html


def test_the_preview_says_what_is_never_asked_and_why(as_admin: Client) -> None:
    row = shipped("ketamine-default")
    query = {"sessions": "0", "weeks": "2", "enrolled_before": "0", "condition": "trd"}
    page = as_admin.get(url("schedule_preview", schedule_id=row.pk), query)
    silent = {(s.rule.code, s.instrument): why for s, why in page.context["preview"].silent}
    assert silent["baseline-ptsd", "PCL-5"].startswith("only for patients with: Post-traumatic")
    assert silent["every-4-weeks", "PHQ-9"] == "its moment does not come in the time looked at"


@pytest.mark.parametrize("sessions", ["", "1, 2", "zero", "0, 999", "0 " * 300])
def test_a_sample_that_cannot_be_read_is_refused_and_the_usual_one_shown(
    as_admin: Client, sessions: str
) -> None:
    query = {"sessions": sessions, "weeks": "4", "enrolled_before": "7"}
    page = as_admin.get(url("schedule_preview", schedule_id=shipped().pk), query)
    assert page.status_code == 200
    assert "sessions" in page.context["form"].errors
    assert page.context["preview"].days


# -- Versions ------------------------------------------------------------------------------------


def published(client: Client, **changes: Any) -> Schedule:
    draft = draft_of(client, "Ours", shipped())
    client.post(url("schedule_rule_new", draft_id=draft.pk), line_for(draft, **changes))
    return publish(client, draft)


def test_an_edit_makes_a_new_version_and_leaves_the_old_row_alone(as_admin: Client) -> None:
    first = published(as_admin)
    before = [rule.content for rule in first.rules.all()]
    answer = as_admin.post(url("schedule_edit", schedule_id=first.pk))
    again = as_admin.post(url("schedule_edit", schedule_id=first.pk))
    assert answer["Location"] == again["Location"]
    draft = ScheduleDraft.objects.get()
    as_admin.post(url("schedule_rule", draft_id=draft.pk, position=5), line_for(draft, title="New"))
    second = publish(as_admin, draft)
    first.refresh_from_db()
    assert (first.version, first.is_current) == (1, False)
    assert (second.version, second.is_current) == (2, True)
    assert [rule.content for rule in first.rules.all()] == before
    assert second.rules.get(position=5).content["title"] == "New"


def test_what_ships_is_not_edited_or_retired(as_admin: Client) -> None:
    for name in ("schedule_edit", "schedule_retire"):
        assert as_admin.post(url(name, schedule_id=shipped().pk)).status_code == 404


def test_new_courses_are_offered_own_current_schedules_and_no_other_clinics(
    as_admin: Client, enrolment: Enrolment, other_clinic: Clinic
) -> None:
    first = published(as_admin)
    foreign = Schedule.objects.create(
        clinic=other_clinic, code="theirs", version=1, name="Theirs", created_at=NOW
    )
    new_course = url("course_new", episode_id=enrolment.episode.pk)
    for address in (url("enrol"), new_course, url("schedule_new")):
        html = as_admin.get(address).content.decode()
        assert f'value="{first.pk}"' in html, address
        assert f'value="{shipped().pk}"' in html, address
        assert str(foreign.pk) not in html, address
    assert "Ours (the clinic&#x27;s own)" in as_admin.get(url("enrol")).content.decode()
    given = {"kind": "maintenance", "schedule": foreign.pk}
    assert "schedule" in as_admin.post(new_course, given).context["form"].errors

    as_admin.post(url("schedule_retire", schedule_id=first.pk))
    assert str(first.pk) not in as_admin.get(url("enrol")).content.decode()
    assert (
        "not offered to new courses"
        in as_admin.get(url("schedule", schedule_id=first.pk)).content.decode()
    )


def test_the_next_course_begins_with_the_version_that_is_current(
    as_admin: Client, enrolment: Enrolment
) -> None:
    first = published(as_admin)
    workflows.move_course_to_schedule(course=enrolment.course, schedule=first, by=SYSTEM, now=NOW)
    as_admin.post(url("schedule_edit", schedule_id=first.pk))
    second = publish(as_admin, ScheduleDraft.objects.get())
    page = as_admin.get(url("course_new", episode_id=enrolment.episode.pk))
    assert f'value="{second.pk}" selected' in page.content.decode()
    assert str(first.pk) not in page.content.decode()


# -- Moving --------------------------------------------------------------------------------------


def planned(enrolment: Enrolment) -> set[tuple[str, int, str]]:
    rows = Assignment.objects.planned().filter(course=enrolment.course)
    return set(rows.values_list("rule_code", "occurrence", "instrument__code"))


def test_a_running_course_keeps_its_version_until_it_is_moved(
    as_admin: Client, enrolment: Enrolment
) -> None:
    before = planned(enrolment)
    target = published(as_admin)
    assert planned(enrolment) == before
    address = url("schedule_move", schedule_id=target.pk)
    assert as_admin.get(address).context["rows"] == []
    source = enrolment.course.schedule_id
    page = as_admin.get(address, {"from": str(source)})
    ((course, change),) = page.context["rows"]
    assert course == enrolment.course
    assert (change.added, change.moved, change.withdrawn) == (2, 0, 0)
    assert "Robin Example" in page.content.decode()

    as_admin.post(f"{address}?from={source}", {"course": course.pk})
    enrolment.course.refresh_from_db()
    assert enrolment.course.schedule_id == target.pk
    assert planned(enrolment) == before | {("line-1", 0, "MOOD-1")}
    rules = Assignment.objects.planned().values_list("rule__schedule", flat=True)
    assert set(rules) == {target.pk}
    event = AuditEvent.objects.get(action="course.schedule_changed")
    assert event.data == {"from": str(source), "to": str(target.pk)}


def test_all_courses_are_moved_at_once_and_what_was_asked_stays(
    as_admin: Client, enrolment: Enrolment, clinician: User
) -> None:
    workflows.invite_due(now=NOW)
    asked = set(Assignment.objects.under_way().values_list("pk", "state", "due_at"))
    assert asked
    draft = draft_of(as_admin)
    as_admin.post(url("schedule_rule_new", draft_id=draft.pk), line_for(draft))
    target = publish(as_admin, draft)
    address = url("schedule_move", schedule_id=target.pk)
    as_admin.post(f"{address}?from={enrolment.course.schedule_id}", {"all": "1"})
    enrolment.course.refresh_from_db()
    assert enrolment.course.schedule_id == target.pk
    assert set(Assignment.objects.under_way().values_list("pk", "state", "due_at")) == asked
    assert {code for code, *_rest in planned(enrolment)} == {"line-1"}


def test_choosing_no_course_moves_none(as_admin: Client, enrolment: Enrolment) -> None:
    target = published(as_admin)
    address = f"{url('schedule_move', schedule_id=target.pk)}?from={enrolment.course.schedule_id}"
    page = as_admin.post(address, {})
    assert "Choose at least one course" in page.content.decode()


def test_a_course_of_another_clinic_is_not_moved(
    as_admin: Client, other_enrolment: Enrolment
) -> None:
    target = published(as_admin)
    source = other_enrolment.course.schedule_id
    address = f"{url('schedule_move', schedule_id=target.pk)}?from={source}"
    page = as_admin.post(address, {"course": other_enrolment.course.pk})
    assert "course" in page.context["form"].errors
    other_enrolment.course.refresh_from_db()
    assert other_enrolment.course.schedule_id == source
    assert "Olu" not in without_chance(page.content.decode())


def test_a_retired_or_old_version_takes_no_courses(as_admin: Client) -> None:
    first = published(as_admin)
    as_admin.post(url("schedule_retire", schedule_id=first.pk))
    assert as_admin.get(url("schedule_move", schedule_id=first.pk)).status_code == 404


# -- Who may -------------------------------------------------------------------------------------

READ = ["schedules", "schedule", "schedule_preview"]
WRITE = ["schedule_new", "schedule_move", "schedule_draft", "schedule_draft_details"]
WRITE += ["schedule_rule_new", "schedule_rule", "schedule_draft_preview"]
POSTED = ["schedule_edit", "schedule_retire", "schedule_rule_remove", "schedule_rule_shift"]
POSTED += ["schedule_draft_publish", "schedule_draft_discard"]


def addresses(schedule: Schedule, draft: ScheduleDraft) -> dict[str, str]:
    found = {}
    for name in (*READ, *WRITE, *POSTED):
        keys: dict[str, Any] = {}
        if name in ("schedule", "schedule_preview", "schedule_move", *POSTED[:2]):
            keys = {"schedule_id": schedule.pk}
        elif name not in ("schedules", "schedule_new"):
            keys = {"draft_id": draft.pk}
        if name in ("schedule_rule", "schedule_rule_remove", "schedule_rule_shift"):
            keys["position"] = 0
        found[name] = url(name, **keys)
    return found


def test_only_an_admin_writes_and_everybody_reads(
    as_admin: Client, as_clinician: Client, as_care_team: Client
) -> None:
    own = published(as_admin)
    pages = addresses(own, draft_of(as_admin, "Next", shipped()))
    for name in (*READ, *WRITE):
        page = as_admin.get(pages[name])
        assert page.status_code == 200, name
        assert page.content.decode().count("<h1") == 1, name
        assert " style=" not in page.content.decode(), name
    for client in (as_clinician, as_care_team):
        for name in READ:
            assert client.get(pages[name]).status_code == 200, name
        for name in WRITE:
            assert client.get(pages[name]).status_code == 403, name
        for name in (*WRITE, *POSTED):
            assert client.post(pages[name]).status_code == 403, name
    for name in POSTED:
        assert as_admin.get(pages[name]).status_code == 405, name


def test_another_clinics_schedule_looks_like_none(
    as_admin: Client, admin: User, stranger: User, other_clinic: Clinic
) -> None:
    theirs = scheduling.publish_draft(
        draft=scheduling.start_draft(
            clinic_id=other_clinic.pk, name="Theirs", source=shipped(), by=stranger.actor, now=NOW
        ),
        revision=0,
        by=stranger.actor,
        now=NOW,
    )
    draft = scheduling.draft_next_version(schedule=theirs, by=stranger.actor, now=NOW)
    foreign = addresses(theirs, draft)
    theirs.pk, draft.pk = uuid4(), uuid4()
    missing = addresses(theirs, draft)
    for name in foreign:
        if name in ("schedules", "schedule_new"):
            continue
        for method in ("get", "post"):
            one = getattr(as_admin, method)(foreign[name])
            other = getattr(as_admin, method)(missing[name])
            assert (one.status_code, other.status_code) in ((404, 404), (405, 405)), name
            assert one.content == other.content, name
    assert b"Theirs" not in as_admin.get(url("schedules")).content
    assert signed_in(stranger).get(url("schedules")).status_code == 404


def test_a_draft_is_thrown_away(as_admin: Client) -> None:
    draft = draft_of(as_admin)
    as_admin.post(url("schedule_draft_discard", draft_id=draft.pk))
    assert not ScheduleDraft.objects.exists()
    assert not Schedule.objects.filter(clinic__slug="north").exists()
