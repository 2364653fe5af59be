"""What was asked and what became of it: counts with denominators, rows with reasons."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from outcomes import workflows
from outcomes.audit.models import Actor
from outcomes.care.models import Consent, Patient
from outcomes.delivery.models import Invitation, Link, Message, MessageState
from outcomes.responses.models import Mode
from outcomes.review import deliveries, delivery_story
from outcomes.review.deliveries import Only, Period
from outcomes.review.delivery_words import REASONS, why_not_sent, words_of
from outcomes.scheduling.models import Assignment, AssignmentState
from tests.conftest import NOW, make_enrolment

PATIENT = Actor(kind="patient", id="", label="Patient's link")
PERIOD = Period(date(2026, 1, 27), date(2026, 2, 2), "Europe/London")
HOUR = timedelta(hours=1)


@pytest.fixture
def asked(enrolment) -> Patient:
    """A patient asked PHQ-9 and GAD-7, whose first message went out."""
    workflows.invite_patient(patient=enrolment.patient, now=NOW)
    Message.objects.filter(kind="invitation").update(state=MessageState.SENT, sent_at=NOW)
    return enrolment.patient


def one(code: str = "PHQ-9", now=NOW, only: str = "") -> deliveries.Row:
    page = deliveries.page(Assignment.objects.first().clinic, PERIOD, now, only=only)
    return next(row for row in page.rows if row.assignment.instrument.code == code)


def step(label: str, clinic) -> deliveries.Step:
    return next(each for each in deliveries.funnel(clinic, PERIOD) if each.label == label)


def submit(code: str, at) -> None:
    assignment = Assignment.objects.get(instrument__code=code, state__in=["open", "started"])
    count = 10 if code == "PHQ-9" else 8
    workflows.submit_response(
        assignment_id=assignment.pk,
        answers={str(number): 0 for number in range(1, count)},
        submission_id=f"test-{code}",
        language="en",
        mode=Mode.LINK,
        by=PATIENT,
        now=at,
    )


def test_every_step_names_its_denominator(asked, clinic):
    Link.objects.filter(message__kind="invitation").update(opened_at=NOW + HOUR)
    submit("PHQ-9", NOW + HOUR)
    told = [(s.label, s.count, s.of, s.of_what) for s in deliveries.funnel(clinic, PERIOD)]
    assert told == [
        ("Message sent", 2, 2, "asked"),
        ("Reported as delivered", 0, 2, "sent"),
        ("Opened", 2, 2, "asked"),
        ("Begun", 1, 2, "asked"),
        ("Answered", 1, 2, "asked"),
        ("Not answered", 1, 2, "asked"),
    ]
    assert step("Answered", clinic).percent == "50 %"
    assert step("Answered", clinic).notes == ("1 in time", "0 late")
    assert step("Not answered", clinic).notes == ("0 missed", "1 still open", "0 withdrawn")


def test_nothing_asked_has_no_percentages(clinic):
    assert all(each.of == 0 and each.percent == "" for each in deliveries.funnel(clinic, PERIOD))


def test_not_reported_is_not_not_delivered(asked, clinic):
    assert step("Reported as delivered", clinic).notes == ("0 bounced", "2 not reported")
    assert one().delivered == "not reported"
    Message.objects.filter(kind="invitation").update(delivered_at=NOW + HOUR)
    assert step("Reported as delivered", clinic).count == 2
    assert (one().delivered_at, one().delivered) == (NOW + HOUR, "")


def test_what_parts_add_up_to_is_what_was_asked(asked, clinic, clinician):
    for number in range(6):
        made = make_enrolment(clinic, clinician, f"Robin{number}")
        workflows.invite_patient(patient=made.patient, now=NOW)
    rows = list(Assignment.objects.order_by("pk"))
    for item, state in zip(rows, ["expired", "cancelled", "superseded", "started"], strict=False):
        Assignment.objects.filter(pk=item.pk).update(state=state, asked_at=NOW)
    keys = list(Message.objects.filter(kind="invitation").values_list("pk", flat=True))
    Message.objects.filter(pk__in=keys[:3]).update(sent_at=NOW, bounced_at=NOW)
    n = deliveries._counts(deliveries.asked_in(clinic, PERIOD))
    assert n["asked"] == n["sent"] + n["handed"] + n["neither"]
    assert n["asked"] == n["answered"] + n["missed"] + n["open"] + n["withdrawn"]
    assert n["missed"] == 1
    assert n["bounced"] >= 1


def test_only_the_period_on_the_clinics_calendar_counts(asked, clinic):
    begins, ends = PERIOD.bounds
    for at, inside in [
        (begins, True),
        (begins - timedelta(seconds=1), False),
        (ends - timedelta(seconds=1), True),
        (ends, False),
    ]:
        Assignment.objects.filter(asked_at__isnull=False).update(asked_at=at)
        assert bool(deliveries.asked_in(clinic, PERIOD)) is inside


def test_it_hides_another_clinics_patients(asked, other_enrolment, clinic, other_clinic):
    workflows.invite_patient(patient=other_enrolment.patient, now=NOW)
    mine = deliveries.page(clinic, PERIOD, NOW).rows
    assert {row.assignment.patient for row in mine} == {asked}
    assert step("Message sent", other_clinic).of == 2


def test_a_late_answer_tells_its_true_hours(asked, clinic):
    item = Assignment.objects.get(instrument__code="PHQ-9", state="open")
    at = item.due_at + timedelta(hours=5)
    session = item.course.sessions.order_by("planned_at").first()
    Assignment.objects.filter(pk=item.pk).update(
        state=AssignmentState.COMPLETED, completed_at=at, anchor_session=session
    )
    row = one()
    assert (row.state, row.reason, row.is_late) == ("answered late", "", True)
    assert row.hours_after_due == 5
    assert row.hours_since_session == (at - session.at) / HOUR
    assert step("Answered", clinic).notes == ("0 in time", "1 late")


# -- Why not -------------------------------------------------------------------------------------


def pending(**columns) -> str:
    Message.objects.filter(kind="invitation").update(
        state=MessageState.PENDING, sent_at=None, **columns
    )
    return one().reason


def test_it_says_until_when_quiet_hours_last(asked, patient):
    until = NOW + timedelta(hours=2)
    Patient.objects.update(time_zone="Asia/Tokyo")
    assert pending(not_before=until, state_reason="quiet hours") == "quiet hours until 20:00"
    tomorrow = NOW + timedelta(hours=23)
    assert pending(not_before=tomorrow, state_reason="quiet hours").endswith("3 Feb 2026, 17:00")


def test_it_says_that_it_waits_for_the_provider(asked):
    assert pending(attempts=2, state_reason="mail server said 451") == (
        "waiting for the provider: mail server said 451"
    )
    assert pending(attempts=0, state_reason="") == "waiting to be sent"


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("cancelled", "too late", "too late"),
        ("cancelled", "no consent", "no consent"),
        ("cancelled", "contact stopped", "opted out, bounced or marked as spam"),
        ("cancelled", "link revoked", "link revoked"),
        ("failed", "address refused", "failed: the mail server refused the address"),
        ("failed", "30003", "failed: 30003"),
        ("quarantined", "crashed repeatedly", "set aside after repeated crashes"),
        ("sending", "", "being sent"),
    ],
)
def test_it_says_why_a_message_did_not_go_out(asked, state, reason, words):
    Message.objects.update(state=state, state_reason=reason, sent_at=None)
    assert one().reason == words


def test_it_says_what_happened_after_sending(asked):
    assert one().reason == "not opened"
    Message.objects.filter(kind="invitation").update(bounced_at=NOW)
    assert (one().reason, one().delivered) == ("bounced", "bounced")


def test_it_says_why_an_invitation_is_over(asked, clinician):
    Invitation.objects.update(locked_at=NOW)
    assert one().reason == "date of birth wrong five times"
    Invitation.objects.update(locked_at=None)
    workflows.call_instead(invitation=Invitation.objects.get(), by_user=clinician, now=NOW)
    assert one().reason == "will be telephoned"
    workflows.take_back_invitation(
        invitation=Invitation.objects.get(), reason="x", by=clinician.actor, now=NOW
    )
    assert one().reason == "revoked by staff"


def test_it_says_why_nobody_was_written_to(enrolment):
    Consent.objects.all().delete()
    workflows.invite_patient(patient=enrolment.patient, now=NOW)
    assert one().reason == "No consented contact"
    assert one().channels == ""


def test_a_hand_over_is_no_message(enrolment, clinician, clinic):
    workflows.hand_over_tablet(patient=enrolment.patient, by=clinician.actor, now=NOW)
    row = one()
    assert (row.channels, row.sent_at, row.delivered) == ("handed over", None, "")
    assert row.reason == "handed over, not opened"
    assert step("Message sent", clinic).notes == ("2 handed over by staff", "0 nothing sent")


def test_what_the_patient_has_met_needs_no_reason(asked):
    Link.objects.filter(message__kind="invitation").update(opened_at=NOW)
    assert (one().state, one().reason) == ("open", "")


def test_every_reason_a_message_stores_has_words(asked):
    assert words_of("") == ""
    for code in REASONS:
        assert words_of(code)
    sent = Message.objects.get(kind="invitation")
    assert why_not_sent(sent, "UTC", NOW) == ""


# -- Choosing and paging -------------------------------------------------------------------------


def test_rows_are_narrowed_to_what_is_asked_for(asked, clinic):
    def codes(only: str) -> set[str]:
        rows = deliveries.page(clinic, PERIOD, NOW, only=only).rows
        return {row.assignment.instrument.code for row in rows}

    both = {"PHQ-9", "GAD-7"}
    assert codes("") == codes(Only.UNOPENED) == codes(Only.OPEN) == both
    assert codes(Only.UNSENT) == codes(Only.BOUNCED) == codes(Only.LATE) == set()
    Link.objects.filter(message__kind="invitation").update(opened_at=NOW)
    assert codes(Only.UNOPENED) == set()
    assert codes(Only.UNFINISHED) == both
    Assignment.objects.filter(instrument__code="GAD-7", state="open").update(state="expired")
    assert codes(Only.MISSED) == {"GAD-7"}
    assert codes(Only.OPEN) == {"PHQ-9"}
    Message.objects.update(state=MessageState.FAILED, sent_at=None)
    assert codes(Only.BOUNCED) == codes(Only.UNSENT) == both
    assert codes("nonsense") == both


def test_pages_follow_one_another_without_gap_or_repeat(clinic, clinician, monkeypatch):
    monkeypatch.setattr(deliveries, "PAGE", 3)
    for number in range(5):
        made = make_enrolment(clinic, clinician, f"Robin{number}")
        workflows.invite_patient(patient=made.patient, now=NOW)
    seen: list[object] = []
    before = None
    while True:
        page = deliveries.page(clinic, PERIOD, NOW, before=before)
        seen += [row.assignment.pk for row in page.rows]
        before = page.next
        if before is None:
            break
    assert len(seen) == len(set(seen)) == 10


def test_ten_patients_and_a_hundred_cost_the_same_queries(
    clinic, clinician, django_assert_num_queries, monkeypatch
):
    monkeypatch.setattr(deliveries, "PAGE", 500)

    def ask(numbers) -> None:
        for number in numbers:
            made = make_enrolment(clinic, clinician, f"Robin{number}")
            workflows.invite_patient(patient=made.patient, now=NOW)

    def look() -> int:
        deliveries.funnel(clinic, PERIOD)
        return len(deliveries.page(clinic, PERIOD, NOW).rows)

    ask(range(10))
    with django_assert_num_queries(10):
        assert look() == 20
    ask(range(10, 100))
    with django_assert_num_queries(10):
        assert look() == 200


# -- One patient ---------------------------------------------------------------------------------


def story(patient, now=NOW) -> delivery_story.Story:
    rows = list(delivery_story.invitations_of(patient))
    return delivery_story.stories(patient, rows, now)[0]


def test_a_story_tells_everything_in_order_of_time(asked, clinician):
    first = Message.objects.get(kind="invitation")
    Message.objects.filter(pk=first.pk).update(delivered_at=NOW + HOUR)
    Link.objects.filter(pk=first.link_id).update(opened_at=NOW + 2 * HOUR)
    Invitation.objects.update(confirmed_at=NOW + 2 * HOUR)
    submit("PHQ-9", NOW + 3 * HOUR)
    submit("GAD-7", NOW + 4 * HOUR)
    told = story(asked, NOW + 5 * HOUR)
    # What was withdrawn before its hour does not count as past.
    assert all(event.is_ahead == (event.at > NOW + 5 * HOUR) for event in told.events)
    words = [event.words for event in told.events]
    assert words[:3] == ["Asked", "Invitation by E-mail sent", "Reported as delivered"]
    assert words[3:5] == ["Opened", "Date of birth confirmed"]
    assert words[5] == "Everything answered"
    assert [event.at for event in told.events] == sorted(event.at for event in told.events)
    reminders = [event for event in told.events if event.words.startswith("Reminder")]
    assert reminders
    assert {event.detail for event in reminders} == {"answered before"}
    assert not told.is_live


def test_a_story_tells_what_is_to_come(asked):
    told = story(asked)
    assert told.is_live
    ahead = [event.words for event in told.events if event.is_ahead]
    assert ahead[-1] == "Closes"
    assert "Reminder by E-mail" in ahead
    assert [row.assignment.instrument.code for row in told.asks] == ["PHQ-9", "GAD-7"]


def test_a_story_names_who_telephones_and_what_was_handed_over(asked, clinician):
    workflows.call_instead(invitation=Invitation.objects.get(), by_user=clinician, now=NOW)
    assert ("Will be telephoned", "Clara") in [(e.words, e.detail) for e in story(asked).events]
    workflows.hand_over_tablet(patient=asked, by=clinician.actor, now=NOW + HOUR)
    assert "Code for a tablet made" in [event.words for event in story(asked).events]
    workflows.hand_over_link(patient=asked, by=clinician.actor, now=NOW + 2 * HOUR)
    assert "Link handed over by staff" in [event.words for event in story(asked).events]


def test_a_long_story_costs_as_many_queries_as_a_short_one(
    asked, clinician, django_assert_num_queries
):
    def tell() -> None:
        rows = list(delivery_story.invitations_of(asked))
        delivery_story.stories(asked, rows, NOW)

    with django_assert_num_queries(12):
        tell()
    for number in range(10):
        workflows.hand_over_link(
            patient=asked, by=clinician.actor, now=NOW + timedelta(minutes=number)
        )
    with django_assert_num_queries(12):
        tell()
