"""The caseload's copy of where episodes stand: whatever happens, it is what a fresh look finds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from random import Random

import pytest
from django.core.management import call_command

from outcomes import workflows
from outcomes.alerts import services as alerts
from outcomes.alerts.models import Alert
from outcomes.audit.models import SYSTEM
from outcomes.care.models import Channel, SessionStatus, TreatmentSession
from outcomes.clinics import services as clinics
from outcomes.clinics.models import Clinic, User
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Invitation
from outcomes.responses.models import Mode, QuestionnaireResponse
from outcomes.review import services as review
from outcomes.review.models import Standing
from outcomes.scheduling.models import Assignment
from tests.conftest import make_enrolment

HOURS = timedelta(hours=1)


class Ward:
    """Two patients of a clinic to whom things happen, one after another."""

    def __init__(self, clinic: Clinic, clinician: User, now: datetime) -> None:
        self.clinic, self.clinician, self.now = clinic, clinician, now
        self.people = [make_enrolment(clinic, clinician, name) for name in ("Abel", "Bea")]

    def answer(self, rng: Random) -> None:
        workflows.invite_due(now=self.now)
        for item in Assignment.objects.under_way().filter(closes_at__gt=self.now):
            count = 9 if item.instrument.code == "PHQ-9" else 7
            value = rng.randrange(4)
            workflows.submit_response(
                assignment_id=item.pk,
                answers=dict.fromkeys(map(str, range(1, count + 1)), value),
                submission_id=str(item.pk),
                language="en",
                mode=Mode.LINK,
                by=SYSTEM,
                now=self.now,
            )
        workflows.replan_due(now=self.now)

    def tap(self, rng: Random) -> None:
        item = Assignment.objects.under_way().filter(instrument__code="PHQ-9").first()
        if item is not None and item.closes_at > self.now:
            workflows.save_answers(
                assignment_id=item.pk,
                answers={"9": 2},
                language="en",
                mode=Mode.LINK,
                by=SYSTEM,
                now=self.now,
            )

    def correct(self, rng: Random) -> None:
        row = QuestionnaireResponse.objects.final().order_by("-submitted_at", "pk").first()
        if row is not None:
            answers = {**row.answers, "1": rng.randrange(4)}
            by = self.clinician.actor
            workflows.correct_response(
                response=row, answers=answers, reason="Misread", by=by, now=self.now
            )

    def see(self, rng: Random) -> None:
        episode = rng.choice(self.people).episode
        workflows.mark_episode_seen(
            episode_id=episode.pk, until=self.now, by_user=self.clinician, now=self.now
        )

    def hold(self, rng: Random) -> None:
        planned = TreatmentSession.objects.filter(status=SessionStatus.PLANNED).first()
        if planned is not None:
            workflows.edit_session(
                session=planned,
                changes={
                    "status": SessionStatus.DONE,
                    "started_at": self.now,
                    "route": "iv",
                    "drug": "Ketamine",
                    "dose_amount": Decimal("40"),
                    "dose_unit": "mg",
                },
                reason="Held",
                by=self.clinician.actor,
                now=self.now,
                is_confirmed=True,
            )

    def move(self, rng: Random) -> None:
        planned = TreatmentSession.objects.filter(status=SessionStatus.PLANNED).last()
        if planned is not None:
            workflows.move_session(
                session=planned,
                planned_at=self.now + rng.randrange(1, 200) * HOURS,
                reason="Asked for",
                by=self.clinician.actor,
                now=self.now,
                is_confirmed=True,
            )

    def cancel(self, rng: Random) -> None:
        planned = TreatmentSession.objects.filter(status=SessionStatus.PLANNED).last()
        if planned is not None:
            by = self.clinician.actor
            workflows.cancel_session(session=planned, reason="Ill", by=by, now=self.now)

    def acknowledge(self, rng: Random) -> None:
        alert = Alert.objects.open().first()
        if alert is not None:
            alerts.acknowledge(alert=alert, user=self.clinician, now=self.now)

    def escalate(self, rng: Random) -> None:
        workflows.escalate_due(now=self.now)

    def expire(self, rng: Random) -> None:
        workflows.expire_assignments(now=self.now)

    def rename(self, rng: Random) -> None:
        patient = rng.choice(self.people).patient
        name = rng.choice(("Ábel", "bea", "Cy"))
        by = self.clinician.actor
        workflows.change_patient(patient=patient, changes={"given_name": name}, by=by, now=self.now)

    def lose_contact(self, rng: Random) -> None:
        workflows.change_contact(
            patient=rng.choice(self.people).patient,
            channel=Channel.EMAIL,
            value=rng.choice(("", "new@patient.example")),
            by=self.clinician.actor,
            now=self.now,
        )

    def withdraw_consent(self, rng: Random) -> None:
        workflows.decide_consent(
            patient=rng.choice(self.people).patient,
            channel=Channel.EMAIL,
            is_given=rng.random() < 0.5,
            by=SYSTEM,
            now=self.now,
        )

    def bounce(self, rng: Random) -> None:
        delivery.stop_channel(
            patient=rng.choice(self.people).patient,
            channel=Channel.EMAIL,
            reason="hard_bounce",
            now=self.now,
        )

    def decline(self, rng: Random) -> None:
        invitation = Invitation.objects.live_at(self.now).first()
        if invitation is not None:
            workflows.decline_invitation(invitation=invitation, by=SYSTEM, now=self.now)

    def hand_over(self, rng: Random) -> None:
        workflows.hand_over_link(patient=rng.choice(self.people).patient, by=SYSTEM, now=self.now)

    def close(self, rng: Random) -> None:
        if rng.random() < 0.2 and len(self.people) > 1:
            gone = self.people.pop()
            workflows.close_episode(episode=gone.episode, by=SYSTEM, now=self.now)

    def check_no_birth_date(self, rng: Random) -> None:
        changes = {"checks_birth_date": rng.random() < 0.5}
        clinics.change_clinic(clinic=self.clinic, changes=changes, by=SYSTEM, now=self.now)


EVENTS: tuple[Callable[[Ward, Random], None], ...] = (
    *(Ward.answer, Ward.answer, Ward.tap, Ward.correct, Ward.see, Ward.hold, Ward.move),
    *(Ward.cancel, Ward.acknowledge, Ward.escalate, Ward.expire, Ward.rename),
    *(Ward.lose_contact, Ward.withdraw_consent, Ward.bounce, Ward.decline, Ward.hand_over),
    *(Ward.close, Ward.check_no_birth_date),
)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_a_fresh_look_finds_what_was_followed(
    clinic: Clinic, clinician: User, now: datetime, seed: int
) -> None:
    rng, ward = Random(seed), Ward(clinic, clinician, now)
    for _ in range(20):
        ward.now += rng.randrange(60) * HOURS
        rng.choice(EVENTS)(ward, rng)
        while workflows.keep_up_caseloads(now=ward.now):
            pass
        read, differing = review.rebuild(clinic=clinic, now=ward.now)
        assert (read, differing) == (2, 0)
    assert Standing.objects.filter(clinic=clinic).count() == len(ward.people)


def test_a_copy_that_went_wrong_is_made_anew_and_counted(
    clinic: Clinic, clinician: User, now: datetime
) -> None:
    Ward(clinic, clinician, now)
    said = StringIO()
    call_command("caseload_rebuild", "--clinic", clinic.slug, stdout=said)
    Standing.objects.update(open_alerts=7)
    Standing.objects.first().delete()  # type: ignore[union-attr]

    call_command("caseload_rebuild", stdout=said)

    assert said.getvalue().splitlines() == 2 * ["north: 2 episodes read, 2 lines were different."]
    assert set(Standing.objects.values_list("open_alerts", flat=True)) == {0}
