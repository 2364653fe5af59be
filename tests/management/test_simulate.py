"""Synthetic people who fare plausibly; empty clinics, and clinics with many patients at once."""

from __future__ import annotations

import statistics
from datetime import timedelta
from io import StringIO
from random import Random

import phonenumbers
import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from hypothesis import given
from hypothesis import strategies as st

from outcomes import workflows
from outcomes.audit import services as audit
from outcomes.care.models import EpisodeOfCare, Patient
from outcomes.clinics.models import Clinic, Membership
from outcomes.delivery.models import Message, MessageState
from outcomes.instruments import scoring
from outcomes.instruments.models import InstrumentVersion
from outcomes.management.demo import demo_summary
from outcomes.management.simulation import model
from outcomes.management.simulation.builder import MailWaiting, build_demo
from outcomes.management.simulation.clock import Clock
from outcomes.management.simulation.model import Kind
from outcomes.management.simulation.roster import KINDS, NEWCOMERS, roster
from outcomes.responses.models import QuestionnaireResponse, Score
from outcomes.scheduling.models import Assignment, AssignmentState
from tests.conftest import NOW, make_clinic, make_enrolment, make_member
from tests.library import LIBRARY

seeds = st.integers(0, 10**6)
kinds = st.sampled_from(list(Kind))


def person(kind: Kind, seed: int = 1) -> model.Person:
    return model.draw_person(kind, Random(seed))


# -- How people fare -----------------------------------------------------------------------------


def test_first_forms_are_like_those_of_published_series():
    rng = Random(7)
    totals, positives = [], 0
    for number in range(1500):
        somebody = model.draw_person(rng.choice(KINDS), rng)
        level = model.severity(somebody, [], NOW + timedelta(days=number % 300))
        result = scoring.score(
            LIBRARY["PHQ-9"], model.answer(LIBRARY["PHQ-9"], somebody, level, rng)
        )
        positives += bool(result.safety)
        if result.scores["total"].value is not None:
            totals.append(result.scores["total"].value)
    assert statistics.mean(totals) == pytest.approx(17, abs=0.7)
    assert statistics.stdev(totals) == pytest.approx(6, abs=0.8)
    assert positives / 1500 == pytest.approx(0.25, abs=0.04)


@given(kinds, seeds, st.lists(st.integers(0, 400), max_size=12), st.integers(0, 500))
def test_severity_stays_on_the_scale(kind, seed, session_days, day):
    sessions = [NOW + timedelta(days=at) for at in sorted(session_days)]
    assert 0 <= model.severity(person(kind, seed), sessions, NOW + timedelta(days=day)) <= 27


def test_relief_comes_within_a_day_and_fades_after_a_week():
    somebody = person(Kind.RESPONDER)
    before, *after = (
        model.severity(somebody, [NOW], NOW + timedelta(hours=hours))
        for hours in (-1, 24, 24 * 120)
    )
    assert after[0] < before - 3
    assert after[1] > after[0] + 3


def test_a_deteriorating_course_worsens():
    somebody = person(Kind.DETERIORATING)
    sessions = [NOW + timedelta(days=day) for day in (0, 3, 7)]
    months = NOW + timedelta(days=92)  # four of the 23-day waves, so that they cancel out
    assert model.severity(somebody, sessions, months) > model.severity(somebody, [], NOW) + 2


@given(kinds, seeds, st.floats(0, 27), st.sampled_from(sorted(LIBRARY)))
def test_every_answer_is_one_the_questionnaire_has(kind, seed, level, code):
    answers = model.answer(LIBRARY[code], person(kind, seed), level, Random(seed))
    assert set(answers) == {item.link_id for item in LIBRARY[code].items}
    scoring.score(LIBRARY[code], answers)


@given(kinds, seeds, st.integers(0, 23), st.integers(1, 200))
def test_people_answer_while_it_is_open_and_they_are_awake(kind, seed, hour, hours_open):
    asked_at = NOW + timedelta(hours=hour)
    closes_at = asked_at + timedelta(hours=hours_open)
    at = model.answers_at(
        person(kind, seed), asked_at, [], closes_at, "Europe/London", Random(seed)
    )
    if at is not None:
        assert asked_at <= at < closes_at
        assert 7 <= at.hour <= 22  # London keeps UTC in February


# -- Who they are --------------------------------------------------------------------------------


def test_nobody_can_be_taken_for_somebody():
    for part in roster(1, 36, NOW):
        assert "Synthetic" in part.details["family_name"]
        assert part.email.endswith(".example")
        number = phonenumbers.parse(part.phone)
        assert phonenumbers.is_valid_number(number)
        assert part.phone.startswith("+1 202 555 01")


def test_newcomers_can_answer_their_first_questionnaire_from_the_start():
    # Whatever the weekday, the first session lies within the baseline's week.
    for day in range(7):
        ends_at = NOW + timedelta(days=day, hours=9)
        for part in list(roster(1, 20, ends_at))[-len(NEWCOMERS) :]:
            assert ends_at < part.induction()[0] <= ends_at + timedelta(days=7)


def test_the_seed_decides():
    assert list(roster(1, 12, NOW)) == list(roster(1, 12, NOW))
    assert list(roster(1, 12, NOW)) != list(roster(2, 12, NOW))


def test_the_clock_keeps_the_order_of_time_and_then_of_entry():
    clock, done = Clock(), []
    clock.at(NOW + timedelta(hours=2), lambda now: done.append("last"))
    clock.at(NOW, lambda now: clock.at(now, lambda _: done.append("put down meanwhile")))
    clock.at(NOW, lambda now: done.append("second"))
    clock.at(NOW + timedelta(hours=3), lambda now: done.append("too late"))
    clock.run(NOW + timedelta(hours=2))
    assert done == ["second", "put down meanwhile", "last"]


# -- The demo, from outside ------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.django_db
def test_the_same_seed_tells_the_same_story(library):
    def told(slug: str, seed: int) -> list[object]:
        clinic = build_demo(slug=slug, seed=seed, now=NOW, patients=5, days=30).clinic
        Message.objects.unsent().update(state=MessageState.CANCELLED)
        rows = Score.objects.filter(clinic=clinic).order_by("at", "instrument_code")
        return list(rows.values_list("patient__record_number", "instrument_code", "value", "at"))

    first = told("one", 1)
    assert first
    assert told("two", 1) == first
    assert told("three", 2) != first


@pytest.mark.django_db
def test_the_demo_never_swallows_other_clinics_mail(enrolment):
    workflows.invite_due(now=NOW)
    with pytest.raises(MailWaiting):
        build_demo(slug="demo", seed=1, now=NOW, patients=5, days=30)
    assert not Clinic.objects.filter(slug="demo").exists()


# -- The command ---------------------------------------------------------------------------------


def simulate(*arguments: str) -> str:
    out = StringIO()
    call_command("simulate", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--patients", "-3"], "--patients must be a whole number of at least 0, not '-3'."),
        (["--patients", "many"], "--patients must be a whole number of at least 0, not 'many'."),
        (["--patients", "1.5"], "--patients must be a whole number of at least 0, not '1.5'."),
        (["--clinics", "0"], "--clinics must be a whole number of at least 1, not '0'."),
        (["--seed", "-1"], "--seed must be a whole number of at least 0, not '-1'."),
        (["--demo", "--patients", "4"], "leave out --patients"),
        (["--demo", "--clinics", "2"], "leave out --clinics"),
        (["--patients", "0", "--slug", "no/slug"], "'no/slug' cannot stand in an address"),
        (["--patients", "0", "--slug", "north"], "There is a clinic 'north' already"),
        (["--slug", "north"], "There is a clinic 'north' already"),
        (["--patients", "5", "--slug", "north"], "There is a clinic 'north' already"),
        (["--patients", "0", "--admin-email", "ada"], "'ada' is not an e-mail address."),
    ],
)
def test_bad_input_gets_one_sentence(clinic, arguments, sentence):
    with pytest.raises(CommandError) as refusal:
        simulate(*arguments)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert refusal.value.returncode == 2
    assert Clinic.objects.count() == 1


@pytest.mark.django_db
def test_production_has_no_demo(settings, library):
    settings.PRODUCTION = True
    for arguments in ([], ["--demo"]):
        with pytest.raises(CommandError, match="not in production"):
            simulate(*arguments)


@pytest.mark.django_db
def test_a_database_that_was_not_set_up_is_named():
    InstrumentVersion.objects.all().delete()
    with pytest.raises(CommandError, match="The database is not set up yet"):
        simulate("--patients", "0")


@pytest.mark.django_db
def test_an_empty_clinic_has_nobody_and_says_how_to_add_the_first_admin(library):
    said = simulate("--clinics", "1", "--patients", "0", "--slug", "harbour-west")
    clinic = Clinic.objects.get(slug="harbour-west")
    assert clinic.name == "Harbour West"
    assert not clinic.is_synthetic
    assert not clinic.memberships.exists()
    assert "--patients 0 --slug harbour-west --admin-email ADDRESS" in said
    assert demo_summary("http://x") == []


@pytest.mark.django_db
@pytest.mark.parametrize("exists", [False, True])
def test_the_first_admin_gets_a_link_to_set_a_password(library, client, exists):
    if exists:
        make_clinic("west")
    said = simulate("--patients", "0", "--slug", "west", "--admin-email", "ada@west.example")
    member = Membership.objects.get(clinic__slug="west", role="clinic_admin")
    assert Message.objects.get(user=member.user).kind == "test"
    assert (member.role, member.user.email) == ("clinic_admin", "ada@west.example")
    assert not member.user.has_usable_password()
    path = said.strip().splitlines()[-1].strip().removeprefix("http://127.0.0.1:8000")
    page = client.get(path, follow=True)
    assert page.status_code == 200
    assert "password1" in page.content.decode()


# -- Many at once --------------------------------------------------------------------------------


@pytest.mark.django_db
def test_many_patients_are_stored_in_consistent_states(library):
    said = simulate("--patients", "60", "--clinics", "2", "--slug", "load")
    assert "60 of 60 patients" in said
    assert "patients/s" in said
    clinics = Clinic.objects.filter(slug__in=["load-1", "load-2"], is_synthetic=True)
    for clinic in clinics:
        assert Patient.objects.filter(clinic=clinic, is_synthetic=True).count() == 30
        assert list(audit.find_breaks(clinic.pk)) == []
    assert clinics.count() == 2
    asked = Assignment.objects.all()
    answered = asked.filter(state=AssignmentState.COMPLETED)
    assert answered.count() == QuestionnaireResponse.objects.final().count() > 100
    assert not answered.exclude(completed_at__range=(F("opens_at"), F("closes_at"))).exists()
    assert not answered.filter(responses=None).exists()
    assert not EpisodeOfCare.objects.filter(clinicians=None).exists()
    assert not Message.objects.exists()


@pytest.mark.django_db
def test_many_patients_have_the_scores_and_alerts_of_their_answers(library):
    simulate("--patients", "20")
    for response in QuestionnaireResponse.objects.final():
        result = scoring.score(response.instrument_version.definition, response.answers)
        stored = {row.scale: row.value for row in response.scores.all()}
        assert stored == {code: scale.value for code, scale in result.scores.items()}
        assert response.alerts.count() == len(result.safety)


@pytest.mark.django_db
def test_many_patients_stand_beside_a_clinic_that_was_there(clinic, clinician, enrolment):
    make_enrolment(clinic, make_member(clinic, "clinician", "Cy"), "Sam")
    before = Assignment.objects.filter(clinic=clinic).count()
    simulate("--patients", "3")
    assert Assignment.objects.filter(clinic=clinic).count() == before
    assert Patient.objects.filter(clinic=clinic).count() == 2
