"""Alerts: seen by all staff, answered by a named person, one at a time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from outcomes import workflows
from outcomes.alerts import services
from outcomes.alerts.models import Alert
from outcomes.care.models import Channel
from outcomes.clinics.access import Role
from outcomes.clinics.models import Clinic, User
from outcomes.delivery.models import DispatcherLoop, Lane, Message, MessageState
from outcomes.instruments.models import Instrument
from outcomes.responses.models import Mode, QuestionnaireResponse
from outcomes.scheduling.models import Assignment
from tests.clinic_site.conftest import PATIENT, World
from tests.conftest import NOW, make_enrolment, make_member_here_too

TAKE = {"step": "acknowledge"}
DONE = {"step": "outcome", "outcome": "spoke_plan", "note": "Telephoned; plan reviewed."}


def test_it_shows_the_answer_in_its_own_words(world: World, as_care_team: Client) -> None:
    html = as_care_team.get(world.url("alert")).content.decode()
    assert "Thoughts that you would be better off dead" in html
    assert "Several days" in html
    assert "First positive answer to this question on record." in html
    assert "Simon et al. 2013" in html


def test_who_may_answer_it_can_call_the_patient_from_the_page(
    world: World, as_clinician: Client, as_care_team: Client
) -> None:
    workflows.change_contact(
        patient=world.patient, channel=Channel.SMS, value="+12025550123", by=PATIENT, now=NOW
    )

    page = as_clinician.get(world.url("alert")).content
    assert b'href="tel:+12025550123"' in page
    assert b"+12025550123" not in as_care_team.get(world.url("alert")).content


def test_a_repeat_is_compared_with_the_last_answer(world: World, as_clinician: Client) -> None:
    later = _answer_again(world, item_9=3)
    html = as_clinician.get(world.url("alert").replace(str(world.alert.pk), str(later.pk)))
    words = "Worse than the last positive answer, “Several days” on 2 Feb 2026."
    assert words in html.content.decode()
    queue = as_clinician.get(world.url("alerts")).content.decode()
    assert words in queue
    assert "First positive answer to this question on record." in queue


def _answer_again(world: World, item_9: int):
    assignment = Assignment.objects.filter(
        patient=world.patient, instrument__code="PHQ-9", state="planned"
    )[0]
    answers = {**{str(number): 1 for number in range(1, 11)}, "9": item_9}
    return workflows.submit_response(
        assignment_id=assignment.pk,
        answers=answers,
        submission_id="again",
        language="en",
        mode=Mode.LINK,
        by=PATIENT,
        now=NOW + timedelta(days=8),
    ).alerts[0]


def test_earlier_answers_stand_in_their_true_order_with_what_was_taken_back(
    world: World, as_clinician: Client
) -> None:
    later = _answer_again(world, item_9=3)
    # A form that staff copied in later takes the place of the day on which it was filled in.
    QuestionnaireResponse.objects.filter(pk=later.response_id).update(
        submitted_at=NOW - timedelta(days=1)
    )
    page = as_clinician.get(world.url("alert"))
    assert [(row.words, row.is_positive) for row in page.context["page"].earlier] == [
        ("Nearly every day", True)
    ]
    assert "Less than the last positive answer, “Nearly every day” on 1 Feb 2026." in (
        page.content.decode()
    )
    # The form no longer holds the answer: the patient had given it all the same.
    row = QuestionnaireResponse.objects.get(pk=later.response_id)
    QuestionnaireResponse.objects.filter(pk=row.pk).update(answers={**row.answers, "9": 0})
    found = as_clinician.get(world.url("alert"))
    earlier = found.context["page"].earlier
    assert {(one.words, one.past.is_kept) for one in earlier} == {
        ("Nearly every day", False),
        ("Not at all", True),
    }
    assert "Less than the last positive answer" in found.content.decode()


def test_an_answer_stands_in_the_language_it_was_asked_in_and_in_the_clinics(
    world: World, as_clinician: Client
) -> None:
    assert "The same in the words" not in as_clinician.get(world.url("alert")).content.decode()
    shipped = world.response.instrument_version
    words = shipped.content["wording"]["en"]
    made = workflows.add_wording(
        instrument=shipped.instrument,
        clinic=world.clinic,
        language="es",
        wording={
            "title": "Cuestionario",
            "stem": "Durante dos semanas:",
            "items": {key: f"Pregunta {key}" for key in words["items"]},
            "options": {
                name: {value: f"Respuesta {value}" for value in rows}
                for name, rows in words["options"].items()
            },
        },
        licence_statement="A test's own words.",
        by=PATIENT,
        now=NOW,
    )
    QuestionnaireResponse.objects.filter(pk=world.response.pk).update(
        language="es", instrument_version=made, content_hash=made.content_hash
    )
    html = as_clinician.get(world.url("alert")).content.decode()
    assert '<div lang="es">' in html
    assert "Pregunta 9" in html
    assert "Respuesta 1" in html
    assert '<blockquote lang="en">' in html
    assert "Thoughts that you would be better off dead" in html
    assert "“Several days”" in as_clinician.get(world.url("alerts")).content.decode()


def test_an_attempt_says_when_it_was_made_and_when_it_was_recorded(
    world: World, as_clinician: Client
) -> None:
    as_clinician.post(world.url("alert"), TAKE)
    attempt = {"step": "attempt", "way": "telephone", "is_reached": "no"}
    with time_machine.travel(NOW + timedelta(hours=2), tick=False):
        early = as_clinician.post(world.url("alert"), {**attempt, "tried_at": "2026-02-02T08:59"})
        late = as_clinician.post(world.url("alert"), {**attempt, "tried_at": "2026-02-02T11:01"})
        assert [list(page.context["form"].errors) for page in (early, late)] == [["tried_at"]] * 2
        made = as_clinician.post(world.url("alert"), {**attempt, "tried_at": "2026-02-02T09:20"})
        assert made.url == world.url("alert") + "#reaching"
        html = as_clinician.get(world.url("alert")).content.decode()
    assert "2 Feb 2026, 09:20 GMT" in html
    assert "recorded <time" in html


# -- The queue -----------------------------------------------------------------------------------


def _queue(client: Client, world: World, **asked: str) -> list[tuple[str, str]]:
    page = client.get(world.url("alerts"), asked)
    return [(row.alert.patient.given_name, row.alert.state) for row in page.context["entries"]]


def test_open_ones_stand_first_the_oldest_on_top_then_what_is_still_owed(
    world: World, clinician: User, admin: User, as_clinician: Client, as_admin: Client
) -> None:
    _raise_for("Ana Bo Cy", world.clinic, clinician)
    made = {alert.patient.given_name: alert for alert in Alert.objects.select_related("patient")}
    services.acknowledge(alert=made["Robin"], user=clinician, now=NOW)
    services.acknowledge(alert=made["Bo"], user=admin, outcome="known", now=NOW)
    opened = [("Ana", "open"), ("Cy", "open")]
    owed = [("Robin", "acknowledged")]
    assert _queue(as_clinician, world) == [*opened, *owed]
    assert _queue(as_clinician, world, show="open") == opened
    assert _queue(as_clinician, world, show="acknowledged") == owed
    assert _queue(as_clinician, world, show="closed") == [("Bo", "resolved")]
    # Clara is responsible for all of them; Ada for none.
    assert _queue(as_clinician, world, show="mine") == [*opened, *owed]
    assert _queue(as_admin, world, show="mine") == []
    assert _queue(as_clinician, world, kind="mania") == []
    assert _queue(as_clinician, world, show="nonsense", kind="nonsense") == [*opened, *owed]


def test_a_line_has_its_clocks_and_whom_it_was_told_to(world: World, as_clinician: Client) -> None:
    workflows.escalate_due(now=NOW + timedelta(minutes=15))
    with time_machine.travel(NOW + timedelta(minutes=25), tick=False):
        html = as_clinician.get(world.url("alerts")).content.decode()
    assert "25 min" in html
    assert "<dd>all clinicians</dd>" in html
    assert "2 Feb 2026, 09:30 GMT</time> (in 5 min)" in html


def test_the_queue_asks_the_database_as_often_for_many_alerts_as_for_one(
    world: World, clinician: User, as_clinician: Client
) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as asked:
            as_clinician.get(world.url("alerts"))
        return len(asked)

    count()  # what a process reads once
    few = count()
    _raise_for("Ana Bo Cy Di Ed Flo Gus Hal", world.clinic, clinician)
    assert count() == few


def test_the_queue_comes_a_page_at_a_time(
    world: World, clinician: User, as_clinician: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outcomes.clinic_site.views.alerts.PER_PAGE", 2)
    _raise_for("Ana Bo Cy", world.clinic, clinician)
    assert [name for name, _ in _queue(as_clinician, world)] == ["Robin", "Ana"]
    assert [name for name, _ in _queue(as_clinician, world, page="2")] == ["Bo", "Cy"]


# -- The mania watch -----------------------------------------------------------------------------


def test_a_mania_score_stands_beside_its_published_cutoff_and_the_scores_before(
    world: World, as_clinician: Client
) -> None:
    made = [
        _score_mania(world, total, NOW + timedelta(days=day))
        for day, total in ((0, 4), (7, 8), (14, 8))
    ]
    assert [len(alerts) for alerts in made] == [0, 1, 1]
    address = world.url("alert").replace(str(world.alert.pk), str(made[2][0].pk))
    page = as_clinician.get(address)
    html = page.content.decode()
    assert "ASRM 8, published cut-off 6 (Altman et al. 1997): the score is at or above it." in html
    assert "The same as the last score at or above the cut-off, 8 on 9 Feb 2026." in html
    assert [row.words for row in page.context["page"].earlier] == ["8", "4"]
    queue = as_clinician.get(world.url("alerts"), {"kind": "mania"}).content.decode()
    assert "ASRM: 8, published cut-off 6" in queue
    assert "First score at or above the cut-off on record." in queue


def test_an_incomplete_mania_scale_says_what_the_answers_come_to(
    world: World, as_clinician: Client
) -> None:
    [alert] = _score_mania(world, 8, NOW, left_open=("5",))
    address = world.url("alert").replace(str(world.alert.pk), str(alert.pk))
    html = as_clinician.get(address).content.decode()
    assert "ASRM has no score, for an answer is missing." in html
    assert "come to at least 8, published cut-off 6 (Altman et al. 1997)" in html


def _score_mania(
    world: World, total: int, now: datetime, left_open: tuple[str, ...] = ()
) -> list[Alert]:
    row = Assignment.objects.get(pk=world.response.assignment_id)
    row.pk, row.occurrence, row.state = None, 100 + (now - NOW).days, "open"
    row.instrument = Instrument.objects.get(code="ASRM")
    row.save(force_insert=True)
    answers = {str(key): min(4, max(0, total - 4 * (key - 1))) for key in range(1, 6)}
    return workflows.submit_response(
        assignment_id=row.pk,
        answers={key: value for key, value in answers.items() if key not in left_open},
        submission_id=f"mania-{row.pk}",
        language="en",
        mode=Mode.LINK,
        by=PATIENT,
        now=now,
    ).alerts


def test_one_press_acknowledges_and_the_outcome_closes(world: World, as_clinician: Client) -> None:
    assert as_clinician.post(world.url("alert"), TAKE).status_code == 302
    world.alert.refresh_from_db()
    assert (world.alert.state, world.alert.acknowledged_by.name) == ("acknowledged", "Clara")
    page = as_clinician.post(world.url("alert"), {"step": "outcome", "note": "Nothing chosen"})
    assert list(page.context["form"].errors) == ["outcome"]
    assert as_clinician.post(world.url("alert"), DONE).status_code == 302
    world.alert.refresh_from_db()
    assert world.alert.state == "resolved"
    html = as_clinician.get(world.url("alert")).content.decode()
    assert "Telephoned; plan reviewed." in html
    assert "alert needs a person" not in html


def test_attempts_and_a_plan_are_recorded_one_after_another(
    world: World, as_clinician: Client, as_admin: Client
) -> None:
    as_clinician.post(world.url("alert"), TAKE)
    attempt = {"step": "attempt", "way": "telephone", "is_reached": "no", "note": "Rang out."}
    as_clinician.post(world.url("alert"), attempt)
    as_admin.post(world.url("alert"), {**attempt, "way": "third_party", "is_reached": "yes"})
    as_clinician.post(world.url("alert"), {"step": "plan", "plan": "Visit at noon."})
    html = as_clinician.get(world.url("alert")).content.decode()
    assert "Telephone: not reached" in html
    assert "Through somebody else: reached" in html
    assert "Visit at noon." in html
    page = as_clinician.post(world.url("alert"), {"step": "attempt", "way": "telephone"})
    assert list(page.context["form"].errors) == ["is_reached"]


def test_who_comes_second_is_told_who_has_it(
    world: World, as_clinician: Client, as_admin: Client
) -> None:
    as_clinician.post(world.url("alert"), TAKE)
    page = as_admin.post(world.url("alert"), TAKE)
    assert "Clara has this alert already, since 2 Feb 2026, 09:00 GMT." in page.content.decode()
    world.alert.refresh_from_db()
    assert world.alert.acknowledged_by.name == "Clara"


def test_what_is_still_owed_stays_on_the_list(world: World, as_clinician: Client) -> None:
    as_clinician.post(world.url("alert"), TAKE)
    as_clinician.post(world.url("alert"), {"step": "outcome", "outcome": "not_reached"})
    assert b"a step is still owed" in as_clinician.get(world.url("alerts")).content
    as_clinician.post(world.url("alert"), DONE)
    world.alert.refresh_from_db()
    assert world.alert.state == "resolved"
    kinds = [event.kind for event in world.alert.events.all()]
    assert kinds[-4:] == ["acknowledged", "outcome", "outcome", "closed"]


def test_it_tells_who_acknowledged_from_who_closed(
    world: World, as_clinician: Client, as_admin: Client
) -> None:
    as_clinician.post(world.url("alert"), TAKE)
    as_admin.post(world.url("alert"), DONE)
    html = as_clinician.get(world.url("alert")).content.decode()
    assert "safety plan agreed or reviewed. Clara had acknowledged it." in html
    closed = as_clinician.get(world.url("alerts"), {"show": "closed"}).content.decode()
    assert "Acknowledged by" in closed


def test_a_closed_alert_takes_no_more_answers(world: World, as_clinician: Client) -> None:
    as_clinician.post(world.url("alert"), TAKE)
    as_clinician.post(world.url("alert"), DONE)
    late = {**DONE, "outcome": "emergency", "note": "Sent a taxi."}
    page = as_clinician.post(world.url("alert"), late)
    assert page.context["form"].non_field_errors()
    # Nothing that a person wrote vanishes unsaid.
    assert "What you wrote was not saved:" in page.content.decode()
    assert "Sent a taxi." in page.content.decode()
    plan = {"step": "plan", "plan": "Ring at four."}
    assert "Ring at four." in as_clinician.post(world.url("alert"), plan).content.decode()
    world.alert.refresh_from_db()
    assert world.alert.outcome == "spoke_plan"


def test_the_care_team_sees_and_cannot_acknowledge(world: World, as_care_team: Client) -> None:
    assert b'name="step"' not in as_care_team.get(world.url("alert")).content
    for step in (TAKE, DONE, {"step": "plan", "plan": "Mine."}):
        assert as_care_team.post(world.url("alert"), step).status_code == 403
    world.alert.refresh_from_db()
    assert world.alert.state == "open"


def test_the_products_own_outcome_cannot_be_chosen(world: World, as_clinician: Client) -> None:
    as_clinician.post(world.url("alert"), TAKE)
    page = as_clinician.post(world.url("alert"), {"step": "outcome", "outcome": "changed"})
    assert list(page.context["form"].errors) == ["outcome"]


def test_an_unknown_step_is_no_page(world: World, as_clinician: Client) -> None:
    assert as_clinician.post(world.url("alert"), {"step": "acknowledge_all"}).status_code == 404


def test_every_page_says_when_sending_is_delayed(
    world: World, as_clinician: Client, now: datetime
) -> None:
    def is_said(name: str = "patients") -> bool:
        return b"Sending is delayed" in as_clinician.get(world.url(name)).content

    assert is_said()
    DispatcherLoop.objects.create(lane=Lane.ALERT, finished_at=now)
    assert not is_said()
    with time_machine.travel(now + timedelta(seconds=59), tick=False):
        assert not is_said()
    with time_machine.travel(now + timedelta(seconds=61), tick=False):
        assert is_said()
        assert is_said("caseload")
        assert b"Sending is delayed" in as_clinician.get("/me/").content
    DispatcherLoop.objects.update(lane=Lane.BULK, finished_at=now)
    assert is_said()


# -- The banner ----------------------------------------------------------------------------------


def _raise_for(names: str, clinic: Clinic, clinician: User, first: int = 1) -> None:
    """Let patients of these names answer item 9 with 1, one a minute from the first one on."""
    for minute, name in enumerate(names.split(), first):
        made, at = make_enrolment(clinic, clinician, name), NOW + timedelta(minutes=minute)
        workflows.invite_patient(patient=made.patient, now=at)
        asked = Assignment.objects.filter(patient=made.patient, instrument__code="PHQ-9")
        workflows.submit_response(
            assignment_id=asked.under_way().get().pk,
            answers={str(number): 1 for number in range(1, 11)},
            submission_id=f"{clinic.slug}-{name}",
            language="en",
            mode=Mode.LINK,
            by=PATIENT,
            now=at,
        )


def _banner(client: Client, address: str) -> tuple[str, list[str]]:
    html = client.get(address).content.decode()
    banner = re.search(r'aria-label="Open alerts">(.*?)</div>', html, re.DOTALL)
    assert banner
    text = " ".join(re.sub(r"<[^>]+>", " ", banner[1]).split())
    return text, re.findall(r'href="([^"]+)"', banner[1])


def test_the_banner_names_the_three_oldest_and_counts_the_others(
    world: World, clinician: User, as_care_team: Client
) -> None:
    _raise_for("Ana Bo", world.clinic, clinician)
    text, links = _banner(as_care_team, world.url("patients"))
    assert text.startswith("3 alerts need a person: Robin Example, raised")
    assert "Ana Example" in text
    assert "Bo Example" in text
    assert "more" not in text
    _raise_for("Cy Di", world.clinic, clinician, first=3)
    text, links = _banner(as_care_team, world.url("patients"))
    assert text.startswith("5 alerts need a person: Robin Example, raised")
    assert "Cy Example" not in text
    assert text.endswith("and 2 more open alerts")
    assert links[0] == world.url("alert")
    assert links[3:] == [world.url("alerts")]


def test_the_banner_says_which_alert_is_a_mania_scales(world: World, as_care_team: Client) -> None:
    _score_mania(world, 8, NOW + timedelta(days=7))
    text, _links = _banner(as_care_team, world.url("patients"))
    assert text.startswith("2 alerts need a person:")
    assert text.count("(mania scale)") == 1
    assert text.endswith("(mania scale)")


def test_outside_a_clinic_the_banner_counts_the_others_by_clinic(
    world: World, other_world: World, clinician: User, as_clinician: Client
) -> None:
    make_member_here_too(other_world.clinic, clinician, Role.CARE_TEAM)
    _raise_for("Ana Bo", world.clinic, clinician)
    _raise_for("Cy Di", other_world.clinic, clinician, first=3)
    text, links = _banner(as_clinician, "/me/")
    assert text.startswith("6 alerts need a person:")
    assert "and 1 more open alert in North Clinic" in text
    assert "and 2 more open alerts in South Clinic" in text
    assert links[3:] == [world.url("alerts"), other_world.url("alerts")]


def test_the_banner_says_when_a_mail_about_an_unnamed_alert_is_delayed(
    world: World, clinician: User, as_clinician: Client
) -> None:
    _raise_for("Ana Bo Cy Di", world.clinic, clinician)
    named = ["Robin", "Ana", "Bo"]
    Message.objects.filter(alert__isnull=False).update(state=MessageState.SENT, sent_at=NOW)
    with time_machine.travel(NOW + timedelta(minutes=10), tick=False):
        text, _links = _banner(as_clinician, world.url("patients"))
        assert "delayed" not in text
        others = Message.objects.exclude(alert__patient__given_name__in=named)
        others.filter(alert__isnull=False).update(state=MessageState.PENDING, sent_at=None)
        text, _links = _banner(as_clinician, world.url("patients"))
    assert text.endswith("and 2 more open alerts (some mail about them is delayed)")


# -- Calls asked for -----------------------------------------------------------------------------


def test_a_call_asked_for_stands_on_every_page_the_list_and_the_patients_page(
    world: World, as_care_team: Client
) -> None:
    for name in ("caseload", "alerts", "patient"):
        page = as_care_team.get(world.url(name)).content.decode()
        assert "1 patient asks to be called:" in page, name
        assert world.url("call_settle") in page, name
    assert "asks to be called</a></h2>" in page


def test_a_call_is_settled_by_a_named_person_with_what_was_done(
    world: World, as_clinician: Client, clinician: User
) -> None:
    assert as_clinician.post(world.url("call_settle"), {"note": ""}).status_code == 200
    as_clinician.post(world.url("call_settle"), {"note": "Telephoned."})
    world.call.refresh_from_db()
    assert (world.call.settled_by, world.call.note) == (clinician, "Telephoned.")
    assert "asks to be called" not in as_clinician.get(world.url("patient")).content.decode()
    assert "Telephoned." in as_clinician.get(world.url("call_settle")).content.decode()
