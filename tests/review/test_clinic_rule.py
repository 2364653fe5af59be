"""The clinic's rule of loss of response: chosen, recorded, and told alike wherever it is told."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from outcomes import workflows
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.clinics import services as clinics
from outcomes.clinics.models import Clinic, User
from outcomes.exports.trajectory import export_trajectory
from outcomes.instruments.definition import load_library
from outcomes.responses.models import QuestionnaireResponse
from outcomes.review import trajectory
from outcomes.review.clinic_rule import clinic_rules, loss_words
from outcomes.review.models import Standing
from outcomes.review.standings import main_scale
from outcomes.review.worklists import BY_CODE
from outcomes.templatetags.changes import held_words
from outcomes.workflows import Enrolment
from tests.conftest import signed_in
from tests.review.conftest import Answer

IMPROVEMENT = {"loss_kind": "improvement", "loss_amount": 50, "loss_in_a_row": 1}
BACK, LATER = timedelta(days=20, hours=10), timedelta(days=21)


def choose(clinic: Clinic, now: datetime, **changes: object) -> None:
    clinics.change_clinic(clinic=clinic, changes=changes, by=SYSTEM, now=now)


def words(clinic: Clinic, code: str = "PHQ-9") -> str:
    definition = load_library()[code]
    return loss_words(clinic_rules(clinic, definition, definition.scales[0]))


@pytest.fixture
def back(treated: Enrolment, answer: Answer, now: datetime) -> Enrolment:
    """From 27 to 0 after a session, then back at 18 ten days later, and not asked again."""
    answer(2, now + BACK)
    return treated


def lost_in_caseload(now: datetime) -> datetime | None:
    while workflows.keep_up_caseloads(now=now):
        pass
    return Standing.objects.get().lost_response_at


def test_another_rule_moves_the_standings_through_the_audit_record(
    back: Enrolment, now: datetime
) -> None:
    later = now + LATER
    assert lost_in_caseload(later) is None  # once is not twice in a row

    choose(back.patient.clinic, later, **IMPROVEMENT)

    event = AuditEvent.objects.get(action="clinic.changed")
    assert event.data == {
        "loss_kind": ["cutoff", "improvement"],
        "loss_amount": ["50", "50"],
        "loss_in_a_row": ["2", "1"],
    }
    assert lost_in_caseload(later) == now + BACK


@pytest.mark.parametrize("changes", [{}, IMPROVEMENT])
def test_the_caseload_the_page_and_the_file_tell_one_story(
    back: Enrolment, now: datetime, changes: dict[str, object]
) -> None:
    later, clinic = now + LATER, back.patient.clinic
    if changes:
        choose(clinic, later, **changes)
    built = trajectory.build(back.episode, later)
    phq9 = next(row for row in built.measures if row.definition.code == "PHQ-9")
    content = export_trajectory(episode=back.episode, by=SYSTEM, now=later).decode()
    rows = [row for row in csv.DictReader(io.StringIO(content)) if row["instrument"] == "PHQ-9"]
    turns = {row["response"]: datetime.fromisoformat(row["answered_at"]) for row in rows}

    lost_at = lost_in_caseload(later)

    assert turns["met"] == Standing.objects.get().responded_at
    assert turns.get("lost") == lost_at == (now + BACK if changes else None)
    assert held_words(phq9, clinic, "UTC").endswith(
        "it, the last one on 12 Feb 2026. From first response to its loss: 10 days."
        if changes
        else "No loss by the clinic's rule in the 10 days up to the last assessment."
    )


def test_the_page_and_the_summary_say_the_days_and_the_rule(
    back: Enrolment, clinician: User, now: datetime
) -> None:
    clinic, patient = back.patient.clinic, back.patient
    choose(clinic, now + LATER, **IMPROVEMENT)
    with time_machine.travel(now + LATER, tick=False):
        client = signed_in(clinician)
        for page in ("patient", "patient_summary"):
            address = reverse(f"clinic_site:{page}", args=[clinic.slug, patient.pk])
            html = client.get(address).content.decode()
            assert "From first response to its loss: 10 days." in html
            assert (
                "is less than 50 % better than the baseline. One assessment must show it." in html
            )


def test_a_rule_is_changed_with_its_audit_event_or_not_at_all(
    clinic: Clinic, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise IntegrityError("no audit")

    monkeypatch.setattr("outcomes.audit.services.record", fail)
    with pytest.raises(IntegrityError), transaction.atomic():
        choose(clinic, now, **IMPROVEMENT)

    assert Clinic.objects.get(pk=clinic.pk).loss_kind == "cutoff"


@pytest.mark.parametrize(
    "changes",
    [
        {"loss_kind": "improvement", "loss_amount": 51},
        {"loss_kind": "percent", "loss_amount": 0},
        {"loss_amount": 101},
        {"loss_kind": "worse"},
        {"loss_in_a_row": 3},
    ],
)
def test_no_door_lets_in_a_rule_that_there_is_not(
    clinic: Clinic, now: datetime, changes: dict[str, object]
) -> None:
    with pytest.raises(ValidationError):
        choose(clinic, now, **changes)
    with pytest.raises(IntegrityError), transaction.atomic():
        Clinic.objects.filter(pk=clinic.pk).update(**changes)


@pytest.mark.parametrize(
    ("kind", "amount", "in_a_row", "said"),
    [
        ("cutoff", 50, 2, "is back at 10 or above with at least 50 % of the best gain lost. Two"),
        ("cutoff", 0, 1, "is back at 10 or above. One assessment must show it."),
        ("improvement", 25, 2, "is less than 25 % better than the baseline. Two assessments in a"),
        ("points", 1, 2, "is at least 1 point worse than the best one since the baseline."),
        ("points", 5, 2, "is at least 5 points worse than the best one since the baseline."),
        ("percent", 20, 1, "than the best one since the baseline by at least 20 % of the"),
    ],
)
def test_the_rule_is_said_in_words(kind: str, amount: int, in_a_row: int, said: str) -> None:
    told = words(Clinic(loss_kind=kind, loss_amount=amount, loss_in_a_row=in_a_row))
    assert told.startswith("Loss of response: response is not met, and the score is ")
    assert said in told
    assert told.endswith(" The clinic's own convention, not validated for ketamine.")


def test_where_no_loss_is_told_the_worklist_says_so(clinic: Clinic) -> None:
    rule = BY_CODE["lost"].rule
    assert "Response was lost and has not been met since." in rule(main_scale(clinic))
    clinic.main_instrument = "PEG"
    assert rule(main_scale(clinic)) == "By the clinic's rule no loss of response is told for PEG."
    clinic.loss_kind, clinic.loss_amount = "points", 2
    assert "at least 2 points worse" in rule(main_scale(clinic))
    assert words(clinic, "PHQ-9") == ""


# -- Confirmed by a clinician --------------------------------------------------------------------


def last_answer(enrolment: Enrolment) -> QuestionnaireResponse:
    rows = enrolment.episode.responses.filter(instrument_version__instrument__code="PHQ-9")
    return rows.latest("submitted_at")


def page_of(enrolment: Enrolment, client: Client) -> str:
    address = reverse(
        "clinic_site:patient", args=[enrolment.patient.clinic.slug, enrolment.patient.pk]
    )
    return client.get(address).content.decode()


def test_a_clinician_confirms_a_loss_that_one_score_shows_and_takes_it_back(
    back: Enrolment, clinician: User, now: datetime
) -> None:
    later, shown = now + LATER, last_answer(back)
    address = reverse("clinic_site:response_loss", args=[back.patient.clinic.slug, shown.pk])
    with time_machine.travel(later, tick=False):
        client = signed_in(clinician)
        assert page_of(back, client).count("that no second one has confirmed.") == 2  # GAD-7, too

        client.post(address)
        html = page_of(back, client)
        assert "its loss: 10 days. A clinician has confirmed the loss." in html
        assert html.count("that no second one has confirmed.") == 1
        assert lost_in_caseload(later) == now + BACK
        answers = reverse("clinic_site:response", args=[back.patient.clinic.slug, shown.pk])
        assert f"by {clinician.name}" in client.get(answers).content.decode()

        client.post(address, {"is_taken_back": "1"})
        assert page_of(back, client).count("that no second one has confirmed.") == 2
        assert lost_in_caseload(later) is None
    told = AuditEvent.objects.filter(object_id=str(shown.pk), action__startswith="response.loss")
    assert list(told.order_by("number").values_list("action", flat=True)) == [
        "response.loss_confirmed",
        "response.loss_not_confirmed",
    ]


def test_what_shows_no_loss_to_confirm_is_refused(
    back: Enrolment, clinician: User, now: datetime, answer: Answer
) -> None:
    waiting = last_answer(back)
    first = back.episode.responses.earliest("submitted_at")
    with pytest.raises(ValidationError, match="no loss of response to be confirmed"):
        workflows.confirm_loss(response=first, by_user=clinician, now=now + LATER)
    workflows.confirm_loss(response=waiting, by_user=clinician, now=now + LATER)
    workflows.confirm_loss(response=last_answer(back), by_user=clinician, now=now + LATER)
    assert AuditEvent.objects.filter(action="response.loss_confirmed").count() == 1


def test_a_confirmation_is_recorded_with_its_audit_event_or_not_at_all(
    back: Enrolment, clinician: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise IntegrityError("no audit")

    monkeypatch.setattr("outcomes.audit.services.record", fail)
    with pytest.raises(IntegrityError), transaction.atomic():
        workflows.confirm_loss(response=last_answer(back), by_user=clinician, now=now + LATER)
    assert last_answer(back).loss_confirmed_at is None


def test_the_care_team_confirms_nothing(
    back: Enrolment, care_team: User, clinician: User, now: datetime
) -> None:
    address = reverse(
        "clinic_site:response_loss", args=[back.patient.clinic.slug, last_answer(back).pk]
    )
    with time_machine.travel(now + LATER, tick=False):
        client = signed_in(care_team)
        assert "Confirm the loss of response" not in page_of(back, client)
        assert client.post(address).status_code == 403
    assert last_answer(back).loss_confirmed_at is None


# -- New response --------------------------------------------------------------------------------


def test_a_response_is_new_while_it_is_unseen_and_the_last_score_meets_it(
    treated: Enrolment, answer: Answer, now: datetime
) -> None:
    def is_new(at: datetime) -> bool:
        while workflows.keep_up_caseloads(now=at):
            pass
        return Standing.objects.get().is_response_unseen

    assert is_new(now + timedelta(days=11))
    answer(2, now + BACK)
    assert not is_new(now + LATER)
